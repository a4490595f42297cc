"""A timestamp composed of several columns.

A declared pattern reads the cells of a row with a blank between them. Without one each column has a
role, by its name or by the form of its first cell: a date, a time of the day, or a number of years,
quarters, months, days, hours, minutes or seconds.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import DataContractError, shorten
from spline_lstm.core.table_format import TableFormat
from spline_lstm.core.time_zones import DAY_NS, HOUR_NS
from spline_lstm.tables.parsing import ZONE, Cells, Faults, parse_timestamps

# Role -> names of columns that have it, without case and marks.
ROLE_NAMES = {
    "year": ("year", "years", "yr", "yyyy"),
    "quarter": ("quarter", "qtr"),
    "month": ("month", "months", "mon", "mnth", "mo"),
    "day": ("day", "days", "dd", "dayofmonth", "dom", "mday"),
    "hour": ("hour", "hours", "hr", "hrs", "hh"),
    "minute": ("minute", "minutes", "min", "mins"),
    "second": ("second", "seconds", "sec", "secs"),
}
# Role -> smallest and largest number.
LIMITS = {
    "year": (1678, 2261),
    "quarter": (1, 4),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}
LENGTHS = {"hour": HOUR_NS, "minute": HOUR_NS // 60, "second": 10**9}
FORMS = {"date": "a date such as 2024-03-01", "time": "a time such as 13:00 or 13:00:00"} | {
    role: f"a whole number of the {role}, {low} to {high}" for role, (low, high) in LIMITS.items()
}
TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
# Cells in which the form of a column is looked for.
FIRST_CELLS = 1000
ADVICE = (
    "declare table_format.timestamp_format, a pattern that reads the cells with a blank between "
    "them, such as %Y-%m-%d %H"
)


class Composed(NamedTuple):
    """Timestamps of several columns.

    Attributes
    ----------
    values : [rows] int64, ns since 1970 as if without a zone; with one instants
    faults : column -> rule -> [rows] bool
    forms : column -> what its cells must be
    joined : name of all columns -> their cells, if a fault lies in no column alone
    """

    values: Int[np.ndarray, " rows"]
    faults: dict[str, Faults]
    forms: dict[str, str]
    joined: dict[str, pd.Series]


def compose(
    frame: pd.DataFrame, names: Sequence[str], table_format: TableFormat, where: str
) -> Composed:
    """The timestamps of the columns `names`; `where` names the table in messages.

    Raises
    ------
    DataContractError
        The role of a column cannot be told, or the roles do not make a timestamp.
    """
    if "%" in table_format.timestamp_format:
        return _by_pattern(frame, names, table_format)
    return _by_roles(frame, column_roles(frame, names, where))


def column_roles(frame: pd.DataFrame, names: Sequence[str], where: str) -> dict[str, str]:
    """Role -> column, for columns that make a timestamp together; errors as in `compose`."""
    found = {name: _role_of(name, frame[name]) for name in names}
    if "date" in found.values():
        # A number next to a date can only count its hours.
        found = {name: role or _hour(frame[name]) for name, role in found.items()}
    roles: dict[str, str] = {}
    for name, role in found.items():
        if role is None or role in roles:
            cell = shorten(_first_cell(frame[name]))
            what = "cannot be told" if role is None else f"is that of {roles[role]!r}, {role}"
            raise DataContractError(
                f"{where}: the role of column {name!r} (first cell {cell}) in the timestamp "
                f"{what}; {ADVICE}"
            )
        roles[role] = name
    _check_complete(roles, where)
    return roles


def _role_of(name: str, column: pd.Series) -> str | None:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    cell = _first_cell(column)
    if re.fullmatch(TIME, cell):
        return "time"
    if not re.fullmatch(r"[+-]?\d+(?:\.0*)?", cell):
        return "date" if re.match(r"\d{4}-\d{2}-\d{2}|\d{8}$", cell) else None
    plain = re.sub(r"[^a-z]", "", name.lower())
    named = next((role for role, known in ROLE_NAMES.items() if plain in known), None)
    return "date" if named is None and re.fullmatch(r"\d{8}", cell) else named


def _first_cell(column: pd.Series) -> str:
    """The first cell with a digit: a row of units has none."""
    for cell in column.iloc[:FIRST_CELLS].astype("str"):
        if re.search(r"\d", cell):
            return cell.strip()
    return ""


def _hour(column: pd.Series) -> str | None:
    return "hour" if re.fullmatch(r"\d{1,2}(?:\.0*)?", _first_cell(column)) else None


def _check_complete(roles: dict[str, str], where: str) -> None:
    """A date, or years and what divides them without a gap, and then the time of the day."""
    has_date = "date" in roles
    counts = [role in roles for role in ("year", "month", "day")]
    if "quarter" in roles:
        counts = [counts[0], not counts[1], False]
    parts = [role in roles for role in ("hour", "minute", "second")]
    whole = not (counts != sorted(counts, reverse=True) or parts != sorted(parts, reverse=True))
    within_day = any(parts) or "time" in roles
    fits = (
        whole
        and has_date != counts[0]
        and not (has_date and any(counts))
        and not (any(parts) and "time" in roles)
        and (not within_day or has_date or counts[2])
    )
    if not fits:
        given = ", ".join(f"{column!r} as {role}" for role, column in roles.items())
        raise DataContractError(f"{where}: {given} do not make a timestamp; {ADVICE}")


def _by_roles(frame: pd.DataFrame, roles: dict[str, str]) -> Composed:
    faults: dict[str, Faults] = {}
    numbers: dict[str, np.ndarray] = {}
    values = np.zeros(len(frame), dtype=np.int64)
    for role, name in roles.items():
        column = frame[name]
        if role == "date":
            cells = _dates(column)
            values += cells.values
        elif role == "time":
            cells = _times(column)
            values += cells.values
        else:
            cells = _numbers(column, *LIMITS[role])
            numbers[role] = cells.values
            values += cells.values * LENGTHS.get(role, 0)
        faults[name] = cells.faults
    if "year" in numbers:
        days, beyond = _days(numbers, len(frame))
        values += days
        if "day" in roles:
            faulty = np.any([mask for each in faults.values() for mask in each.values()], axis=0)
            faults[roles["day"]]["month_end"] = beyond & ~faulty
    forms = {name: FORMS[role] for role, name in roles.items()}
    return Composed(values, faults, forms, {})


def _dates(column: pd.Series) -> Cells:
    if not pd.api.types.is_datetime64_any_dtype(column):
        texts = column.astype("str").str.strip()
        zoned = (
            texts.str.contains(ZONE, regex=True).to_numpy(dtype=bool) & column.notna().to_numpy()
        )
        column = texts.mask(column.isna())
    else:
        zoned = np.full(len(column), column.dt.tz is not None)
    cells = parse_timestamps(column, TableFormat())
    absent = cells.faults["timestamp_missing"]
    wrong = np.any([*cells.faults.values()], axis=0) | zoned | (cells.values % DAY_NS != 0)
    out_of_range = cells.faults["timestamp_range"]
    return Cells(
        np.where(wrong, 0, cells.values),
        {
            "timestamp_missing": absent,
            "timestamp_range": out_of_range,
            "part": wrong & ~absent & ~out_of_range,
        },
    )


def _times(column: pd.Series) -> Cells:
    absent = column.isna().to_numpy()
    texts = column.astype("str").str.strip()
    wrong = ~texts.str.fullmatch(TIME).to_numpy(dtype=bool)
    texts = texts.mask(wrong | absent, "00:00")
    short = texts.str.count(":") == 1
    elapsed = pd.to_timedelta(texts.where(~short, texts + ":00"))
    values = elapsed.dt.as_unit("ns").astype("int64").to_numpy()
    return Cells(values, {"timestamp_missing": absent, "part": wrong & ~absent})


def _numbers(column: pd.Series, low: int, high: int) -> Cells:
    """Whole numbers from `low` to `high`; 0 where they are faulty."""
    absent = column.isna().to_numpy()
    texts = column if pd.api.types.is_numeric_dtype(column) else column.astype("str")
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        good = (numbers == np.floor(numbers)) & (numbers >= low) & (numbers <= high)
    values = np.where(good, numbers, 0).astype(np.int64)
    return Cells(values, {"timestamp_missing": absent, "part": ~good & ~absent})


def _days(numbers: dict[str, np.ndarray], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Start of each day in ns, and the rows whose day the month does not have."""
    one = np.ones(rows, dtype=np.int64)
    months = numbers["quarter"] * 3 - 2 if "quarter" in numbers else numbers.get("month", one)
    day = np.maximum(numbers.get("day", one), 1)
    year, month = np.clip(numbers["year"], *LIMITS["year"]), np.maximum(months, 1)
    first = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    dates = first.astype("datetime64[D]") + (day - 1)
    beyond = dates.astype("datetime64[M]") != first
    return dates.astype(np.int64) * DAY_NS, beyond


def _by_pattern(frame: pd.DataFrame, names: Sequence[str], table_format: TableFormat) -> Composed:
    form = table_format.timestamp_format
    columns = {name: _pattern_texts(frame[name]) for name in names}
    absent = {name: texts.isna().to_numpy() for name, texts in columns.items()}
    joined = columns[names[0]]
    for name in names[1:]:
        joined = joined.str.cat(columns[name], sep=" ")
    cells = parse_timestamps(joined, table_format)
    faults: dict[str, Faults] = {name: {"timestamp_missing": absent[name]} for name in names}
    forms = dict.fromkeys(names, form)
    faulty = cells.faults["timestamp"] | cells.faults["timestamp_range"]
    parts = form.split(" ")
    if faulty.any() and len(parts) == len(names):
        # Which column it is: each part of the pattern reads its own column.
        for name, part in zip(names, parts, strict=True):
            read = pd.to_datetime(columns[name], format=part, errors="coerce")
            faults[name]["part"] = faulty & read.isna().to_numpy()
            forms[name] = f"of the form {part}"
        told = np.any([faults[name]["part"] for name in names], axis=0)
        cells.faults["timestamp"] &= ~told
    label = " ".join(names)
    own = {rule: mask for rule, mask in cells.faults.items() if rule != "timestamp_missing"}
    return Composed(cells.values, faults | {label: own}, forms | {label: form}, {label: joined})


def _pattern_texts(column: pd.Series) -> pd.Series:
    """Cells as they are written: dates of a frame without their midnight, whole numbers plain."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.strftime("%Y-%m-%d").astype("str").mask(column.isna())
    if pd.api.types.is_float_dtype(column):
        column = column.convert_dtypes()
    return column.astype("str").str.strip().mask(column.isna())
