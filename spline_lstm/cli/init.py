"""Command init: a new pipeline from a file."""

import argparse
from pathlib import Path

from spline_lstm.scaffold.column_roles import Options
from spline_lstm.scaffold.read_text import SEPARATORS
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import scaffold

DESCRIPTION = """\
Look at a CSV or Parquet file and write a pipeline for it: pipelines/NAME with params.yaml, the
schema of the columns, and dvc.yaml. What was found is printed with the reason. What the file
leaves open is an error that names the option to give.
"""
EXAMPLES = """
python -m spline_lstm init demand --csv demand.csv
python -m spline_lstm init demand --csv demand.csv --target sold --series store --frequency 1h
python -m spline_lstm init etth1 --csv ETTh1.csv --params pipelines/ett/ot-24.yaml \\
    --schema pipelines/ett/ot.json
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "name", metavar="NAME", help="name of the pipeline folder: letters, digits, - and _"
    )
    command.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="CSV or Parquet file with the data"
    )
    command.add_argument(
        "--params",
        type=Path,
        metavar="FILE",
        help="file with keys of params.yaml that override the values proposed from the data "
        "(default: none)",
    )
    command.add_argument(
        "--schema",
        type=Path,
        metavar="FILE",
        help="take the schema from this file (default: proposed from the data)",
    )
    command.add_argument(
        "--timestamp", metavar="COL", help="column of the timestamps (default: found in the file)"
    )
    command.add_argument(
        "--target",
        metavar="COL",
        action="append",
        default=[],
        help="column to forecast; repeatable (default: found in the file)",
    )
    command.add_argument(
        "--series",
        metavar="COL",
        help="column that identifies the series (default: found in the file)",
    )
    command.add_argument(
        "--frequency",
        metavar="F",
        help="step of the regular grid: 5min, 1h, 1D (default: found in the timestamps)",
    )
    command.add_argument(
        "--timestamp-format",
        metavar="FORM",
        help="ISO8601, %%d/%%m/%%Y %%H:%%M, unix_s, unix_ms, ... (default: found in the file)",
    )
    command.add_argument(
        "--separator",
        metavar="C",
        choices=tuple(SEPARATORS),
        help="character between columns (default: found in the file)",
    )
    command.add_argument(
        "--decimal",
        metavar="C",
        choices=(".", ","),
        help="decimal mark (default: found in the file)",
    )
    command.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        default=[],
        help="text or number that means missing; repeatable (default: found in the file)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the folder; returns what was decided and why."""
    options = Options(
        timestamp=arguments.timestamp,
        targets=tuple(arguments.target),
        series=arguments.series,
        frequency=arguments.frequency,
        timestamp_format=arguments.timestamp_format,
        separator=arguments.separator,
        decimal=arguments.decimal,
        missing=tuple(arguments.missing),
    )
    files = UserFiles.read(arguments.params, arguments.schema)
    return scaffold(arguments.name, arguments.csv, options, Path(), files)
