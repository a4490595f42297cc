"""The loop over the runs: done ones stay, a lost one is run again, failed ones are reported."""

import logging
import queue
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from spline_lstm.core.errors import ExperimentError, shorten
from spline_lstm.core.ledger import COMMIT_VARIABLE
from spline_lstm.core.parallel import WORKER_ENVIRONMENT
from spline_lstm.core.params import load_params, parse_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.core.section import flattened
from spline_lstm.experiments.attempts import Engine, Job, engine
from spline_lstm.experiments.clone import (
    FOLDER,
    Clone,
    environment,
    fetch_experiment,
    private_clones,
)
from spline_lstm.experiments.costs import Cost, CostBook
from spline_lstm.experiments.git import experiments, file_at
from spline_lstm.experiments.processes import MARK
from spline_lstm.experiments.runs import NOT_READ, Run

logger = logging.getLogger("spline_lstm")
# How a stage and DVC report a failure that would happen again.
STAGE_ERROR = re.compile(r"^\d+ [a-z ]+: ")
STAGE_FAILED = "failed to run: "


@dataclass(frozen=True)
class Outcome:
    """What one run of the driver did.

    Attributes
    ----------
    done : names of the experiments that were run now
    failed : name -> reason
    seconds : wall time
    """

    done: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def missing(pipeline: TrackedPipeline, commit: str, runs: Sequence[Run]) -> list[Run]:
    """Runs without an experiment at `commit`.

    Raises
    ------
    ExperimentError
        An experiment of that name was run with params other than those of `commit` and its name.
    """
    found = experiments(pipeline, commit)
    for run in runs:
        if run.name in found:
            check_settings(pipeline, run, found[run.name], commit)
    return [run for run in runs if run.name not in found]


def check_settings(pipeline: TrackedPipeline, run: Run, revision: str, commit: str) -> None:
    """Raise ExperimentError unless an experiment has the params of `commit` and of its name.

    Params that none of its stages reads do not count.
    """
    expected, found = (flat_params(pipeline, where) for where in (commit, revision))
    expected |= run.settings
    for key in {**expected, **found}:
        if expected.get(key) != found.get(key):
            raise ExperimentError(
                f"experiment {run.name} was run with {key} = {shorten(found.get(key))}, not "
                f"{shorten(expected.get(key))}; rename it (dvc exp rename) or run it again "
                f"(--redo {run.name})"
            )


def flat_params(pipeline: TrackedPipeline, revision: str) -> dict[str, Any]:
    """Dotted key -> value, at a commit, of the params that the stages of an experiment read."""
    path = pipeline.inside("params.yaml")
    content = parse_params(
        file_at(pipeline.root, revision, path).decode("utf-8"), f"{revision[:10]}:{path}"
    ).model_dump()
    return flattened({name: value for name, value in content.items() if name not in NOT_READ})


def cost_book(pipeline: TrackedPipeline, commit: str) -> CostBook:
    """The costs of the experiments that start from `commit`."""
    return CostBook(pipeline.root / FOLDER / "costs" / commit)


def run_all(pipeline: TrackedPipeline, commit: str, runs: Sequence[Run], of: int) -> Outcome:
    """Run experiments, as many at a time as the section run of params.yaml says.

    Parameters
    ----------
    pipeline : TrackedPipeline
    commit : str
        That the experiments start from.
    runs : sequence of Run
        Those to run now.
    of : int
        Number of runs in the whole comparison, for the progress lines.
    """
    params = load_params(pipeline.folder).run
    workers = min(params.workers, len(runs))
    with (
        private_clones(pipeline, commit, workers) as clones,
        engine(params.executor, clones, surroundings(pipeline, commit, clones)) as runner,
    ):
        return Driver(pipeline, commit, clones, runner, of).run(in_turns(runs))


def surroundings(pipeline: TrackedPipeline, commit: str, clones: Sequence[Clone]) -> dict[str, str]:
    """The environment of all experiments; side by side, each has one thread."""
    threads = WORKER_ENVIRONMENT if len(clones) > 1 else {}
    own = {MARK: str(clones[0].folder), COMMIT_VARIABLE: commit}
    return environment(pipeline) | threads | own


def in_turns(runs: Sequence[Run]) -> list[Run]:
    """The first seed of all, then the next: what runs side by side has no stage in common.

    So what one run prepares or compiles is there when another one wants the same.

    >>> runs = [Run(kind, "univariate", seed) for kind in ("lstm", "gru") for seed in (1, 2)]
    >>> [(run.model_type, run.seed) for run in in_turns(runs)]
    [('lstm', 1), ('gru', 1), ('lstm', 2), ('gru', 2)]
    """
    turns: dict[tuple[str, str], int] = {}
    numbered = []
    for run in runs:
        cell = (run.model_type, run.feature_mode)
        turns[cell] = turns.get(cell, -1) + 1
        numbered.append((turns[cell], run))
    return [run for _, run in sorted(numbered, key=itemgetter(0))]


class Driver:
    """Runs experiments side by side, one in each clone at a time.

    Parameters
    ----------
    pipeline : TrackedPipeline
    commit : str
    clones : sequence of Clone
    runner : Engine
    of : int
        As for `run_all`.
    """

    def __init__(
        self,
        pipeline: TrackedPipeline,
        commit: str,
        clones: Sequence[Clone],
        runner: Engine,
        of: int,
    ) -> None:
        self._pipeline, self._commit, self._of = pipeline, commit, of
        self._runner, self._workers = runner, len(clones)
        self._free: queue.SimpleQueue[Clone] = queue.SimpleQueue()
        for clone in clones:
            self._free.put(clone)
        self._book = cost_book(pipeline, commit)
        self._one_at_a_time = threading.Lock()
        self._ended = threading.Event()
        self._started = 0

    def run(self, runs: Sequence[Run]) -> Outcome:
        """Run all; an interrupt ends what runs."""
        start = time.perf_counter()
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                running = [pool.submit(self._run_next, run, len(runs), start) for run in runs]
                reasons = [future.result() for future in running]
            except BaseException:
                self._ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                self._runner.stop()
                raise
        pairs = list(zip(runs, reasons, strict=True))
        return Outcome(
            tuple(run.name for run, reason in pairs if not reason),
            {run.name: reason for run, reason in pairs if reason},
            time.perf_counter() - start,
        )

    def _run_next(self, run: Run, count: int, start: float) -> str:
        """Run an experiment in a clone that is free; why it failed, "" if it did not."""
        clone = self._free.get()
        try:
            with self._one_at_a_time:
                number = self._of - count + self._started + 1
                left = time_left(self._book, count - self._started, self._workers)
                self._started += 1
                elapsed = clock(time.perf_counter() - start)
                logger.info(
                    "%d of %d: %s (%s elapsed, %s)", number, self._of, run.name, elapsed, left
                )
            reason, cost = self.run_one(clone, run)
            if not reason:
                self._book.write(run.name, cost)
            elif not self._ended.is_set():
                logger.info("  %s failed: %s", run.name, reason)
            return reason
        finally:
            self._free.put(clone)

    def run_one(self, clone: Clone, run: Run) -> tuple[str, Cost]:
        """Run an experiment, again if it was lost; why it failed, and its cost."""
        log = self._pipeline.root / FOLDER / "logs" / f"{run.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        reason, cost = "", Cost(0.0)
        for again in (True, False):
            if self._ended.is_set():
                # Nobody would end what starts now.
                return "interrupted", cost
            tried = self._runner.attempt(Job(clone, run, log))
            cost = tried.cost
            if tried.status == 0 and self._fetch(clone, run):
                return "", cost
            reason = f"{reason_of(tried.lines, tried.status)} (all output: "
            reason += f"{log.relative_to(self._pipeline.root)})"
            if self._ended.is_set() or any(STAGE_FAILED in line for line in tried.lines):
                break
            if again:
                logger.info("  %s was lost: %s; trying once more", run.name, reason)
        return reason, cost

    def _fetch(self, clone: Clone, run: Run) -> bool:
        with self._one_at_a_time:
            return fetch_experiment(clone, self._pipeline, self._commit, run.name)


def time_left(book: CostBook, runs: int, workers: int) -> str:
    """Estimate for so many runs, from the mean of those of this commit that were timed here."""
    walls = [cost.wall for cost in book.read_all()]
    return (
        f"about {clock(runs * sum(walls) / len(walls) / workers)} left"
        if walls
        else "time left unknown until one is done"
    )


def reason_of(lines: Sequence[str], status: int) -> str:
    """The line that says the most about a failure."""
    stage = [line for line in lines if STAGE_ERROR.match(line)]
    dvc = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    told = stage or dvc or [line for line in lines if line.strip()]
    return (
        told[0] if status and told else f"dvc exp run ended with {status}, but saved no experiment"
    )


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(83.2)
    '1:23'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
