"""The loop over the runs: done ones stay, a lost one is run again, failed ones are reported."""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from spline_lstm.core.errors import ExperimentError, shorten
from spline_lstm.core.params import parse_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.core.section import flattened
from spline_lstm.experiments.clone import (
    FOLDER,
    environment,
    fetch_experiment,
    private_clone,
    run_experiment,
)
from spline_lstm.experiments.costs import Cost, CostBook, Stopwatch
from spline_lstm.experiments.git import experiments, file_at
from spline_lstm.experiments.processes import MARK
from spline_lstm.experiments.runs import NOT_READ, Run
from spline_lstm.experiments.warm_stages import warm_stages

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
    """Run experiments one after another.

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
    start = time.perf_counter()
    done: list[str] = []
    failed: dict[str, str] = {}
    book = cost_book(pipeline, commit)
    with (
        private_clone(pipeline, commit) as clone,
        warm_stages(clone, environment(pipeline) | {MARK: str(clone)}) as surroundings,
    ):
        for index, run in enumerate(runs):
            elapsed = time.perf_counter() - start
            left = time_left(book, len(runs) - index)
            number = of - len(runs) + index + 1
            logger.info("%d of %d: %s (%s elapsed, %s)", number, of, run.name, clock(elapsed), left)
            reason, cost = run_one(clone, pipeline, commit, run, surroundings)
            if reason:
                failed[run.name] = reason
                logger.info("  %s failed: %s", run.name, reason)
            else:
                done.append(run.name)
                book.write(run.name, cost)
    return Outcome(tuple(done), failed, time.perf_counter() - start)


def time_left(book: CostBook, runs: int) -> str:
    """Estimate for so many runs, from the mean of those of this commit that were timed here."""
    walls = [cost.wall for cost in book.read_all()]
    return (
        f"about {clock(runs * sum(walls) / len(walls))} left"
        if walls
        else "time left unknown until one is done"
    )


def run_one(
    clone: Path,
    pipeline: TrackedPipeline,
    commit: str,
    run: Run,
    surroundings: Mapping[str, str],
) -> tuple[str, Cost]:
    """Run an experiment, again if it was lost; why it failed ("" if it did not), and its cost."""
    log = pipeline.root / FOLDER / "logs" / f"{run.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    for attempt in (1, 2):
        watch, lines = Stopwatch(), []

        # Line by line, so that the log shows the progress.
        with log.open("w", encoding="utf-8", buffering=1) as file:

            def on_line(
                line: str, watch: Stopwatch = watch, lines: list[str] = lines, file: TextIO = file
            ) -> None:
                watch.read(line)
                lines.append(line)
                file.write(f"{line}\n")

            status = run_experiment(clone, surroundings, run, on_line)
        if status == 0 and fetch_experiment(clone, pipeline, commit, run.name):
            return "", watch.cost()
        reason = f"{reason_of(lines, status)} (all output: {log.relative_to(pipeline.root)})"
        if any(STAGE_FAILED in line for line in lines):
            break
        if attempt == 1:
            logger.info("  %s was lost: %s; trying once more", run.name, reason)
    return reason, watch.cost()


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
