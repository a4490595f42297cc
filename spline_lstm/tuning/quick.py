"""A quick choice of a few settings: a fixed grid, one setting after the other.

Present params come first. For each setting, the alternatives are trained with what was chosen
before; the best one is taken if validation shows that it is better by more than two standard errors
(see `judge`), else the setting stays. So the simplest choice, to change nothing, wins unless the
data contradict.

How much is tried depends on the size of the table alone, never on a clock: a large table is cut to
its last rows, and the steps of a trial follow from the arithmetic of a step. The same table gives
the same choice on every machine.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.section import flattened
from spline_lstm.models.config import model_config
from spline_lstm.models.time_blocks import covered_rows
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.training.budget import budget_of
from spline_lstm.training.fit import Prepared
from spline_lstm.tuning.judge import LEAST_BLOCKS, Comparison, Units, compare, validation_errors
from spline_lstm.tuning.space import cost
from spline_lstm.tuning.trainings import Material, Trainings, is_positive, longest_training
from spline_lstm.tuning.trial_run import (
    compiled_programs,
    is_elsewhere,
    run_elsewhere,
    set_up_jax,
)

# Grid rows of all series together; more are not read.
MOST_ROWS = 8000
# Multiplications of the recurrent layers, forward, that a trial gets.
WORK = 2e10
STEPS = (200, 1000)
EVALUATIONS, PATIENCE = 20, 5

Values = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Errors on validation, or why there are none."""

    errors: pd.Series | None
    failure: SplineLstmError | None = None


@dataclasses.dataclass(frozen=True)
class QuickTrial:
    """One training of the grid.

    Attributes
    ----------
    number : from 0; 0 are the present params
    setting : what varies; empty for the present params
    values : dotted keys of params.yaml and their values, where they differ from the present ones
    state : complete or failed
    rmse : on validation, in standard deviations of the target; NaN if failed
    against : with what was chosen before; None if failed, or for the present params
    chosen : it replaced what was chosen before
    reason : why it failed
    """

    number: int
    setting: str
    values: Values
    state: str
    rmse: float
    against: Comparison | None = None
    chosen: bool = False
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class QuickChoice:
    """The result of the grid.

    Attributes
    ----------
    trials : list of QuickTrial
    values : what to change in params.yaml; empty: nothing
    blocks : number of horizons that the validation windows cover
    """

    trials: list[QuickTrial]
    values: Values
    blocks: int

    @property
    def is_too_short(self) -> bool:
        """Validation is too short to choose by; nothing was tried."""
        return self.blocks < LEAST_BLOCKS


def quick_search(
    trainings: Trainings, params: Params, on_trial: Callable[[QuickTrial], None]
) -> QuickChoice:
    """Try the grid.

    Raises
    ------
    SplineLstmError
        The present params cannot be trained. What fails with others is a failed trial.
    """
    prepared = trainings.prepared(params)
    windows, horizon = prepared.windows, params.window.horizon
    blocks = covered_rows(windows.clock_rows(windows.splits["validation"]), horizon) // horizon
    if blocks < LEAST_BLOCKS:
        return QuickChoice([], {}, blocks)
    search = _Search(trainings, params, Units.of(prepared))
    search.start(on_trial)
    for setting in SETTINGS:
        search.vary(setting, prepared, on_trial)
    return QuickChoice(search.trials, search.values, blocks)


class _Search:
    """What is chosen so far, and all trials."""

    def __init__(self, trainings: Trainings, params: Params, units: Units) -> None:
        self.trials: list[QuickTrial] = []
        self.values: Values = {}
        self._errors = pd.Series(dtype=np.float64)
        self._trainings, self._params = trainings, params
        self._units = units

    def start(self, on_trial: Callable[[QuickTrial], None]) -> None:
        """Train with the present params."""
        self._errors = train(self._trainings, self._params, {}, self._units)
        self._add(QuickTrial(0, "", {}, "complete", _rmse(self._errors)), on_trial)

    def vary(
        self, setting: str, prepared: Prepared, on_trial: Callable[[QuickTrial], None]
    ) -> None:
        """Try the alternatives of a setting, and take the best one if it is beyond noise."""
        present = with_values(self._params, self.values, "tune")
        first = len(self.trials)
        alternatives = [
            _different(self._params, self.values | change)
            for change in SETTINGS[setting](present, prepared)
        ]
        tried = [
            self._judged(QuickTrial(first + number, setting, values, "", math.nan), found)
            for number, (values, found) in enumerate(
                zip(alternatives, self._train_all(alternatives, first), strict=True)
            )
        ]
        better = [
            pair
            for pair in tried
            if pair[0].against is not None and pair[0].against.is_beyond_noise
        ]
        best = max(better, key=lambda pair: _gain(pair[0]), default=None)
        for trial, _ in tried:
            chosen = best is not None and trial is best[0]
            self._add(dataclasses.replace(trial, chosen=chosen), on_trial)
        if best is not None:
            self.values, self._errors = best[0].values, best[1]

    def _judged(self, trial: QuickTrial, found: Trained) -> tuple[QuickTrial, pd.Series]:
        """A trial with what came of it, and its errors."""
        errors = found.errors
        if errors is None:
            reason = " ".join(str(found.failure).split())
            return dataclasses.replace(trial, state="failed", reason=reason), self._errors
        against = compare(self._errors, errors, self._params.window.horizon)
        rmse = _rmse(errors)
        return dataclasses.replace(trial, state="complete", rmse=rmse, against=against), errors

    def _train_all(self, alternatives: Sequence[Values], first: int) -> list[Trained]:
        """The errors of trainings, or why one failed: in this process, or each in its own.

        `first` is the number of the first trial.
        """
        run, found = self._params.run, list[Trained]()
        if not is_elsewhere(run, self._params.tune.at_once):
            return [
                attempted(self._trainings, self._params, values, self._units)
                for values in alternatives
            ]
        material, cache = self._trainings.material, compiled_programs()
        jobs = [
            QuickJob(material, self._params, values, self._units, cache) for values in alternatives
        ]
        for start in range(0, len(jobs), self._params.tune.at_once):
            together = jobs[start : start + self._params.tune.at_once]
            found += run_elsewhere(run_quick_trial, together, first + start, run)
        return found

    def _add(self, trial: QuickTrial, on_trial: Callable[[QuickTrial], None]) -> None:
        self.trials.append(trial)
        on_trial(trial)


def train(trainings: Trainings, params: Params, values: Values, units: Units) -> pd.Series:
    """Train with other values; the errors on validation.

    Raises
    ------
    SplineLstmError
        Data or training do not allow it.
    """
    own = with_values(params, values, "tune")
    return validation_errors(trainings.fit(shortened(own, trainings.prepared(own))), units)


def attempted(trainings: Trainings, params: Params, values: Values, units: Units) -> Trained:
    """`train`, or why it failed."""
    try:
        return Trained(train(trainings, params, values, units))
    except SplineLstmError as error:
        return Trained(None, error)


@dataclasses.dataclass(frozen=True)
class QuickJob:
    """A training elsewhere.

    Attributes
    ----------
    material : the table
    params, values : the present params, and what is other in the trial
    units : of the errors
    cache : folder of compiled programs; None without
    """

    material: Material
    params: Params
    values: Values
    units: Units
    cache: str | None


def run_quick_trial(job: QuickJob) -> Trained:
    """Run a trial in a process of its own: its errors, or why it failed."""
    set_up_jax(job.cache)
    return attempted(Trainings(job.material), job.params, job.values, job.units)


def shortened(params: Params, prepared: Prepared) -> Params:
    """The params with fewer steps, if the present budget is longer than that of a trial."""
    if MODEL_TYPES[params.model.type].closed_form:
        return params
    windows = prepared.windows
    config = model_config(params, windows, prepared.preprocessed.preprocessor)
    of_a_step = max(1, cost(config) * params.train.batch_size * config.ensemble_size)
    steps = int(min(max(WORK / of_a_step, STEPS[0]), STEPS[1]))
    if budget_of(params.train, len(windows.splits["train"])).max_steps <= steps:
        return params
    values = {
        "train.max_epochs": None,
        "train.max_steps": steps - steps % EVALUATIONS,
        "train.min_steps": None,
        "train.eval_steps": steps // EVALUATIONS,
        "train.patience": None,
        "train.patience_evaluations": PATIENCE,
        "train.warmup_steps": None,
    }
    return with_values(params, values, "tune")


def _lookbacks(params: Params, prepared: Prepared) -> Iterator[Values]:
    """Half and twice the present one, as far as the training rows allow."""
    present, horizon = params.window.lookback, params.window.horizon
    longest = longest_training(prepared)
    for lookback in (present // 2, 2 * present):
        if horizon <= lookback <= longest // 2:
            network = params.model.network_lookback
            limited = {} if network is None else {"model.network_lookback": min(network, lookback)}
            yield {"window.lookback": lookback} | limited


def _transforms(params: Params, prepared: Prepared) -> Iterator[Values]:
    """Logarithms for positive targets, or none."""
    if params.train.loss == "bce":
        return
    if params.target.transform != "none":
        yield {"target.transform": "none"}
    elif is_positive(prepared):
        yield {"target.transform": "log"}


def _normalizations(params: Params, prepared: Prepared) -> Iterator[Values]:
    if _is_network(params) and params.train.loss != "bce":
        for name in ("last", "revin", "robust"):
            if name != params.model.normalization:
                yield {"model.normalization": name}


def _segments(params: Params, prepared: Prepared) -> Iterator[Values]:
    """Half and twice the present one."""
    present = params.model.segment
    rows = params.model.network_lookback or params.window.lookback
    for segment in (present // 2, 2 * present):
        if _is_network(params) and 1 <= segment <= rows // 2:
            yield {"model.segment": segment}


def _losses(params: Params, prepared: Prepared) -> Iterator[Values]:
    """Squared errors, or those that grow linearly beyond a limit."""
    if not _is_network(params) or params.train.loss in {"bce", "quantile"}:
        return
    if params.train.loss == "mse":
        delta = None if params.model.linear_skip == "none" else "residual"
        yield {"train.loss": "huber", "train.huber_delta": delta}
    else:
        yield {"train.loss": "mse", "train.huber_delta": None}


Alternatives = Callable[[Params, Prepared], Iterator[Values]]

# In the order in which they are tried: those that the linear part shares come first.
SETTINGS: Mapping[str, Alternatives] = {
    "lookback": _lookbacks,
    "transform": _transforms,
    "normalization": _normalizations,
    "segment": _segments,
    "loss": _losses,
}


def _is_network(params: Params) -> bool:
    return not MODEL_TYPES[params.model.type].closed_form


def _different(params: Params, values: Values) -> Values:
    present = flattened(params.model_dump(mode="json"))
    return {key: value for key, value in values.items() if value != present[key]}


def _rmse(errors: pd.Series) -> float:
    return float(np.sqrt(errors.mean()))


def _gain(trial: QuickTrial) -> float:
    return -math.inf if trial.against is None else trial.against.gain
