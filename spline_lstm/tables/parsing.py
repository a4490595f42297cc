"""Cells of one column: text to numbers, booleans, categories or timestamps, and faulty cells.

Every parser returns its values together with the faults: rule -> rows that break it. What a rule
says is in `spline_lstm.tables.contract`.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from spline_lstm.core.table_format import INDEX, TableFormat
from spline_lstm.tables.number_marks import number_pattern

# The day of 2020-01-01 looks like an offset: one counts only after a time.
ZONE = r"(?:[zZ]|[tT :].*[+-]\d{2}(?::?\d{2})?)\s*$"
# pandas reads these as the present time.
NO_TIMESTAMPS = ("now", "today")
TRUE, FALSE = ("1", "true"), ("0", "false")
# First year, and the first one after the last: nanoseconds since 1970 fit an int64.
RANGE = ("1678", "2262")
EPOCH_UNITS = {"unix_s": 10**9, "unix_ms": 10**6}
LARGEST_INDEX = 2**53
Faults = dict[str, Bool[np.ndarray, " rows"]]


class Cells(NamedTuple):
    """A parsed column.

    Attributes
    ----------
    values : [rows] float64 (NaN where missing or faulty), or int64 ns for timestamps
    faults : rule -> [rows] bool
    """

    values: np.ndarray
    faults: Faults


def parse_numbers(column: pd.Series, table_format: TableFormat, *, whole: bool = False) -> Cells:
    """Numbers; with `whole` only integers."""
    faults: Faults = {}
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        texts = cell_texts(column, table_format)
        plain = _plain_numbers(texts, table_format)
        numbers = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64)
        faults["number"] = np.isnan(numbers) & texts.notna().to_numpy()
    else:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    faults["finite"] = np.isinf(numbers)
    if whole:
        with np.errstate(invalid="ignore"):
            faults["whole"] = ~(
                np.isnan(numbers) | faults["finite"] | (numbers == np.floor(numbers))
            )
    if faults["finite"].any():
        numbers = np.where(faults["finite"], np.nan, numbers)
    return Cells(numbers, faults)


def _plain_numbers(texts: pd.Series, table_format: TableFormat) -> pd.Series:
    """Numbers with a decimal point and without marks between groups of digits."""
    decimal, thousands = table_format.decimal, table_format.thousands
    if thousands is not None:
        grouped = texts.str.contains(thousands, regex=False, na=False)
        # 1.23 is not a number whose thousands have points, and never 123.
        fits = texts.str.fullmatch(number_pattern(decimal, thousands), na=False)
        texts = texts.str.replace(thousands, "", regex=False).mask(grouped & ~fits, "?")
    if decimal != ".":
        # A point is then not a decimal mark: 1.500 may well be fifteen hundred.
        texts = texts.str.replace(".", "?", regex=False).str.replace(decimal, ".", regex=False)
    return texts


def parse_booleans(column: pd.Series, table_format: TableFormat) -> Cells:
    """0 and 1, or true and false in any case, as 0.0 and 1.0."""
    codes, distinct = factorized(column)
    texts = cell_texts(distinct, table_format)
    words = texts.str.lower().str.removesuffix(".0")
    values = np.full(len(texts), np.nan)
    values[words.isin(TRUE).to_numpy(dtype=bool)] = 1.0
    values[words.isin(FALSE).to_numpy(dtype=bool)] = 0.0
    wrong = np.isnan(values) & texts.notna().to_numpy()
    return Cells(np.append(values, np.nan)[codes], {"boolean": np.append(wrong, False)[codes]})


def parse_categories(column: pd.Series, table_format: TableFormat) -> tuple[Cells, tuple[str, ...]]:
    """Position of each text among all texts of the column, in sorted order, and these texts."""
    codes, distinct = factorized(column)
    positions, names = pd.factorize(cell_texts(distinct, table_format), sort=True)
    values = np.where(positions < 0, np.nan, positions).astype(np.float64)
    return Cells(np.append(values, np.nan)[codes], {}), tuple(str(name) for name in names)


def factorized(column: pd.Series) -> tuple[Int[np.ndarray, " rows"], pd.Series]:
    """Position of each cell among the distinct cells, -1 where it is missing, and these cells.

    The distinct cells are in order of appearance. There are few of them in most columns of text, so
    that reading them takes a small part of the time.
    """
    if column.dtype == object:
        # As texts, because True and 1 are one object to a hash table.
        column = column.astype("str").mask(column.isna())
    codes, distinct = pd.factorize(column)
    return codes, pd.Series(distinct)


def parse_timestamps(column: pd.Series, table_format: TableFormat) -> Cells:
    """Timestamps in ns since 1970 UTC, from texts or timestamps; those without a zone are UTC.

    Of the form ``index`` they are whole numbers.
    """
    timestamp_format = table_format.timestamp_format
    absent = column.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column) and timestamp_format != INDEX:
        instants = (
            column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
        )
        return _within_range(instants.to_numpy(), absent, {"timestamp_missing": absent})
    codes, distinct = factorized(column)
    texts = distinct.astype("str")
    if timestamp_format in EPOCH_UNITS:
        texts = texts.str.replace(table_format.decimal, ".", regex=False)
        cells = _epoch_timestamps(texts, EPOCH_UNITS[timestamp_format])
    elif timestamp_format == INDEX:
        cells = _index_numbers(texts)
    else:
        cells = _text_timestamps(texts, timestamp_format)
    faults = {rule: np.append(mask, False)[codes] for rule, mask in cells.faults.items()}
    return Cells(np.append(cells.values, 0)[codes], {"timestamp_missing": absent, **faults})


def _text_timestamps(texts: pd.Series, timestamp_format: str) -> Cells:
    """Timestamps of texts in order of appearance, none of them missing."""
    faults: Faults = {}
    if timestamp_format == "ISO8601":
        # Whether they name a time zone must not differ from the first one.
        aware = texts.str.contains(ZONE, regex=True).to_numpy(dtype=bool)
        faults["zone"] = aware != aware[:1]
    try:
        parsed = pd.to_datetime(texts, format=timestamp_format, errors="coerce", utc=True)
    except (ValueError, OverflowError):
        # An invalid pattern, or a year beyond any unit: no timestamp can be read.
        parsed = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    faults["timestamp"] = (
        parsed.isna() | texts.str.strip().str.lower().isin(NO_TIMESTAMPS)
    ).to_numpy(dtype=bool)
    return _within_range(parsed.dt.tz_localize(None).to_numpy(), faults["timestamp"], faults)


def _within_range(instants: np.ndarray, unread: np.ndarray, faults: Faults) -> Cells:
    """Instants in ns, those that are `unread` or do not fit an int64 as zero."""
    low, high = (np.datetime64(year).astype(instants.dtype) for year in RANGE)
    outside = ~((instants >= low) & (instants < high))
    faults["timestamp_range"] = outside & ~unread
    if (outside | unread).any():
        instants = np.where(
            outside | unread, np.datetime64(0, "s").astype(instants.dtype), instants
        )
    return Cells(instants.astype("datetime64[ns]").view(np.int64), faults)


def cell_texts(column: pd.Series, table_format: TableFormat) -> pd.Series:
    """Cells as text without blanks around them, missing ones as NaN."""
    texts = column.astype("str").str.strip()
    return texts.mask(texts.isin(["", *table_format.missing_markers]) | column.isna())


def _index_numbers(texts: pd.Series) -> Cells:
    """Whole numbers up to 2^53, which a float has exactly."""
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    with np.errstate(invalid="ignore"):
        good = (numbers == np.floor(numbers)) & (np.abs(numbers) <= LARGEST_INDEX)
    return Cells(np.where(good, numbers, 0).astype(np.int64), {"index": ~good})


def _epoch_timestamps(texts: pd.Series, unit_ns: int) -> Cells:
    numbers = pd.to_numeric(texts, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~(np.abs(values) < np.iinfo(np.int64).max / unit_ns)
    whole = np.floor(np.where(bad, 0.0, values)).astype(np.int64)
    timestamps = whole * unit_ns
    fractional = np.flatnonzero(~bad & (values != whole))
    # Ten digits before the point leave a float too few after it: these are read from the text.
    timestamps[fractional] = [_exact_ns(texts.iloc[row], unit_ns) for row in fractional]
    return Cells(timestamps, {"epoch": bad})


def _exact_ns(text: str, unit_ns: int) -> int:
    return int(Decimal(text.strip()) * unit_ns)


def without_faults(faults: Iterable[Faults], rows: int) -> Bool[np.ndarray, " rows"]:
    """Rows of which no cell of any of the columns breaks a rule."""
    sound = np.ones(rows, dtype=bool)
    for rules in faults:
        for mask in rules.values():
            sound &= ~mask
    return sound


def any_fault(faults: Iterable[Faults]) -> bool:
    """True if a cell of any of the columns breaks a rule."""
    return any(mask.any() for rules in faults for mask in rules.values())
