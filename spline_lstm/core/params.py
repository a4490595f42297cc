"""params.yaml as one frozen model: a section per stage, no unknown key, no implicit conversion.

The model is the one truth: defaults and comments are in the sections, params.yaml is rendered from
them, and an overlay is a file with only the keys that differ. A file in a pipeline folder must have
every key, so that what ran can be read there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ParamsError
from spline_lstm.core.formatting import listed
from spline_lstm.core.params_data import DataParams, PreprocessParams, TargetParams, WindowParams
from spline_lstm.core.params_direction import DirectionParams
from spline_lstm.core.params_errors import as_json, check_known, describe, describe_missing
from spline_lstm.core.params_model import (
    BacktestParams,
    BenchmarkParams,
    EvaluateParams,
    ExportParams,
    ModelParams,
    TrainParams,
)
from spline_lstm.core.params_tabular import TabularParams
from spline_lstm.core.params_trees import EnsembleParams, ProbabilityParams, TreesParams
from spline_lstm.core.section import (
    Count,
    NotNegative,
    Section,
    Seed,
    TypeName,
    check_one_form,
    flattened,
    missing_keys,
)


class CompareParams(Section):
    """`python -m spline_lstm compare`: a run per model, feature mode and seed; not for stages."""

    models: Annotated[tuple[TypeName, ...], Field(min_length=1)] = ("lstm", "gru", "attention_lstm")
    """models to compare: lstm | gru | attention_lstm | linear"""
    feature_modes: Annotated[
        tuple[Literal["univariate", "multivariate"], ...], Field(min_length=1)
    ] = ("univariate", "multivariate")
    """feature modes to compare: univariate | multivariate"""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (42, 2026)
    """seeds of each model in each mode; how far their results differ is the noise of training"""
    format: Literal["onnx", "tflite"] = "onnx"
    """exported file whose latency and size count: onnx | tflite"""
    p95_weight: NotNegative = 0.5
    """weight of the latency (p95, relative to the fastest) in the choice of the edge winner"""
    size_weight: NotNegative = 0.5
    """weight of the size (relative to the smallest) in the choice of the edge winner"""
    rmse_weight: NotNegative = 4.0
    """weight of the RMSE (relative to the lowest) beside those two in the recommendation; a RMSE
    within the noise of the test windows counts as the lowest"""
    latency_rounds: Annotated[int, Field(ge=2)] = 25
    """rounds in which the exported files of all runs are timed, one file after another"""
    latency_calls: Count = 100
    """calls of each file in a round"""
    block: Count | None = None
    """consecutive forecast origins in one block of the bootstrap, at most a tenth of all; null: a
    season (evaluate.season)"""
    repetitions: Annotated[int, Field(ge=100)] = 2000
    """resamples of the bootstrap"""
    bootstrap_seed: Seed = 0
    """seed of the bootstrap, 0 to 4294967295"""

    @pydantic.field_validator("models", "feature_modes", "seeds")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) < len(value):
            raise ValueError("each entry may appear only once")
        return value

    @pydantic.model_validator(mode="after")
    def _some_weight(self) -> "CompareParams":
        if self.p95_weight + self.size_weight == 0.0:
            raise ValueError("p95_weight and size_weight must not both be 0")
        return self


class TuneParams(Section):
    """`python -m spline_lstm tune`: ranges are in configs/catalog.yaml; not for stages."""

    seed: Seed = 0
    """seed of the sampler, 0 to 4294967295"""
    startup_trials: Count = 6
    """random trials (the first one takes the params as they are) before the sampler learns from
    them and trials are cut short"""
    at_once: Count = 1
    """trials that are drawn before any of them is trained, run.workers of them at a time; more take
    less time, and know less of each other"""
    warmup_epochs: Count | None = 1
    """epochs that every trial gets before it can be cut short; null: see warmup_steps"""
    warmup_steps: Count | None = None
    """instead of warmup_epochs, the same in steps"""
    max_cost: Annotated[float, Field(ge=1.0)] = 64.0
    """largest arithmetic per window of a trial, as a multiple of the present params or the
    catalog's defaults"""

    @pydantic.model_validator(mode="after")
    def _one_warm_up(self) -> "TuneParams":
        check_one_form(self, "warmup_epochs", "warmup_steps")
        return self


class StoreParams(Section):
    """Where the commands train, score, registry and store keep things; not for stages."""

    predictions: Annotated[str, Field(min_length=1)] = "store/predictions"
    """folder of the stored predictions, relative to the pipeline folder"""
    registry: Annotated[str, Field(min_length=1)] = "store/registry.sqlite"
    """file of the registered models, relative to the pipeline folder; the files of the models are
    in the folder models beside it"""


class RunParams(Section):
    """How independent tasks run, such as the folds of a backtest; no output depends on it."""

    executor: Literal["local", "ray"] = "local"
    """local (processes of this machine) | ray (tasks of a Ray cluster, that of RAY_ADDRESS or one
    that is started on this machine; docs/scaling.md)"""
    workers: Count = 2
    """tasks at a time, each with one thread"""


# Two keys that give the same limit: one in epochs, one in steps.
TWO_FORMS = (
    ("train.max_epochs", "train.max_steps"),
    ("train.patience", "train.patience_evaluations"),
    ("backtest.max_epochs", "backtest.max_steps"),
    ("tune.warmup_epochs", "tune.warmup_steps"),
)


class Params(Section):
    """The whole of params.yaml."""

    task: TypeName = "forecast"
    """what is learned from the data: forecast (the values of the next steps) | tabular (a label for
    each row of a table) | direction (whether prices rise, from daily bars)"""
    data: DataParams = DataParams()
    preprocess: PreprocessParams = PreprocessParams()
    target: TargetParams = TargetParams()
    window: WindowParams = WindowParams()
    tabular: TabularParams = TabularParams()
    direction: DirectionParams = DirectionParams()
    model: ModelParams = ModelParams()
    train: TrainParams = TrainParams()
    trees: TreesParams = TreesParams()
    evaluate: EvaluateParams = EvaluateParams()
    ensemble: EnsembleParams = EnsembleParams()
    probability: ProbabilityParams = ProbabilityParams()
    export: ExportParams = ExportParams()
    benchmark: BenchmarkParams = BenchmarkParams()
    backtest: BacktestParams = BacktestParams()
    compare: CompareParams = CompareParams()
    tune: TuneParams = TuneParams()
    store: StoreParams = StoreParams()
    run: RunParams = RunParams()

    @pydantic.model_validator(mode="after")
    def _network_fits(self) -> "Params":
        model, loss = self.model, self.train.loss
        if model.decoder == "segments" and self.window.horizon % model.segment:
            raise ValueError(
                f"with model.decoder segments, model.segment {model.segment} must divide "
                f"window.horizon {self.window.horizon}"
            )
        if (loss == "quantile") != bool(model.quantiles):
            raise ValueError(
                "train.loss quantile and model.quantiles belong together: set both or none"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _labels_stay(self) -> "Params":
        if self.train.loss != "bce":
            return self
        changes = {
            "target.scaled to false": self.target.scaled and self.preprocess.scaler != "none",
            "model.normalization to none": self.model.normalization != "none",
            "target.transform to none": self.target.transform != "none",
            # A probability is not a sum of forecasts.
            "model.linear_skip to none": self.model.linear_skip != "none",
            "model.stack to none": self.model.stack != "none",
            "train.huber_delta to null": self.train.huber_delta is not None,
        }
        wrong = [change for change, is_needed in changes.items() if is_needed]
        if wrong:
            raise ValueError(f"train.loss bce needs labels 0 and 1: set {listed(wrong)}")
        return self

    @pydantic.model_validator(mode="after")
    def _zone_fits_the_clock(self) -> "Params":
        if self.clock.kind == "index" and self.data.time_zone is not None:
            raise ValueError(
                f"preprocess.frequency {self.preprocess.frequency} counts rows, which have no time "
                f"zone; set data.time_zone to null instead of {self.data.time_zone}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _skip_fits(self) -> "Params":
        model, train = self.model, self.train
        if model.network_lookback is not None and model.network_lookback > self.window.lookback:
            raise ValueError(
                f"model.network_lookback {model.network_lookback} must be at most window.lookback "
                f"{self.window.lookback}"
            )
        if train.validation_windows is not None and model.linear_skip != "none":
            raise ValueError(
                "train.validation_windows needs model.linear_skip none, because a linear forecast "
                "is judged on all validation windows; or set it to null"
            )
        if train.huber_delta is not None and train.loss != "huber":
            raise ValueError("train.huber_delta needs train.loss huber; or set it to null")
        if train.huber_delta == "residual" and model.linear_skip == "none":
            raise ValueError(
                "train.huber_delta residual needs a model.linear_skip, which has a residual; or "
                "give a number"
            )
        return self

    @property
    def clock(self) -> Clock:
        """The clock of the pipeline in its time zone, not yet bound to data."""
        return self.preprocess.clock(self.data.time_zone)


def load_params(folder: Path) -> Params:
    """Read and validate `folder`/params.yaml.

    Raises
    ------
    ParamsError
        The file is missing or unreadable, it lacks a key, or a key, type or value breaks its rule;
        the message names the key, the value, the rule and, for an unknown key, the nearest one.
    """
    path = folder / "params.yaml"
    return parse_params(read_text(path, "run in a pipeline folder or name one"), str(path))


def parse_params(text: str, where: str) -> Params:
    """Validate the text of a complete params.yaml; `where` names it in messages.

    Raises
    ------
    ParamsError
        As `load_params`.
    """
    content = as_json(text, where)
    missing = list(missing_keys(json.loads(content), Params))
    # JSON mode reads lists as tuples and integers as floats, and converts nothing else.
    try:
        params = Params.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise ParamsError(f"{where}: {describe(error, Params, missing)}") from None
    if missing:
        raise ParamsError(f"{where}: {describe_missing(missing)}")
    return params


def load_overlay(path: Path) -> dict[str, Any]:
    """Read a file with some keys of params.yaml: dotted key -> value.

    Raises
    ------
    ParamsError
        The file is missing or unreadable, or has a key that params.yaml does not have.
    """
    return parse_overlay(read_text(path, "name a file that exists"), str(path))


def parse_overlay(text: str, where: str) -> dict[str, Any]:
    """The keys in the text of an overlay, as `load_overlay`; `where` names it in messages."""
    content = json.loads(as_json(text, where))
    if not isinstance(content, dict):
        raise ParamsError(f"{where}: must have sections with keys, as params.yaml has")
    overlay = flattened(content)
    check_known(overlay, Params, where)
    return overlay


def with_values(base: Params, values: Mapping[str, Any], where: str) -> Params:
    """`base` with other values at some dotted keys; `where` says in messages where they come from.

    A limit in epochs takes the place of one in steps, and the other way round.

    Raises
    ------
    ParamsError
        A key is unknown, or a value breaks its rule.
    """
    values = flattened(values)
    check_known(values, Params, where)
    values = _without_other_forms(values)
    content = base.model_dump(mode="json")
    for key, value in values.items():
        *sections, last = key.split(".")
        section = content
        for name in sections:
            section = section[name]
        section[last] = value
    try:
        return Params.model_validate_json(json.dumps(content))
    except pydantic.ValidationError as error:
        raise ParamsError(f"{where}: {describe(error, Params)}") from None
    except TypeError as error:
        raise ParamsError(f"{where}: contains more than plain values ({error})") from None


def _without_other_forms(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with null for the other form of a limit that `base` may have."""
    changed = dict(values)
    for pair in TWO_FORMS:
        for key, other in (pair, pair[::-1]):
            if values.get(key) is not None:
                changed.setdefault(other, None)
    return changed


def read_text(path: Path, remedy: str) -> str:
    """The text of a YAML file; ParamsError with a `remedy` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ParamsError(f"{path} is not UTF-8 text; restore it from git") from None
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}; {remedy}") from None
