"""Command score: store what a registered model says at the end of dates."""

import argparse
import sys

from spline_lstm.cli.arguments import add_folder
from spline_lstm.inference.future import ABSENT
from spline_lstm.store.score import Request, score_folder

DESCRIPTION = """\
Score every series with what was known at the end of a date, and store the rows: one per series and
step, with the bounds of the intervals, or a probability with its word, reasons and members. What is
stored already is not stored again, however often and by however many calls at once. The data are
read anew from data.source in params.yaml. Needs neither JAX nor TensorFlow. docs/operations.md says
what is in the store.
"""
EXAMPLES = """
python -m spline_lstm score --asof 2010-10-01
python -m spline_lstm score pipelines/stores --from 2024-12-01
python -m spline_lstm score pipelines/direction --asof 2013-02-20
python -m spline_lstm score --asof 2010-10-01 --model 3f2a
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    dates = command.add_mutually_exclusive_group(required=True)
    dates.add_argument(
        "--asof",
        metavar="DATE",
        help="score with what has a timestamp on this date or before (default: see --from)",
    )
    dates.add_argument(
        "--from",
        dest="start",
        metavar="DATE",
        help="score at the end of every date with rows, from this one on (default: see --asof)",
    )
    command.add_argument(
        "--model",
        metavar="MODEL",
        help="id of a registered model, or how it begins (default: the promoted one)",
    )
    command.add_argument(
        "--absent",
        choices=ABSENT,
        default=ABSENT[0],
        help="timestamps and series to score that have no known_future row: an error, or as if "
        "their cells were blank",
    )


def run(arguments: argparse.Namespace) -> str:
    """Score; returns how many rows are new."""
    request = Request(arguments.asof, arguments.start, arguments.model, arguments.absent)
    return score_folder(arguments.folder, request, lambda text: sys.stderr.write(f"note: {text}\n"))
