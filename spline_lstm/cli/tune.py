"""Command tune: search for better hyperparameters."""

import argparse
import logging
import sys
from pathlib import Path

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.errors import ParamsError, UsageError, shorten
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.git import find_pipeline
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.types import MODEL_TYPES, check_types
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import task_of
from spline_lstm.tasks.tabular import TABULAR
from spline_lstm.tuning import quick_outputs
from spline_lstm.tuning.catalog import PATH as CATALOG
from spline_lstm.tuning.catalog import load_catalog
from spline_lstm.tuning.judge import LEAST_BLOCKS
from spline_lstm.tuning.listed_models import TREES, listing
from spline_lstm.tuning.outputs import PATCH, TABLE, write
from spline_lstm.tuning.quick import MOST_ROWS, QuickChoice, quick_search
from spline_lstm.tuning.row_outputs import LABELS, best_row_trial, write_rows
from spline_lstm.tuning.row_search import RowProblem, RowTrial, read_problem, search_rows
from spline_lstm.tuning.search import Problem, Trial, best_of, search
from spline_lstm.tuning.trainings import Trainings, read_material
from spline_lstm.tuning.trial_run import one_cluster

DATABASE = Path(".cache/tuning/study.db")
logger = logging.getLogger("spline_lstm")

DESCRIPTION = """\
Search for better hyperparameters of the model type in params.yaml, in the ranges of
configs/catalog.yaml. Trials train on the training split and are judged by the RMSE of the whole
forecast on validation (of a table of rows: by log loss or RMSE); the test split is not read. It
needs no dvc repro before. The best values are written as a patch, plots/tuning.patch, the trials as
metrics/tuning.csv. An interrupted search resumes. --quick tries a fixed grid of lookback,
transform, normalisation, segment and loss instead, and changes only what validation shows to be
better by more than two standard errors.
"""
EXAMPLES = """
python -m spline_lstm tune --trials 20
git apply plots/tuning.patch
python -m spline_lstm tune --quick pipelines/stores
git apply pipelines/stores/plots/tuning.patch
python -m spline_lstm tune --list pipelines/tabular
python -m spline_lstm tune --trees lightgbm pipelines/tabular
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    command.add_argument(
        "--trials",
        type=int,
        default=20,
        metavar="N",
        help="trials in total, an interrupted search included",
    )
    command.add_argument(
        "--quick",
        action="store_true",
        help="try a small fixed grid instead, whose size depends on the table alone; about three "
        "minutes of CPU at most for 17,000 rows",
    )
    command.add_argument(
        "--trees",
        choices=TREES,
        help="of the task tabular: search the boosted trees of this library (default: the network)",
    )
    command.add_argument(
        "--list",
        action="store_true",
        help="show the models of configs/catalog.yaml that the task may have, then exit",
    )


def list_models(pipeline: TrackedPipeline, params: Params) -> str:
    """The models that the catalog has for the task of a pipeline folder."""
    task_of(params)
    return listing(load_catalog(pipeline.root).models, params.task)


def check_task(params: Params) -> None:
    """Raise ParamsError unless windows are those of a forecast, which a search prepares."""
    if task_of(params).windows != FORECAST.windows:
        raise ParamsError(
            f"task = {params.task}: only forecasts and tables of rows are tuned; run experiments "
            "with other values (`dvc exp run -S`)"
        )


def check_tunable(params: Params) -> None:
    """Raise ParamsError unless the type of model has hyperparameters to search."""
    check_types(params)
    if MODEL_TYPES[params.model.type].closed_form:
        networks = ", ".join(name for name, entry in MODEL_TYPES.items() if not entry.closed_form)
        raise ParamsError(
            f"model.type = {shorten(params.model.type)}: it is solved in closed form and has "
            f"nothing to tune; set one of {networks}"
        )


def run(arguments: argparse.Namespace) -> str:
    """Search on training and validation data; write the best values as a patch of params.yaml."""
    if arguments.trials < 1:
        raise UsageError(f"--trials {arguments.trials}: must be at least 1")
    pipeline = find_pipeline(arguments.folder)
    params = load_params(pipeline.folder)
    if arguments.list:
        return list_models(pipeline, params)
    # Before JAX starts, since a cluster of this machine is forked from this process.
    with one_cluster(params.run):
        return tune(pipeline, params, arguments)


def tune(pipeline: TrackedPipeline, params: Params, arguments: argparse.Namespace) -> str:
    """Search as the options say; what to print.

    Raises
    ------
    ParamsError, UsageError
        The task or the model has nothing to search, or an option does not belong to the task.
    """
    if task_of(params).windows == TABULAR.windows:
        return tune_rows(pipeline, params, arguments)
    if arguments.trees:
        raise UsageError("--trees belongs to a pipeline of the task tabular; leave it out")
    check_task(params)
    if arguments.quick:
        return quick(pipeline, params)
    folder = pipeline.folder
    check_tunable(params)
    entry = load_catalog(pipeline.root).entry(params.model.type)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    problem = Problem.of(params, entry, Trainings(read_material(folder, params)))
    log_to_console()
    if not problem.defaults_fit:
        logger.info(
            "the defaults of %s (%s) do not fit the other params and are skipped",
            CATALOG,
            params.model.type,
        )
    logger.info("%s", problem.excluded())
    trials = search(
        problem,
        folder / DATABASE,
        arguments.trials,
        lambda trial: logger.info("%s", line_of(trial)),
    )
    changed = write(folder, pipeline.inside("params.yaml"), trials)
    first, best = trials[0], best_of(trials)
    told = (
        f"{len(trials)} trials in {pipeline.inside(TABLE)}; "
        f"lowest RMSE on validation {best.rmse:.6g} standard deviations (trial {best.number})"
    )
    if not changed:
        return f"{told}: that of the current params; nothing to change"
    patch = pipeline.inside(PATCH)
    return (
        f"{told}, {first.rmse:.6g} with the current params; "
        f"look at {patch}, then run: git apply {patch}"
    )


def tune_rows(pipeline: TrackedPipeline, params: Params, arguments: argparse.Namespace) -> str:
    """Search for rows of a table; write the best values as a patch of params.yaml.

    Raises
    ------
    ParamsError
        The catalog has no ranges for the model.
    """
    if arguments.quick:
        raise UsageError("--quick belongs to forecasts; leave it out, and give --trials")
    check_types(params)
    folder, model = pipeline.folder, arguments.trees or params.model.type
    listed = load_catalog(pipeline.root).listed(model)
    if listed is None or not listed.ranges:
        raise ParamsError(
            f"model.type = {shorten(model)}: {CATALOG} has no ranges for it; add an entry to its "
            "section models"
        )
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    problem = read_problem(folder, params, model, listed)
    log_to_console()
    trials = search_rows(
        problem,
        folder / DATABASE,
        arguments.trials,
        lambda trial: logger.info("%s", line_of_rows(problem, trial)),
    )
    changed = write_rows(folder, pipeline.inside("params.yaml"), problem, trials)
    best = best_row_trial(trials)
    told = (
        f"{len(trials)} trials of {model} in {pipeline.inside(TABLE)}; lowest "
        f"{LABELS[problem.measure]} {best.score:.6g} (trial {best.number})"
    )
    if not changed:
        return f"{told}: that of the current params; nothing to change"
    patch = pipeline.inside(PATCH)
    return (
        f"{told}, {trials[0].score:.6g} with the current params; "
        f"look at {patch}, then run: git apply {patch}"
    )


def line_of_rows(problem: RowProblem, trial: RowTrial) -> str:
    """One progress line."""
    score = f", {LABELS[problem.measure]} {trial.score:.6g}" if trial.state == "complete" else ""
    return f"trial {trial.number} {trial.state}{score} ({quick_outputs.values_text(trial.values)})"


def quick(pipeline: TrackedPipeline, params: Params) -> str:
    """Try the fixed grid; write what to change as a patch of params.yaml."""
    choice = choose_quickly(pipeline.folder, params)
    if choice.is_too_short:
        return too_short(choice)
    changed = quick_outputs.write(pipeline.folder, pipeline.inside("params.yaml"), choice)
    told = f"{len(choice.trials)} trials in {pipeline.inside(TABLE)}"
    if not changed:
        return f"{told}: none is better than the present params beyond noise; nothing to change"
    patch = pipeline.inside(PATCH)
    return (
        f"{told}; better beyond noise: {quick_outputs.values_text(choice.values)}; "
        f"look at {patch}, then run: git apply {patch}"
    )


def choose_quickly(folder: Path, params: Params) -> QuickChoice:
    """Run the grid on the source of a pipeline folder; a line per trial goes to the console."""
    check_types(params)
    configure_threads(params.train.threads)
    configure_compilation_cache(folder)
    log_to_console()
    trainings = Trainings(read_material(folder, params).recent(MOST_ROWS))
    return quick_search(
        trainings, params, lambda trial: logger.info("%s", quick_outputs.line_of(trial))
    )


def too_short(choice: QuickChoice) -> str:
    """Why nothing was tried."""
    return (
        f"the validation split has windows of {plural(choice.blocks, 'horizon')}, and "
        f"{LEAST_BLOCKS} are the fewest that tell a better setting from luck; nothing was tried"
    )


def log_to_console() -> None:
    """Let the lines of trials reach stderr, once: libraries of networks log there, too."""
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stderr))
    logger.setLevel(logging.INFO)
    logger.propagate = False


def line_of(trial: Trial) -> str:
    """One progress line."""
    rmse = f", RMSE on validation {trial.rmse:.6g}" if trial.state == "complete" else ""
    return (
        f"trial {trial.number} {trial.state} after {plural(len(trial.losses), 'evaluation')}{rmse} "
        f"({quick_outputs.values_text(trial.choice.values)})"
    )
