"""Command init: a new pipeline from a file."""

import argparse
import math
import sys
from pathlib import Path

from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import TUNING_FILES
from spline_lstm.scaffold.bars import NAMES
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_text import BLANK, SEPARATORS
from spline_lstm.scaffold.task_folders import TASK_FOLDERS
from spline_lstm.scaffold.user_files import UserFiles
from spline_lstm.scaffold.write_folder import folder_of, scaffold

DESCRIPTION = """\
Look at a CSV or Parquet file and write a pipeline for it: pipelines/NAME with params.yaml, the
schema of the columns, dvc.yaml and a copy of the file. What was found is printed with the reason.
What the file leaves open is an error that names the option to give. docs/your-data.md shows what
tables look like and what init makes of them.
"""
EXAMPLES = """
python -m spline_lstm init demand --csv demand.csv
python -m spline_lstm init demand --csv demand.csv --tune  # and choose a few settings on validation
python -m spline_lstm init demand --csv demand.csv --target sold --series store --frequency 1h
python -m spline_lstm init bikes --csv hour.csv --timestamp dteday+hr --target cnt
python -m spline_lstm init rates --csv rates.csv --layout wide --frequency B --holidays NYSE
python -m spline_lstm init shares --csv bars.csv --task direction
python -m spline_lstm init load --csv load.csv --time-zone Europe/Berlin
python -m spline_lstm init etth1 --csv ETTh1.csv --params pipelines/ett/ot-24.yaml \\
    --schema pipelines/ett/ot.json
python -m spline_lstm init churn --csv churn.csv --task tabular --target churned
"""
FOUND = "(default: found in the file)"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "name", metavar="NAME", help="name of the pipeline folder: letters, digits, - and _"
    )
    command.add_argument(
        "--csv", type=Path, required=True, metavar="FILE", help="CSV or Parquet file with the data"
    )
    command.add_argument(
        "--task",
        choices=sorted(TASK_FOLDERS),
        default="forecast",
        help="what is learned: forecast (the next values of a series) | direction (whether the "
        "prices of daily bars rise) | tabular (a class or a number for each row of a table) "
        "(default: forecast)",
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
        "--no-copy",
        action="store_true",
        help="leave the file where it is (default: copy it into the pipeline folder if it has at "
        "most 50 MB, so that experiments in temporary copies have it)",
    )
    command.add_argument(
        "--tune",
        action="store_true",
        help="then do what `tune --quick` does, and put what validation shows to be better into "
        "params.yaml",
    )
    command.add_argument(
        "--kind",
        choices=("classification", "regression"),
        help=f"of the task tabular: what the target is {FOUND}",
    )
    _add_columns(command.add_argument_group("columns"))
    _add_clock(command.add_argument_group("clock: which timestamps are the rows of the grid"))
    _add_text(command.add_argument_group("text of a CSV file"))


def _role(text: str) -> tuple[str, str]:
    role, _, column = text.partition("=")
    if role not in NAMES or not column:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROLE=COL with one of {', '.join(NAMES)}")
    return role, column


def _add_columns(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timestamp",
        metavar="COL[+COL...]",
        help="column of the timestamps, or several that are one together: dteday+hr, "
        f"year+month+day+hour; none: the rows are counted {FOUND}",
    )
    group.add_argument(
        "--target",
        metavar="COL",
        action="append",
        default=[],
        help=f"column to forecast; repeatable {FOUND}",
    )
    group.add_argument(
        "--column",
        metavar="ROLE=COL",
        type=_role,
        action="append",
        default=[],
        help="column of daily bars, for --task direction: open, high, low, close, volume or "
        f"adjusted_close; repeatable {FOUND}",
    )
    group.add_argument("--series", metavar="COL", help=f"column that identifies the series {FOUND}")
    group.add_argument(
        "--layout",
        choices=("long", "wide"),
        help="long: a row is one series at one time; wide: each column with numbers (or each "
        "--target) is a series (default: long; init asks where both are possible)",
    )
    group.add_argument(
        "--duplicates",
        choices=("error", "copies", "first", "last", "mean", "sum"),
        help="rows of one series with one timestamp (default: copies for exact copies; init asks "
        "if rows contradict each other)",
    )
    group.add_argument(
        "--max-missing",
        type=_share,
        metavar="SHARE",
        help="highest share of grid rows without a target, above 0, at most 1 (default: a step "
        "above the share in the file, and beyond 0.5 init asks)",
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0, at most 1; 3 % are 0.03")
    return share


def _add_clock(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--frequency",
        metavar="F",
        help="step of the grid: a duration (5min, 1h), a calendar unit (D, W-SUN, B, MS, ME, "
        "QS-OCT, YE), observed (the dates that occur) or index 10 (whole numbers) (default: found "
        "in the timestamps)",
    )
    group.add_argument(
        "--time-zone",
        metavar="ZONE",
        help="zone of timestamps without an offset, and of the days: Europe/Berlin, +01:00 "
        "(default: UTC; init asks where an hour occurs twice)",
    )
    group.add_argument(
        "--ambiguous-hour",
        choices=("order", "earlier", "later"),
        help="which instant an hour is that occurs twice when clocks are set back (default: order, "
        "that of the rows)",
    )
    group.add_argument(
        "--holidays",
        metavar="NAME",
        action="append",
        default=[],
        help="closed days of business days: NYSE, US, DE-BY, 2024-12-24; repeatable (default: a "
        "calendar that closes exactly the days that are absent, if there is one)",
    )
    group.add_argument(
        "--week-mask",
        metavar="DAYS",
        help="open weekdays of business days, such as Mon-Sat (default: found in the timestamps)",
    )


def _add_text(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timestamp-format",
        metavar="FORM",
        help="ISO8601, %%d/%%m/%%Y %%H:%%M, unix_s, unix_ms, index, ...; of several columns with a "
        f"blank between them {FOUND}",
    )
    group.add_argument(
        "--separator",
        metavar="C",
        type=_separator,
        choices=(*SEPARATORS, BLANK),
        help=f"character between columns; tab or \\t is one {FOUND}",
    )
    group.add_argument("--decimal", metavar="C", choices=(".", ","), help=f"decimal mark {FOUND}")
    group.add_argument(
        "--thousands", metavar="C", help=f"mark between groups of digits: 1.234,56 {FOUND}"
    )
    group.add_argument(
        "--encoding",
        metavar="NAME",
        help="windows-1252, utf-16, ... (default: by the byte order mark, or UTF-8)",
    )
    group.add_argument(
        "--skip-lines", type=int, metavar="N", help="lines before the header (default: 0)"
    )
    group.add_argument(
        "--unit-row",
        action=argparse.BooleanOptionalAction,
        default=None,
        help=f"the row below the header has units, no data {FOUND}",
    )
    group.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        default=[],
        help=f"text or number that means missing; repeatable {FOUND}",
    )


def _separator(text: str) -> str:
    """The character that a text means: shells have no easy way to give a tab."""
    return "\t" if text in ("tab", "\\t") else text


def run(arguments: argparse.Namespace) -> str:
    """Write the folder; returns what was decided and why."""
    options = Options(
        timestamp=arguments.timestamp,
        targets=tuple(arguments.target),
        series=arguments.series,
        layout=arguments.layout,
        frequency=arguments.frequency,
        time_zone=arguments.time_zone,
        ambiguous_hour=arguments.ambiguous_hour,
        holidays=tuple(arguments.holidays),
        week_mask=arguments.week_mask,
        timestamp_format=arguments.timestamp_format,
        separator=arguments.separator,
        decimal=arguments.decimal,
        thousands=arguments.thousands,
        encoding=arguments.encoding,
        skip_lines=arguments.skip_lines,
        unit_row=arguments.unit_row,
        missing=tuple(arguments.missing),
        duplicates=arguments.duplicates,
        max_missing=arguments.max_missing,
        columns=dict(arguments.column),
        kind=arguments.kind,
    )
    _check_options(arguments)
    files = UserFiles.read(
        arguments.params, arguments.schema, TASK_FOLDERS[arguments.task].parse_schema
    )
    told = scaffold(
        arguments.name,
        arguments.csv,
        options,
        Path(),
        files,
        copy=not arguments.no_copy,
        task=arguments.task,
    )
    if not arguments.tune:
        return told
    sys.stdout.write(f"{told}\n")
    sys.stdout.flush()  # the trials take minutes
    return tuned(folder_of(arguments.name))


def _check_options(arguments: argparse.Namespace) -> None:
    """Raise UsageError for an option that only other tasks have."""
    owners: dict[str, list[str]] = {}
    for task, folder in TASK_FOLDERS.items():
        for name in folder.own_options:
            owners.setdefault(name, []).append(task)
    for name, tasks in owners.items():
        value = getattr(arguments, name)
        is_given = value is not None and value is not False and value != []
        if is_given and arguments.task not in tasks:
            named = " or ".join(f"--task {task}" for task in tasks)
            raise UsageError(
                f"--{name.replace('_', '-')} belongs to {named}; leave it out, or give that task"
            )


def tuned(folder: Path) -> str:
    """Try the quick grid of `tune` on a new folder, and apply what it chooses."""
    # These load JAX, which takes seconds.
    from spline_lstm.cli.tune import choose_quickly, too_short  # noqa: PLC0415
    from spline_lstm.tuning import quick_outputs  # noqa: PLC0415

    choice = choose_quickly(folder, load_params(folder))
    if choice.is_too_short:
        return f"Tuning: {too_short(choice)}"
    quick_outputs.write_trials(folder, choice)
    told = f"Tuning: {len(choice.trials)} trials in {(folder / TUNING_FILES[0]).as_posix()}"
    if not choice.values:
        return f"{told}; none is better than the settings above beyond noise"
    quick_outputs.apply(folder, choice)
    return f"{told}; now in params.yaml: {quick_outputs.values_text(choice.values)}"
