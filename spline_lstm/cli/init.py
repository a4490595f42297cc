"""Command init: a new pipeline out of a file."""

import argparse
from pathlib import Path

from spline_lstm.scaffold.column_roles import Wishes
from spline_lstm.scaffold.read_text import SEPARATORS
from spline_lstm.scaffold.write_folder import Given, scaffold


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "name", metavar="NAME", help="name of the pipeline: letters, digits, - and _"
    )
    command.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="CSV or Parquet file"
    )
    command.add_argument(
        "--params", type=Path, metavar="FILE", help="take the params from this file; propose none"
    )
    command.add_argument(
        "--schema", type=Path, metavar="FILE", help="take the schema from this file; propose none"
    )
    command.add_argument("--timestamp", metavar="COL", help="column of the timestamps")
    command.add_argument(
        "--target",
        metavar="COL",
        action="append",
        default=[],
        help="column to forecast; repeatable",
    )
    command.add_argument("--series", metavar="COL", help="column that tells series apart")
    command.add_argument("--frequency", metavar="F", help="step of the regular grid: 5min, 1h, 1D")
    command.add_argument(
        "--timestamp-format",
        metavar="FORM",
        help="ISO8601, %%d/%%m/%%Y %%H:%%M, unix_s, unix_ms, ...",
    )
    command.add_argument(
        "--separator", metavar="C", choices=tuple(SEPARATORS), help="character between columns"
    )
    command.add_argument("--decimal", metavar="C", choices=(".", ","), help="decimal mark")
    command.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        default=[],
        help="text or number that means missing; repeatable",
    )


def run(arguments: argparse.Namespace) -> str:
    """Write the folder, and say what was decided and why."""
    wishes = Wishes(
        timestamp=arguments.timestamp,
        targets=tuple(arguments.target),
        series=arguments.series,
        frequency=arguments.frequency,
        timestamp_format=arguments.timestamp_format,
        separator=arguments.separator,
        decimal=arguments.decimal,
        missing=tuple(arguments.missing),
    )
    given = Given.read(arguments.params, arguments.schema)
    return scaffold(arguments.name, arguments.csv, wishes, Path(), given)
