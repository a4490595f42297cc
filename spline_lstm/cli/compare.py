"""Command compare: models, feature modes and seeds as DVC experiments, and their comparison."""

import argparse
import logging
import sys

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.comparison import collect
from spline_lstm.experiments.comparison_files import TABLE, check_code, is_current, write
from spline_lstm.experiments.driver import Outcome, clock, cost_book, missing, run_all
from spline_lstm.experiments.git import (
    check_ready,
    experiments,
    find_pipeline,
    head,
    remove_experiment,
)
from spline_lstm.experiments.processes import ended_as_by_ctrl_c
from spline_lstm.experiments.row_comparison import (
    check_row_comparison,
    collect_rows,
    write_row_comparison,
)
from spline_lstm.experiments.runs import Run, run_named, runs_of
from spline_lstm.models.types import check_types
from spline_lstm.tasks.parts import task_of
from spline_lstm.tasks.tabular import TABULAR

logger = logging.getLogger("spline_lstm")

DESCRIPTION = """\
Run every model of compare.models in every feature mode of compare.feature_modes with every seed
of compare.seeds as a DVC experiment, run.workers at a time, and write the comparison:
metrics/comparison.csv, plots/comparison.md and plots/comparison.html. Finished experiments are
not run again, so an interrupted comparison resumes. Rows of a table have models and seeds only, and
the log loss or RMSE of the test rows decides. Branch and workspace stay as they are.
"""
EXAMPLES = """
python -m spline_lstm compare --plan
python -m spline_lstm compare --check
python -m spline_lstm compare
python -m spline_lstm compare --redo gru-univariate-s42
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    choice = command.add_mutually_exclusive_group()
    choice.add_argument("--plan", action="store_true", help="show what would run, then exit")
    choice.add_argument(
        "--check",
        action="store_true",
        help="show whether the committed table is from this code, then exit",
    )
    choice.add_argument(
        "--redo",
        metavar="NAME",
        action="append",
        default=[],
        help="run this experiment again; repeatable (default: run only what is missing)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Run the missing experiments and write the comparison."""
    pipeline = find_pipeline(arguments.folder)
    params = load_params(pipeline.folder)
    task_of(params)
    check_types(params)
    if of_rows(params):
        check_row_comparison(params)
    runs = runs_of(params.compare, pipeline.name)
    if arguments.check:
        return check_code(pipeline)
    if arguments.plan:
        return plan(pipeline, runs)
    again = [run_named(runs, name) for name in arguments.redo]
    commit = check_ready(pipeline)
    for run in again:
        remove_experiment(pipeline, commit, run.name)
    waiting = missing(pipeline, commit, runs)
    speak()
    try:
        with ended_as_by_ctrl_c():
            outcome = run_all(pipeline, commit, waiting, of=len(runs)) if waiting else Outcome()
    except KeyboardInterrupt:
        raise ExperimentError(
            "interrupted; branch and workspace are unchanged. Run compare again to resume"
        ) from None
    return finish(pipeline, commit, params, runs, outcome)


def of_rows(params: Params) -> bool:
    """Whether the runs are of rows of a table, which have other tables than forecasts."""
    return task_of(params).windows == TABULAR.windows


def finish(
    pipeline: TrackedPipeline, commit: str, params: Params, runs: list[Run], outcome: Outcome
) -> str:
    """Write the comparison unless it is up to date, and say what happened.

    Raises
    ------
    ExperimentError
        Runs failed; the comparison of the others is written.
    """
    found = experiments(pipeline, commit)
    revisions = {run.name: found[run.name] for run in runs if run.name in found}
    current = is_current(pipeline, commit, revisions)
    if not current and revisions:
        if of_rows(params):
            write_row_comparison(pipeline, commit, collect_rows(pipeline, runs, revisions))
        else:
            write(pipeline, collect(pipeline, commit, params, runs))
    if outcome.failed:
        named = "; ".join(f"{name}: {reason}" for name, reason in outcome.failed.items())
        raise ExperimentError(
            f"{len(outcome.failed)} of {len(runs)} runs failed: {named}; "
            "fix the cause and run compare again"
        )
    table = pipeline.inside(TABLE)
    if not outcome.done:
        state = "is up to date" if current else "was written again"
        return (
            f"nothing to run: all {len(runs)} experiments of commit {commit[:10]} exist; "
            f"{table} {state}"
        )
    return (
        f"{len(outcome.done)} experiments run in {clock(outcome.seconds)}, all {len(runs)} exist; "
        f"{table} and {pipeline.inside('plots/comparison.md')} written"
    )


def plan(pipeline: TrackedPipeline, runs: list[Run]) -> str:
    """What `compare` would do now."""
    commit = head(pipeline)
    waiting = missing(pipeline, commit, runs)
    book = cost_book(pipeline, commit)
    lines = [f"{len(waiting)} of {len(runs)} experiments of commit {commit[:10]} would run:"]
    for run in runs:
        cost = book.read(run.name)
        took = f", took {clock(cost.wall)}" if cost else ""
        lines.append(f"  {run.name:<34} {'to run' if run in waiting else 'done' + took}")
    return "\n".join(lines)


def speak() -> None:
    """Progress lines go to stderr; the libraries' own do not."""
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.INFO)
    logger.propagate = False
