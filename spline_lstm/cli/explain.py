"""Command explain: why a model gives a symbol its probability."""

import argparse
import sys
from pathlib import Path

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import Params, load_params
from spline_lstm.store.explain import explain_folder
from spline_lstm.tasks.parts import TASKS, task_of

DESCRIPTION = """\
Explain the probability that a symbol has at the end of a date, in a pipeline of the task direction:
the probability and its word, what each member says and weighs, and the three features that
contribute most to the trees. The data are read anew from data.source in params.yaml. The model is
the promoted one; if none is, that of the pipeline folder.
"""
EXAMPLES = """
python -m spline_lstm explain AAPL 2012-05-01 --folder pipelines/direction
python -m spline_lstm explain IBM 2012-05-01 --folder pipelines/direction --model 3f2a
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument("symbol", metavar="SYMBOL", help="name of a series, such as AAPL")
    command.add_argument("date", metavar="DATE", help="what has a later timestamp is not known")
    command.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="pipeline folder, such as pipelines/direction (default: this folder)",
    )
    command.add_argument(
        "--model",
        metavar="MODEL",
        help="id of a registered model, or how it begins (default: the promoted one)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Explain; returns the text."""
    params = load_params(arguments.folder)
    check_task(params, arguments.folder)
    explanation = explain_folder(
        arguments.folder,
        params,
        arguments.symbol,
        arguments.date,
        arguments.model,
    )
    sys.stderr.writelines(f"note: {text}\n" for text in explanation.notes)
    return str(explanation)


def check_task(params: Params, folder: Path) -> None:
    """Raise UsageError unless the task of `params` has something to explain."""
    if not task_of(params).explain:
        able = " or ".join(name for name, task in TASKS.items() if task.explain)
        raise UsageError(
            f"{folder}: its task is {params.task}, but only probabilities of the task {able} are "
            "explained; name such a pipeline with --folder"
        )
