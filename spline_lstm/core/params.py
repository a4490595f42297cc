"""params.yaml as one frozen model: a section per stage, no unknown key, no implicit conversion."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params_errors import as_json, describe
from spline_lstm.core.timestamps import parse_frequency, parse_instant

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Percent = Annotated[float, Field(gt=0.0, lt=100.0)]
Count = Annotated[int, Field(ge=1)]
# A type of model by name; `spline_lstm.models.types` tells which ones there are.
TypeName = Annotated[str, Field(pattern="^[a-z][a-z_]*$", max_length=40)]


class Section(pydantic.BaseModel):
    """Frozen, strict, closed: the base of every section."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class DataParams(Section):
    """Where the raw table comes from and how it is read (stage ingest)."""

    source: Annotated[str, Field(min_length=1)]
    schema_file: Annotated[str, Field(min_length=1)]
    sort: bool
    duplicates: Literal["error", "first", "last", "mean"]


class SplitParams(Section):
    """Chronological shares of the time span, or dates; the test part is what remains, or ends at the third date."""

    train: Share
    validation: Share
    dates: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)] | None

    @pydantic.field_validator("dates")
    @classmethod
    def _in_order(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None:
            instants = [parse_instant(text) for text in value]
            if any(earlier >= later for earlier, later in pairwise(instants)):
                raise ValueError(
                    "the validation part must begin before the test part, and that before its end"
                )
        return value

    @pydantic.model_validator(mode="after")
    def _test_part_remains(self) -> "SplitParams":
        if self.train + self.validation >= 1.0:
            raise ValueError("train + validation must be below 1, so that a test part remains")
        return self


class OutliersParams(Section):
    """The causal Hampel rule."""

    method: Literal["off", "mark", "replace"]
    window: Annotated[int, Field(ge=3)]
    threshold: Annotated[float, Field(gt=0.0)]


class SmoothingParams(Section):
    """The causal smoothing spline."""

    method: Literal["off", "replace", "channel"]
    strength: Annotated[float, Field(gt=0.0)] | None


class DriftParams(Section):
    """Limits of the drift report, each a reason for a warning."""

    mean_shift: Annotated[float, Field(gt=0.0)]
    std_ratio: Annotated[float, Field(ge=1.0)]
    psi: Annotated[float, Field(gt=0.0)]
    ks: Annotated[float, Field(gt=0.0, le=1.0)]


class PreprocessParams(Section):
    """From the raw table to regular as-of arrays (stage preprocess)."""

    feature_mode: Literal["univariate", "multivariate"]
    frequency: str
    snap: Annotated[float, Field(ge=0.0, le=0.5)]
    fill: Literal["linear", "pchip", "akima", "cubic", "seasonal"]
    season: Annotated[int, Field(ge=2)] | None
    max_gap: Annotated[int, Field(ge=0)]
    was_missing: bool
    outliers: OutliersParams
    smoothing: SmoothingParams
    scaler: Literal["standard", "minmax", "robust", "none"]
    scaler_scope: Literal["global", "per_series"]
    max_missing: Annotated[float, Field(gt=0.0, le=1.0)]
    longest_gap: Count | None
    min_rows: Count
    split: SplitParams
    drift: DriftParams

    @pydantic.field_validator("frequency")
    @classmethod
    def _fixed_frequency(cls, value: str) -> str:
        parse_frequency(value)
        return value


class WindowParams(Section):
    """Forecast origins and splits (stage window)."""

    lookback: Count
    horizon: Count
    stride: Count
    embargo: Annotated[int, Field(ge=0)] | None
    materialize: bool


class ModelParams(Section):
    """Architecture of the recurrent network (stage train-flax-rnn)."""

    type: TypeName
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)]
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)]
    normalization: Literal["none", "last", "revin"]
    segment: Count
    decoder: Literal["dense", "segments"]
    channels: Literal["mixed", "independent"]
    bidirectional: bool
    layer_norm: bool
    quantiles: tuple[Share, ...]

    @pydantic.field_validator("quantiles")
    @classmethod
    def _increasing_with_the_median(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and (0.5 not in value or list(value) != sorted(set(value))):
            raise ValueError(
                "quantiles must increase and hold 0.5, the point forecast; [] for a point forecast alone"
            )
        return value

    @pydantic.model_validator(mode="after")
    def _decoder_fits(self) -> "ModelParams":
        if self.decoder == "segments" and (self.segment == 1 or self.bidirectional):
            raise ValueError(
                "decoder segments needs a segment above 1 and bidirectional false; or set decoder dense"
            )
        return self


class TrainParams(Section):
    """Optimisation (stage train-flax-rnn)."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    loss: Literal["mse", "mae", "huber", "quantile", "bce"]
    positive_weight: Annotated[float, Field(gt=0.0)] | Literal["balanced"]
    batch_size: Count
    max_epochs: Count
    patience: Count
    min_delta: Annotated[float, Field(ge=0.0)]
    learning_rate: Annotated[float, Field(gt=0.0)]
    schedule: Literal["constant", "cosine", "plateau"]
    plateau_factor: Share
    plateau_patience: Count
    weight_decay: Annotated[float, Field(ge=0.0)]
    clip_norm: Annotated[float, Field(gt=0.0)]
    overfitting_ratio: Annotated[float, Field(gt=1.0)]
    precision: Literal["float32", "bfloat16"]
    ensemble_size: Count
    threads: Count


class EvaluateParams(Section):
    """Baselines, scaled metrics and prediction intervals (stage evaluate)."""

    season: Count
    moving_average: Count
    interval_levels: tuple[Percent, ...]

    @pydantic.field_validator("interval_levels")
    @classmethod
    def _increasing(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("levels must increase; [] for no intervals")
        return value


class ExportParams(Section):
    """Exported files (stage export)."""

    opset: Annotated[int, Field(ge=13, le=18)]
    variants: tuple[Literal["float16", "int8"], ...]
    golden_windows: Count

    @pydantic.field_validator("variants")
    @classmethod
    def _no_variant_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("no variant may stand there twice")
        return value


class QuantizedParams(Section):
    """Limits of the files with weights in fewer bits (stage benchmark)."""

    max_abs_diff: Annotated[float, Field(gt=0.0)]
    max_rmse_increase: Annotated[float, Field(ge=0.0)]


class BenchmarkParams(Section):
    """Thresholds and effort of the gate (stage benchmark)."""

    calls: Annotated[int, Field(ge=100)]
    warmup_calls: Annotated[int, Field(ge=0)]
    repeats: Annotated[int, Field(ge=2)]
    max_abs_diff: Annotated[float, Field(gt=0.0)]
    max_rmse_increase: Annotated[float, Field(ge=0.0)]
    quantized: QuantizedParams
    max_p95_ms: Annotated[float, Field(gt=0.0)]
    max_size_mb: Annotated[float, Field(gt=0.0)]


class BacktestParams(Section):
    """Walk-forward backtest (stage backtest)."""

    strategy: Literal["expanding", "rolling"]
    folds: Count
    test: Share
    validation: Share
    embargo: Annotated[int, Field(ge=0)] | None
    stride: Count | None
    max_epochs: Count | None
    executor: Literal["local"]
    workers: Count

    @pydantic.model_validator(mode="after")
    def _training_part_remains(self) -> "BacktestParams":
        if self.folds * self.test >= 1.0:
            raise ValueError(
                "folds * test must be below 1, so that the first fold has data to train on"
            )
        return self


class CompareParams(Section):
    """The matrix of experiments and what decides among them (command compare)."""

    models: Annotated[tuple[TypeName, ...], Field(min_length=1)]
    feature_modes: Annotated[tuple[Literal["univariate", "multivariate"], ...], Field(min_length=1)]
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)]
    format: Literal["onnx", "tflite"]
    p95_weight: Annotated[float, Field(ge=0.0)]
    size_weight: Annotated[float, Field(ge=0.0)]
    block: Count | None
    repetitions: Annotated[int, Field(ge=100)]
    bootstrap_seed: Annotated[int, Field(ge=0, lt=2**32)]

    @pydantic.field_validator("models", "feature_modes", "seeds")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each entry may stand once")
        return value

    @pydantic.model_validator(mode="after")
    def _some_weight(self) -> "CompareParams":
        if self.p95_weight + self.size_weight == 0.0:
            raise ValueError("p95_weight and size_weight must not both be 0")
        return self


class TuneParams(Section):
    """How hyperparameters are searched (command tune)."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    startup_trials: Count
    warmup_epochs: Count
    max_cost: Annotated[float, Field(ge=1.0)]


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    preprocess: PreprocessParams
    window: WindowParams
    model: ModelParams
    train: TrainParams
    evaluate: EvaluateParams
    export: ExportParams
    benchmark: BenchmarkParams
    backtest: BacktestParams
    compare: CompareParams
    tune: TuneParams

    @pydantic.model_validator(mode="after")
    def _network_fits(self) -> "Params":
        model, loss = self.model, self.train.loss
        if model.decoder == "segments" and self.window.horizon % model.segment:
            raise ValueError(
                f"with model.decoder segments, model.segment {model.segment} must divide window.horizon "
                f"{self.window.horizon}"
            )
        if (loss == "quantile") != bool(model.quantiles):
            raise ValueError(
                "train.loss quantile and model.quantiles belong together: set both or none"
            )
        if loss == "bce" and (model.normalization != "none" or self.preprocess.scaler != "none"):
            raise ValueError(
                "train.loss bce needs labels 0 and 1: set model.normalization and preprocess.scaler to none"
            )
        return self


def load_params(folder: Path) -> Params:
    """Read and validate `folder`/params.yaml.

    Raises
    ------
    ParamsError
        The file is missing or unreadable, or a key, type or value breaks its rule; the
        message names the key, the value, the rule and, for an unknown key, the nearest one.
    """
    path = folder / "params.yaml"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ParamsError(f"{path} is no UTF-8 text; restore it from git") from None
    except OSError as error:
        raise ParamsError(
            f"{path}: {error.strerror}; run in a pipeline folder or name one"
        ) from None
    return parse_params(text, str(path))


def parse_params(text: str, where: str) -> Params:
    """Validate the text of a params.yaml; `where` names it in messages.

    Raises
    ------
    ParamsError
        As `load_params`.
    """
    try:
        # JSON mode reads lists as tuples and integers as floats, and converts nothing else.
        return Params.model_validate_json(as_json(text, where))
    except pydantic.ValidationError as error:
        raise ParamsError(f"{where}: {describe(error, Params)}") from None
