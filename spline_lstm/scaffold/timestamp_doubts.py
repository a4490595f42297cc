"""Columns that only look like timestamps of a known form; each doubt is a question to the owner."""

import re
import shlex
from collections.abc import Mapping, Sequence

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.composed_timestamps import named_part, unnamed_month
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.timestamp_formats import form_fault

# Patterns of weeks and quarters.
PERIODS = re.compile(r"%[GVUWqQ]|q|w", re.IGNORECASE)
# Names of columns with the number of a period of the year, its texts, and the largest number.
PARTS_OF_A_YEAR = (
    (re.compile(r"quarters?|qtr|q|quartale?|trimestre", re.IGNORECASE), r"[qQ]?[1-4][qQ]?", 4),
    (
        re.compile(
            r"(iso|calendar)?[ _]?weeks?([ _]?(no|nr|num|number))?|wk|ww|kw|woche|semaine"
            r"|semana",
            re.IGNORECASE,
        ),
        r"([wW]|[kK][wW])?\d{1,2}",
        53,
    ),
)
WRITE_DATES = (
    "weeks and quarters without a day are not read: write dates, such as 2024-04-01 for 2024-Q2 "
    "and 2024-01-29, the Monday, for 2024-W05"
)


def check_form(form: str) -> None:
    """Refuse a pattern that cannot read any timestamp.

    Raises
    ------
    UsageError
        What is wrong with it.
    """
    fault = form_fault(form)
    if fault is not None:
        remedy = f"; {WRITE_DATES}" if PERIODS.search(form) else ""
        raise UsageError(f"--timestamp-format {form}: {fault}{remedy}")


def check_parts(
    names: Sequence[str], columns: Mapping[str, Column], options: Options, where: str
) -> None:
    """Refuse a year beside a quarter or week as yearly timestamps, or as months.

    Parameters
    ----------
    names : sequence of str
        Columns of the timestamps; () if nobody said.
    columns : mapping
        All columns.
    options : Options
        A part of the year that is named as the series key stays one.
    where : str
        Name of the file in messages.

    Raises
    ------
    UsageError
        Such columns would be read together, or would be mistaken for a key.
    """
    if options.timestamp_format is not None:
        return
    year = named_part(columns, "%Y")
    part = next((name for name, column in columns.items() if _is_part_of_a_year(column)), None)
    is_apart = part not in names and (options.series == part or (names and options.series))
    if year is not None and part is not None and not is_apart and set(names) <= {year, part}:
        raise UsageError(
            f"{where}: {year!r} and {part!r} are one timestamp, and {WRITE_DATES}; or give "
            f"--timestamp {shlex.quote(year)} --series {shlex.quote(part)} if each {part!r} is a "
            "series of its own"
        )
    month = unnamed_month([columns[name] for name in names])
    if month is not None:
        raise UsageError(
            f"{where}: {month!r} would be read as months, but its name does not say so; give "
            "--timestamp-format '%Y %m' (of all columns together) if it has months"
        )


def _is_part_of_a_year(column: Column) -> bool:
    for names, text, most in PARTS_OF_A_YEAR:
        if not names.fullmatch(column.name.strip()):
            continue
        if column.whole is not None:
            return bool(column.whole.min() >= 1 and 1 < column.whole.max() <= most)
        if column.kind == "text" and not column.missing:
            return bool(column.cells.astype("str").str.fullmatch(text).all())
    return False
