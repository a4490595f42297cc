"""Columns that only look like timestamps of a known form; each doubt is a question to the owner."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.time_zones import DAY_NS
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.composed_timestamps import named_part, unnamed_month
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.timestamp_formats import TimestampForm, form_fault

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

# 2024-Q2, Q2 2024, 2024-W05.
PERIOD_TEXT = re.compile(r"\d{4}[-_ /]?([qQ][1-4]|[wW]\d{1,2})|[qQ][1-4][-_ /]?\d{4}")
# 201501, 201502, ..., 201512, 201601: first month, last one, and the step between years.
MONTH_NUMBERS = (190_001, 210_012)
YEAR_STEP = 89
# Januar 2024, Mrz-24; 24-Jan.
MONTH_AND_YEAR = re.compile(r"[^\W\d_]{3,12}\.?[-/ ]?(\d{4}|\d{2})|\d{4}[-/ ][^\W\d_]{3,12}\.?")
DAY_AND_MONTH = re.compile(r"\d{1,2}\.?[-/ ][^\W\d_]{3,12}\.?")
MONTH_NAME = re.compile(r"%[bB]")
END_OF_DAY = re.compile(r"(^|.*[T ])24[:.]00([:.]00([.,]0+)?)?")
# Fewer steps back in time may have other reasons than days and months in both orders.
FEWEST_FALLS = 3
MOST_FALLS_LEFT = 0.2


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
    year = named_part(columns, "%Y")
    years = None if year is None else columns[year].whole
    # A pattern of more than years says what the columns are; so does a year that occurs once.
    is_once = years is None or len(np.unique(years)) == len(years)
    if options.timestamp_format is not None and (options.timestamp_format != "%Y" or is_once):
        return
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


def period_text(cells: pd.Series, name: str) -> str | None:
    """What to do with a column of weeks or quarters such as 2024-Q2; None for any other."""
    is_text = isinstance(cells.dtype, pd.StringDtype)
    if not is_text or not cells.head(3).str.fullmatch(PERIOD_TEXT).all():
        return None
    return f"column {name!r} contains {str(cells.iloc[0])!r}, and {WRITE_DATES}"


def check_month_numbers(column: Column, where: str) -> None:
    """Ask about whole numbers such as 201512, 201601, which may be months or an index.

    Raises
    ------
    UsageError
        All numbers have a month in their last two digits, and years follow each other.
    """
    numbers = column.whole
    low, high = MONTH_NUMBERS
    if numbers is None or not (low <= numbers.min() and numbers.max() <= high):
        return
    months = numbers % 100
    if months.min() < 1 or months.max() > 12 or YEAR_STEP not in np.diff(np.unique(numbers)):
        return
    year, month = divmod(int(numbers[0]), 100)
    raise UsageError(
        f"{where}: {column.name!r}, such as {numbers[0]}, may have months ({year}-{month:02d}) or "
        f"an index; give --timestamp {shlex.quote(column.name)} with --timestamp-format %Y%m or "
        "--timestamp-format index"
    )


def check_day_order(
    found: TimestampForm, cells: pd.Series, where: str, place_of: Callable[[int], str]
) -> None:
    """Ask about dates of which some have the day first and some the month.

    Spreadsheets exchange day and month of the dates that they can read so and leave the others.
    `place_of` names a row as `Table.place_of`.

    Raises
    ------
    UsageError
        Rows go back in time, and hardly do with day and month exchanged where both are up to 12.
    """
    if not ("%d" in found.form and "%m" in found.form):
        return
    falls = np.flatnonzero(np.diff(found.timestamps) < 0)
    if len(falls) < FEWEST_FALLS:
        return
    left = np.sum(np.diff(_exchanged(found.timestamps)) < 0)
    if left <= MOST_FALLS_LEFT * len(falls):
        row = int(falls[0]) + 1
        one, other = (str(cells.iloc[each]) for each in (row - 1, row))
        shown = f"{place_of(row)} ({other}) is before {place_of(row - 1)} ({one})"
        raise UsageError(
            f"{where}: {str(cells.name)!r} seems to have the day first in some dates and the month "
            f"in others: as {found.form}, {shown}, one of {plural(len(falls), 'such row')}; write "
            f"all dates in one form, or give --timestamp-format {shlex.quote(found.form)} if they "
            "are right"
        )


def check_month_days(found: TimestampForm, cells: pd.Series, where: str) -> None:
    """Ask about Jan-01, Jan-02, ..., which may be days without a year.

    Raises
    ------
    UsageError
        Rows go on by a year, yet there are several months.
    """
    if "%y" not in found.form or "%d" in found.form or not MONTH_NAME.search(found.form):
        return
    dates = found.timestamps.view("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    if len(dates) > 1 and np.median(np.diff(dates)) == 12 and len(np.unique(dates % 12)) > 1:
        raise UsageError(
            f"{where}: {str(cells.name)!r}, such as {str(cells.iloc[0])!r}, has years as "
            f"{found.form}, but seems to have days without a year; write dates with their years, "
            f"or give --timestamp-format {shlex.quote(found.form)} if these are years"
        )


def month_text(cells: pd.Series, name: str) -> str | None:
    """What to do with months such as Januar 2024 or 24-Jan; None for any other column."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return None
    head = cells.head(3)
    first = str(cells.iloc[0])
    if head.str.fullmatch(MONTH_AND_YEAR).all():
        return (
            f"column {name!r} contains {first!r}: names of months are read in English, in full or "
            "by three letters; write dates, such as 2024-01-01 for January 2024"
        )
    if head.str.fullmatch(DAY_AND_MONTH).all():
        return (
            f"column {name!r} contains {first!r}, which may be a day without a year or a month "
            "of a year; write dates with their years, or give --timestamp-format %y-%b if the "
            "number is the year"
        )
    return None


def _exchanged(timestamps: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """Timestamps in ns with day and month exchanged where both are up to 12.

    >>> day = pd.Timestamp("2024-02-03 04:05").as_unit("ns").value
    >>> str(pd.Timestamp(_exchanged(np.array([day]))[0]))
    '2024-03-02 04:05:00'
    """
    dates = timestamps.view("datetime64[ns]")
    years, months = dates.astype("datetime64[Y]"), dates.astype("datetime64[M]")
    day = (dates.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    month = (months - years.astype("datetime64[M]")).astype(np.int64)
    swapped = (years.astype("datetime64[M]") + day).astype("datetime64[D]") + month
    instants = swapped.astype("datetime64[ns]").view(np.int64) + timestamps % DAY_NS
    return np.where(day < 12, instants, timestamps)


def end_of_day(cells: pd.Series, name: str, place_of: Callable[[int], str]) -> str | None:
    """What to do with hours 24:00, which no pattern reads; None without any."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return None
    late = cells.str.fullmatch(END_OF_DAY).to_numpy(dtype=bool, na_value=False)
    if not late.any():
        return None
    row = int(np.argmax(late))
    return (
        f"column {name!r} has in {place_of(row)} {str(cells.iloc[row])!r}: 24:00 means 00:00 of "
        f"the next day, which no pattern reads; write it so ({plural(int(late.sum()), 'row')})"
    )
