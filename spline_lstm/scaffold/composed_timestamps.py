"""Timestamps composed from several columns: a date and an hour; year, month, day and hour."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.series_keys import repeated
from spline_lstm.scaffold.timestamp_formats import (
    DATES,
    DAY_NS,
    TIMES,
    TimestampForm,
    form_fault,
    is_clock,
    timestamp_forms,
)

# Directive -> names of a column with such numbers, and their range.
PARTS = {
    "%Y": (re.compile(r"years?|yr|yyyy|jahr|ann[eé]e|a[nñ]o", re.IGNORECASE), (1678, 2261)),
    "%m": (re.compile(r"months?|mnth|mth|mon|mm|mo|monat|mois|mes", re.IGNORECASE), (1, 12)),
    "%d": (re.compile(r"days?|dd|dom|mday|tag|jour|d[ií]a", re.IGNORECASE), (1, 31)),
    "%H": (re.compile(r"hours?|hr|hrs|hh|h|stunde|heure|hora", re.IGNORECASE), (0, 23)),
    "%M": (re.compile(r"minutes?|mins?|mi", re.IGNORECASE), (0, 59)),
    "%S": (re.compile(r"seconds?|secs?|ss", re.IGNORECASE), (0, 59)),
}
DIRECTIVES = tuple(PARTS)
# Days of a year, which take the place of month and day.
DAY_OF_YEAR = "%j"
DAYS_OF_YEAR = (
    re.compile(r"doy|yday|julian|day_?of_?year|julian_?day|dayofyr", re.IGNORECASE),
    (1, 366),
)
MONTH_NAMES = ("%b", "%B")
# Hours of a day, by their start or by their end.
HOURS = ((0, 23), (1, 24))
SLOTS = re.compile(r".*(period|slot|interval|block|hour|stunde).*", re.IGNORECASE)


@dataclass(frozen=True)
class Composition:
    """Columns that may be one timestamp together.

    Attributes
    ----------
    columns : names
    is_sure : False if they have another reading, too
    numbers : the least and the largest number of a doubtful column
    """

    columns: tuple[str, ...]
    is_sure: bool = True
    numbers: tuple[int, int] = (0, 23)


def join(cells: Sequence[pd.Series]) -> pd.Series:
    """The texts of each row with a blank between them, as the raw table is read."""
    if len(cells) == 1:
        return cells[0]
    joined = cells[0].astype("str")
    for each in cells[1:]:
        joined = joined.str.cat(each.astype("str"), sep=" ")
    return joined.rename("+".join(str(each.name) for each in cells))


def compositions(
    columns: Mapping[str, Column], found: Mapping[str, Sequence[TimestampForm]]
) -> list[Composition]:
    """The ways to compose a timestamp that a table suggests.

    Parameters
    ----------
    columns : mapping
        All columns.
    found : mapping
        Columns that contain timestamps by themselves, and their forms.
    """
    dates = [
        name for name, forms in found.items() if not is_year(forms) and _are_repeated_dates(forms)
    ]
    if dates:
        clocks = [name for name, column in columns.items() if is_clock(column.cells)]
        # 0.20 is a time of day, too, but beside a column of hours it is a number.
        texts = [(name,) for name in clocks if not columns[name].is_number]
        parts = texts or _hour_parts(columns) or [(name,) for name in clocks]
        sure = [Composition((date, *part)) for date in dates for part in parts]
        return sure or _doubtful(columns, dates)
    # A year reads as a timestamp, too, but with a month beside it it is a part of one.
    return _numbered(columns) if all(is_year(forms) for forms in found.values()) else []


def _are_repeated_dates(forms: Sequence[TimestampForm]) -> bool:
    first = forms[0].timestamps
    return not forms[0].is_index and bool(np.all(first % DAY_NS == 0) and repeated(first))


def is_year(forms: Sequence[TimestampForm]) -> bool:
    """True for a column that reads as years only."""
    return [form.form for form in forms] == ["%Y"]


def _hour_parts(columns: Mapping[str, Column]) -> list[tuple[str, ...]]:
    """Columns of hours and finer parts, by their names and numbers."""
    named = [named_part(columns, directive) for directive in ("%H", "%M", "%S")]
    taken = [name for name in itertools.takewhile(lambda name: name is not None, named) if name]
    return [tuple(taken)] if taken else []


def _doubtful(columns: Mapping[str, Column], dates: Sequence[str]) -> list[Composition]:
    """Dates beside numbers that may be hours or other parts of a day, or names of series."""
    for name, column in columns.items():
        numbers = column.whole
        if numbers is None or column.kind == "boolean":
            continue
        low, high = int(numbers.min()), int(numbers.max())
        is_named = SLOTS.fullmatch(name) and low in (0, 1)
        if (
            ((low, high) in HOURS or is_named)
            and np.array_equal(np.unique(numbers), np.arange(low, high + 1))
            # A covariate is not different in each row of a day.
            and not repeated(columns[dates[0]].codes * (high + 1) + numbers)
        ):
            return [Composition((dates[0], name), is_sure=False, numbers=(low, high))]
    return []


def _numbered(columns: Mapping[str, Column]) -> list[Composition]:
    """Year, month and finer parts in columns of their own."""
    year, day = named_part(columns, "%Y"), named_part(columns, DAY_OF_YEAR)
    if year is not None and day is not None and named_part(columns, "%m") is None:
        return [Composition((year, day, *itertools.chain(*_hour_parts(columns))))]
    named = [named_part(columns, directive) for directive in DIRECTIVES]
    taken = [name for name in itertools.takewhile(lambda name: name is not None, named) if name]
    return [Composition(tuple(taken))] if len(taken) > 1 else []


def named_part(columns: Mapping[str, Column], directive: str) -> str | None:
    """The column that has the name and the numbers of a part of timestamps."""
    names, (low, high) = DAYS_OF_YEAR if directive == DAY_OF_YEAR else PARTS[directive]
    for name, column in columns.items():
        if not names.fullmatch(name.strip()):
            continue
        whole = column.whole
        if whole is not None and low <= whole.min() and whole.max() <= high:
            return name
        if directive == "%m" and _month_form(column) is not None:
            return name
    return None


def _month_form(column: Column) -> str | None:
    """%b for Jan, %B for January."""
    is_date = pd.api.types.is_datetime64_any_dtype(column.cells)
    if column.kind != "text" or is_date or column.missing or column.distinct > len(DIRECTIVES) * 2:
        return None
    texts = pd.Series(column.cells.unique())
    for form in MONTH_NAMES:
        if pd.to_datetime(texts, format=form, errors="coerce").notna().all():
            return form
    return None


def forms_of_parts(columns: Sequence[Column]) -> list[str]:
    """Forms that may read the joined texts of some columns."""
    expected = 0
    parts: list[Sequence[str]] = []
    for column in columns:
        forms, expected = _part_forms(column, expected)
        parts.append(forms)
    joined = (" ".join(chosen) for chosen in itertools.product(*parts))
    return [form for form in joined if form_fault(form) is None]


def unnamed_month(columns: Sequence[Column]) -> str | None:
    """The column that would be read as months after a year, though it is not called so."""
    expected = 0
    for column in columns:
        forms, expected = _part_forms(column, expected)
        if list(forms) == ["%m"] and not PARTS["%m"][0].fullmatch(column.name.strip()):
            return column.name
    return None


def _part_forms(column: Column, expected: int) -> tuple[Sequence[str], int]:
    """Forms of one part, and the number of the directive that comes next."""
    hour = DIRECTIVES.index("%H")
    if is_clock(column.cells):
        return [time for time in TIMES if time], len(DIRECTIVES)
    month = _month_form(column)
    if month is not None:
        return [month], DIRECTIVES.index("%d")
    if column.whole is not None and column.kind != "boolean":
        if expected == 1 and named_part({column.name: column}, DAY_OF_YEAR):
            return [DAY_OF_YEAR], hour
        named = [
            place
            for place, (names, _) in enumerate(PARTS.values())
            if names.fullmatch(column.name.strip())
        ]
        place = named[0] if named else min(expected, len(DIRECTIVES) - 1)
        is_date = not named and expected == 0 and column.whole.max() > PARTS["%Y"][1][1]
        return (["%Y%m%d"], hour) if is_date else ([DIRECTIVES[place]], place + 1)
    known = [form.form for form in timestamp_forms(column.cells)]
    return [*(form for form in known if form != "ISO8601"), *_iso_dates(known)] or DATES, hour


def _iso_dates(forms: Sequence[str]) -> tuple[str, ...]:
    """A date alone, or with the midnight that spreadsheets append."""
    dates = ("%Y-%m-%d", "%Y-%m-%d 00:00:00", "%Y-%m-%d 00:00", "%Y-%m-%dT00:00:00")
    return dates if "ISO8601" in forms else ()
