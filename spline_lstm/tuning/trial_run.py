"""One training of a search: what it needs, what comes of it, and where it runs.

Trials that are drawn together know nothing of each other, so they may run at the same time: in
processes of this machine or in a Ray cluster, with the result that this process would give.
"""

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import jax
import numpy as np
import pandas as pd

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params, RunParams
from spline_lstm.core.ray_engine import session
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.training.loop import Evaluation
from spline_lstm.tuning.judge import Units, rmse_on, validation_errors
from spline_lstm.tuning.trainings import Material, Trainings

Outcome = TypeVar("Outcome")
# Loss by step of an evaluation.
Losses = dict[int, float]


class CutShortError(Exception):
    """Earlier trials were better by now."""


@dataclass(frozen=True)
class Rule:
    """When a trial is cut short.

    Attributes
    ----------
    warmup : steps that it gets in any case
    earlier : losses by step of the trials that it is compared with; empty: it is not cut short
    """

    warmup: int
    earlier: tuple[Mapping[int, float], ...] = ()

    def check(self, losses: Losses) -> None:
        """Raise CutShortError if the median of the others was better by now."""
        if self.earlier and max(losses) > self.warmup and is_worse(losses, self.earlier):
            raise CutShortError


@dataclass(frozen=True)
class Result:
    """What came of a trial.

    Attributes
    ----------
    state : complete, pruned or failed
    value : by which it is judged; None unless complete
    losses : finite validation losses, by step
    error : why it failed
    """

    state: str
    value: float | None
    losses: Losses = field(default_factory=dict)
    error: SplineLstmError | None = None


@dataclass(frozen=True)
class TrialJob:
    """A training elsewhere.

    Attributes
    ----------
    material : the table
    params : to train with
    units : of the errors
    windows : on which it is judged
    rule : Rule
    cache : folder of compiled programs; None without
    """

    material: Material
    params: Params
    units: Units
    windows: pd.MultiIndex
    rule: Rule
    cache: str | None


def is_worse(losses: Losses, earlier: Sequence[Mapping[int, float]]) -> bool:
    """Whether the lowest loss so far is above the median of what earlier trials had by this step.

    Trials of other batch sizes are evaluated at other steps; one without a value by now has none.
    """
    now = max(losses)
    by_now = [[loss for step, loss in each.items() if step <= now] for each in earlier]
    lowest = [min(each) for each in by_now if each]
    return bool(lowest) and min(losses.values()) > float(np.median(lowest))


def watched(train: Callable[[Callable[[int, float], None]], float], rule: Rule) -> Result:
    """Train, look at each loss, and stop when the median of earlier trials was better."""
    losses: Losses = {}

    def on_loss(step: int, loss: float) -> None:
        losses[step] = loss
        rule.check(losses)

    try:
        return Result("complete", train(on_loss), losses)
    except CutShortError:
        return Result("pruned", None, losses)
    except SplineLstmError as error:
        return Result("failed", None, losses, error)


def train_and_judge(
    trainings: Trainings,
    params: Params,
    judged: tuple[Units, pd.MultiIndex],
    on_loss: Callable[[int, float], None],
) -> float:
    """Train; return the RMSE on validation, in these units on these windows.

    Raises
    ------
    SplineLstmError
        Data or training do not allow it.
    """

    def on_evaluation(evaluation: Evaluation) -> None:
        if math.isfinite(evaluation.validation_loss):
            on_loss(evaluation.step, evaluation.validation_loss)

    units, windows = judged
    return rmse_on(validation_errors(trainings.fit(params, on_evaluation), units), windows)


def run_trial(job: TrialJob) -> Result:
    """Run a trial in a process of its own."""
    set_up_jax(job.cache)
    trainings, judged = Trainings(job.material), (job.units, job.windows)
    return watched(
        lambda on_loss: train_and_judge(trainings, job.params, judged, on_loss), job.rule
    )


def set_up_jax(cache: str | None) -> None:
    """One thread, and the compiled programs of the process that searches."""
    configure_threads(1)
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def compiled_programs() -> str | None:
    """The folder of compiled programs of this process."""
    config: Any = jax.config
    return config.jax_compilation_cache_dir


def is_elsewhere(run: RunParams, trials: int) -> bool:
    """Whether trials run in other processes: several at once, or in a cluster."""
    return trials > 1 or run.executor != "local"


def one_cluster(run: RunParams) -> contextlib.AbstractContextManager[object]:
    """One connection to the cluster for all trials of a search; nothing with processes.

    Raises
    ------
    MissingPackageError, ParamsError
        As in `run_all`, before the first trial.
    """
    return session(run.workers) if run.executor == "ray" else contextlib.nullcontext()


def run_elsewhere(
    function: Callable[[Any], Outcome], jobs: Sequence[Any], first: int, run: RunParams
) -> list[Outcome]:
    """The results of trials from number `first` on, each in a process of its own."""
    names = [f"trial {first + number}" for number in range(len(jobs))]
    return run_all(Work(function, jobs, names, is_fresh=True), run, "tune")
