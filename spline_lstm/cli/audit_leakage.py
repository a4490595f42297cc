"""Command audit-leakage: whether any window of the data at hand knows the future."""

import argparse
from collections.abc import Callable
from pathlib import Path

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.artifacts import read_json, write_metrics
from spline_lstm.core.errors import LeakageError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.tasks.parts import load_part

DESCRIPTION = """\
Draw forecast origins, change all data at and after each of them (of a covariate with a delay, from
as many rows earlier on), build the windows again and compare them bit by bit: a window that differs
has seen the future. Half of the origins are drawn from rows that follow a filled gap or a replaced
outlier, where a leak would show. Ends with code 19 if a window differs. metrics/audit.json keeps
what was found.
"""
EXAMPLES = """
python -m spline_lstm audit-leakage --origins 20
python -m spline_lstm audit-leakage pipelines/stores --seed 1
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    command.add_argument(
        "--origins", type=_at_least(1), default=200, metavar="N", help="origins per split"
    )
    command.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="seed of the draw"
    )


def _at_least(minimum: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {minimum}"
            )
        return int(text)

    return whole_number


def run(arguments: argparse.Namespace) -> str:
    """Build the windows of the folder's raw table twice; a difference is an error.

    What was found is kept in metrics/audit.json, with the run id of the preprocessor.
    """
    folder: Path = arguments.folder
    params = load_params(folder)
    report = Pipeline(folder).metrics("audit")
    drawn = {"origins": arguments.origins, "seed": arguments.seed, "run_id": _run_id(folder)}
    try:
        found: str = load_part(params, "audit")(folder, params, arguments.origins, arguments.seed)
    except LeakageError as error:
        write_metrics(report, {"passed": False, "found": list(error.lines), **drawn})
        raise
    write_metrics(report, {"passed": True, "found": [found], **drawn})
    return found


def _run_id(folder: Path) -> str | None:
    """Of the preprocessor of the folder, if there is one."""
    path = Pipeline(folder).preprocessor
    return str(read_json(path)["run_id"]) if path.is_file() else None
