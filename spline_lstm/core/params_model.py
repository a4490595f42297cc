"""Sections of params.yaml from the network to the backtest."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.params_rows import RowModelParams
from spline_lstm.core.section import (
    Count,
    ModelName,
    NotNegative,
    Percent,
    Positive,
    Rows,
    Section,
    Seed,
    Share,
    check_one_form,
)


class ModelParams(Section):
    """Stage train-flax-rnn: the network."""

    type: ModelName = "lstm"
    """lstm | gru | attention_lstm (additive attention over the states, with the last state as
    query) | linear (averaged ridge regressions, solved in closed form; the other options of this
    section do not matter); for task tabular, with the options in rows: ft_transformer | tabm |
    mlp; or module:Class, a network of your own (see docs/models.md)"""
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (64, 32)
    """units of each recurrent layer, bottom to top"""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """share of units dropped between layers and before the head while training, 0 to below 1"""
    normalization: Literal["none", "last", "revin", "robust"] = "last"
    """per window: none | last (subtract the last target value) | revin (subtract the mean, divide
    by the standard deviation) | robust (the same with median and median absolute deviation, which
    spikes do not move)"""
    segment: Count = 4
    """rows of the lookback that enter the cell together, through a linear layer; 1: the classical
    network, row by row"""
    decoder: Literal["dense", "segments"] = "dense"
    """dense: one linear head for the horizon | segments: one cell step per segment of the horizon,
    in parallel"""
    channels: Literal["mixed", "independent"] = "mixed"
    """mixed: the network sees all targets at once, and a linear forecast has weights for each |
    independent: one target at a time, with weights that all share, also those of a linear
    forecast"""
    bidirectional: bool = False
    """true: a second cell reads the lookback backwards"""
    layer_norm: bool = False
    """true: the states of each layer are normalised"""
    network_lookback: Count | None = None
    """rows of the lookback that the network reads, the last ones; a linear skip and seasonal values
    reach back over all of it; null: all"""
    linear_skip: Literal["none", "frozen", "trained", "beside"] = "none"
    """frozen: the network is added to the linear forecast of the lookback (the one of type linear),
    starts at zero, and counts as far as validation shows that it helps | trained: training also
    corrects the linear forecast, at 3 % of the learning rate | beside: the network does not see the
    linear forecast and forecasts by itself; the forecast is a mean of the two, with the weights
    that validation shows (with quantiles, the network alone) | none: no linear forecast"""
    seasonal_skip: bool = False
    """true: the head also sees the last values, the values of one season ago (of each season that
    the targets follow) and the linear forecast"""
    stack: Literal["none", "shrunk"] = "none"
    """shrunk: the forecast is a weighted mean of the linear one, that with the network, the naive
    one and the seasonal naive ones; the weights leave the linear one as far as validation shows
    that it helps. It needs a linear_skip | none"""
    head_units: Count | None = None
    """units of a layer (ReLU) between the network and its linear head; null: none"""
    quantiles: tuple[Share, ...] = ()
    """quantiles to forecast, increasing, with 0.5 among them (train.loss quantile); []: a point
    forecast"""
    rows: RowModelParams = RowModelParams()

    @pydantic.field_validator("quantiles")
    @classmethod
    def _increasing_with_the_median(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and (0.5 not in value or list(value) != sorted(set(value))):
            raise ValueError(
                "quantiles must increase and include 0.5, the point forecast; [] for only a point "
                "forecast"
            )
        return value

    @pydantic.model_validator(mode="after")
    def _decoder_fits(self) -> "ModelParams":
        if self.decoder == "segments" and (self.segment == 1 or self.bidirectional):
            raise ValueError(
                "decoder segments needs a segment above 1 and bidirectional false; or set decoder "
                "dense"
            )
        if self.decoder == "segments" and self.seasonal_skip:
            raise ValueError("seasonal_skip needs decoder dense; or set seasonal_skip false")
        return self

    @pydantic.model_validator(mode="after")
    def _stack_has_parts(self) -> "ModelParams":
        if self.stack != "none" and self.linear_skip == "none":
            raise ValueError(
                "stack shrunk needs a linear_skip: frozen, trained or beside; or set stack none"
            )
        if self.stack != "none" and self.quantiles:
            raise ValueError(
                "stack shrunk combines point forecasts: set quantiles to [], or stack to none"
            )
        return self


class TrainParams(Section):
    """Stage train-flax-rnn: optimisation."""

    seed: Seed = 42
    """seed of initial weights, shuffling and dropout, 0 to 4294967295"""
    loss: Literal["mse", "mae", "huber", "quantile", "bce", "cross_entropy"] = "mse"
    """mse | mae | huber | quantile (pinball) in z-scores, or bce for targets 0 and 1; only over
    observed targets; task tabular: cross_entropy for classes, mse | mae | huber for numbers"""
    huber_delta: Positive | Literal["residual"] | None = None
    """huber: error from which on the loss is linear, z-scores | residual (the root mean square of
    what the linear skip misses in training); null: 1.0"""
    positive_weight: Positive | Literal["balanced"] = 1.0
    """bce: weight of the label 1, or balanced (negatives per positive in the training split)"""
    batch_size: Count = 64
    """windows per step"""
    max_epochs: Count | None = 6
    """most passes over the training windows; null: max_steps is the limit"""
    max_steps: Count | None = None
    """instead of max_epochs, most steps (updates of the weights); null: max_epochs is the limit"""
    min_steps: Count | None = None
    """fewest steps: a limit in epochs is raised to them, and patience does not end the training
    before; null: none"""
    eval_steps: Count | None = None
    """steps between two evaluations of the validation loss (a divisor of max_steps compiles once);
    null: an epoch and at least a 40th of min_steps, or with max_steps a 20th to a 40th of them"""
    patience: Count | None = 3
    """epochs without improvement of the validation loss before training stops; null: see
    patience_evaluations"""
    patience_evaluations: Count | None = None
    """instead of patience, evaluations without improvement; null with patience null: never stop
    early"""
    min_delta: NotNegative = 0.0
    """smallest decrease of the validation loss that counts as improvement"""
    learning_rate: Positive = 0.004
    """step size of AdamW"""
    schedule: Literal["constant", "cosine", "stable", "plateau"] = "cosine"
    """course of the step size: constant | cosine (warm-up, then down to 1 % at the last step) |
    stable (warm-up, constant, then evenly down to 1 % in the last fifth) | plateau"""
    warmup_steps: Rows | None = None
    """steps in which the step size rises from 1 % to learning_rate; null: for cosine and stable an
    epoch, or with max_steps a 20th of them, at most half of all steps, else 0"""
    plateau_factor: Share = 0.5
    """plateau: factor on the step size after plateau_patience evaluations without improvement, 0 to
    1"""
    plateau_patience: Count = 2
    """plateau: evaluations without improvement before the step size falls"""
    weight_decay: NotNegative = 0.0001
    """decoupled weight decay of AdamW, 0: none"""
    clip_norm: Positive = 1.0
    """largest global norm of a gradient; larger ones are scaled down to it"""
    overfitting_ratio: Annotated[float, Field(gt=1.0)] = 1.5
    """validation loss / training loss at the best evaluation above which the run is marked as
    overfitting"""
    overfitting_rise: Annotated[float, Field(gt=1.0)] = 1.1
    """last / best validation loss above which the run is marked as overfitting, if the training
    loss fell meanwhile"""
    precision: Literal["float32", "bfloat16"] = "float32"
    """arithmetic of the network: float32 | bfloat16 (faster on accelerators; weights stay
    float32)"""
    ensemble_size: Count = 1
    """networks with seeds seed, seed + 1, ... trained together; the forecast is their mean"""
    stream_steps: Count | None = None
    """steps whose windows are gathered on the host while the device computes those before, so that
    the rows need not fit on the device; null: all rows are on the device"""
    shuffle_windows: Count | None = None
    """windows that are shuffled together, 64 blocks of consecutive ones; null: all of an epoch"""
    validation_windows: Count | None = None
    """most validation windows that the loss is measured on, evenly spaced; null: all"""
    hosts: Count = 1
    """processes that train together, each with its share of the devices; they are started on this
    machine, or one on each of several (docs/scaling.md). The weights do not depend on it"""
    devices: Count = 2
    """virtual devices of a CPU, of all hosts together, that share each batch; the last digits of
    the weights depend on it"""
    threads: Count = 2
    """threads of the XLA thread pool; the weights depend neither on it nor on the core count of the
    machine"""

    @pydantic.model_validator(mode="after")
    def _one_budget(self) -> "TrainParams":
        check_one_form(self, "max_epochs", "max_steps")
        if self.patience is not None or self.patience_evaluations is not None:
            check_one_form(self, "patience", "patience_evaluations")
        if self.devices % self.hosts:
            raise ValueError(f"devices {self.devices} must be a multiple of hosts {self.hosts}")
        limit, fewest = self.max_steps, self.min_steps
        if limit is not None and (fewest or 0) > limit:
            raise ValueError(f"min_steps {fewest} must be at most max_steps {limit}")
        if limit is not None and (self.warmup_steps or 0) >= limit:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be below max_steps {limit}")
        return self


class EvaluateParams(Section):
    """Stage evaluate: metrics, baselines and prediction intervals."""

    season: Count | None = 288
    """rows in one season, for the seasonal naive forecast and the scale of MASE (288 rows of 5
    minutes: one day); null: the shortest season of the clock, such as 12 months or 24 hours"""
    moving_average: Count = 6
    """rows that the moving-average baseline averages"""
    interval_levels: tuple[Percent, ...] = (80.0, 95.0)
    """prediction intervals, percent, increasing; with model.quantiles the network gives its own
    instead"""
    interval_width: Literal["auto", "constant", "scaled"] = "auto"
    """constant: the width of an interval depends only on step, target and series; scaled: on the
    recent changes before the origin as well; auto: scaled if validation clearly favours it"""

    @pydantic.field_validator("interval_levels")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("levels must increase; [] for no intervals")
        return value


class ExportParams(Section):
    """Stage export: files for other runtimes."""

    opset: Annotated[int, Field(ge=13, le=18)] = 17
    """ONNX operator set, 13 to 18"""
    formats: tuple[Literal["onnx", "tflite"], ...] = ("onnx", "tflite")
    """files to write: onnx, tflite, both or none []"""
    variants: tuple[Literal["float16", "int8"], ...] = ("float16", "int8")
    """files with weights in fewer bits beside the float32 ones: float16, int8, both or none []"""
    golden_windows: Count = 1024
    """test windows, spaced evenly, stored with the forecasts of the Flax model: the reference of
    the gate; all if fewer"""

    @pydantic.field_validator("formats", "variants")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each entry may appear only once")
        return value


class QuantizedParams(Section):
    """The same two limits for float16 and int8 files."""

    max_abs_diff: Positive = 0.1
    """in z-scores"""
    max_rmse_increase: NotNegative = 0.02
    """0.02: 2 %"""


class BenchmarkParams(Section):
    """Stage benchmark: the gate on the exported files."""

    calls: Annotated[int, Field(ge=100)] = 1000
    """timed calls of one window each, at least 100"""
    warmup_calls: Annotated[int, Field(ge=0)] = 100
    """calls before timing starts"""
    repeats: Annotated[int, Field(ge=2)] = 100
    """calls with one input whose answers must be equal bit by bit"""
    max_abs_diff: Positive = 0.001
    """largest absolute difference to the Flax model, in z-scores"""
    max_rmse_increase: NotNegative = 0.0001
    """largest relative increase of the RMSE on the golden windows (0.0001: 0.01 %)"""
    quantized: QuantizedParams = QuantizedParams()
    max_p95_ms: Positive = 30.0
    """largest 95th percentile of the latency of one call, in milliseconds"""
    max_size_mb: Positive = 10.0
    """largest size of a file, in megabytes (10^6 bytes)"""


class BacktestParams(Section):
    """Stage backtest: the whole fit repeated along time; it never touches the final model."""

    strategy: Literal["expanding", "rolling"] = "expanding"
    """expanding: each fold trains on all data before its test split; rolling: on as much as the
    first fold has"""
    folds: Count = 2
    """test splits, one after another, the last one at the end of the data"""
    test: Share = 0.15
    """share of the time span in each test split; folds * test is below 1"""
    validation: Share = 0.2
    """share of the data before a test split, at their end, that stops the training early"""
    embargo: Rows | None = None
    """rows left out before the validation and the test split; null: as window.embargo"""
    stride: Count | None = 4
    """rows between two forecast origins; null: as window.stride. 4 quarters the cost, and
    neighbours differ little"""
    max_epochs: Count | None = 4
    """most passes over the training windows of a fold, at least train.min_steps; null: max_steps,
    or if that is null, too, as the section train has it"""
    max_steps: Count | None = None
    """instead of max_epochs, most steps of a fold"""
    adaptive_intervals: Share | None = None
    """adaptive conformal inference beside the fixed intervals: how far each hit or miss moves their
    level, such as 0.02; null: not"""

    @pydantic.model_validator(mode="after")
    def _training_split_remains(self) -> "BacktestParams":
        if self.max_epochs is not None or self.max_steps is not None:
            check_one_form(self, "max_epochs", "max_steps")
        if self.folds * self.test >= 1.0:
            raise ValueError(
                "folds * test must be below 1, so that the first fold has data to train on"
            )
        return self
