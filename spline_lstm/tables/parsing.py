"""Cells of one column: text to numbers, booleans, categories or timestamps, and faulty cells.

Every parser returns its values together with the faults: rule -> rows that break it. What a rule
says is in `spline_lstm.tables.contract`.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from spline_lstm.core.schema import TableFormat

# The day of 2020-01-01 looks like an offset: one counts only after a time.
ZONE = r"(?:[zZ]|[tT :].*[+-]\d{2}(?::?\d{2})?)\s*$"
# pandas reads these as the present time.
NO_TIMESTAMPS = ("now", "today")
TRUE, FALSE = ("1", "true"), ("0", "false")
EPOCH_UNITS = {"unix_s": 10**9, "unix_ms": 10**6}
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
        texts = _texts(column, table_format)
        if table_format.decimal != ".":
            # A point is then not a decimal mark: 1.500 may well be fifteen hundred.
            texts = texts.str.replace(".", "?", regex=False).str.replace(
                table_format.decimal, ".", regex=False
            )
        numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        faults["number"] = np.isnan(numbers) & texts.notna().to_numpy()
    else:
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    faults["finite"] = np.isinf(numbers)
    if whole:
        with np.errstate(invalid="ignore"):
            faults["whole"] = ~(
                np.isnan(numbers) | faults["finite"] | (numbers == np.floor(numbers))
            )
    return Cells(np.where(faults["finite"], np.nan, numbers), faults)


def parse_booleans(column: pd.Series, table_format: TableFormat) -> Cells:
    """0 and 1, or true and false in any case, as 0.0 and 1.0."""
    texts = _texts(column, table_format).str.lower().str.removesuffix(".0")
    values = np.full(len(texts), np.nan)
    values[texts.isin(TRUE).to_numpy(dtype=bool)] = 1.0
    values[texts.isin(FALSE).to_numpy(dtype=bool)] = 0.0
    return Cells(values, {"boolean": np.isnan(values) & texts.notna().to_numpy()})


def parse_categories(column: pd.Series, table_format: TableFormat) -> tuple[Cells, tuple[str, ...]]:
    """Position of each text among all texts of the column, in sorted order, and these texts."""
    codes, names = pd.factorize(_texts(column, table_format), sort=True)
    return Cells(np.where(codes < 0, np.nan, codes).astype(np.float64), {}), tuple(
        str(name) for name in names
    )


def parse_timestamps(texts: pd.Series, table_format: TableFormat) -> Cells:
    """Timestamps in ns since 1970 UTC, from texts or timestamps; those without a zone are UTC."""
    timestamp_format = table_format.timestamp_format
    absent = texts.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(texts):
        timestamps = (
            texts.dt.tz_localize("UTC") if texts.dt.tz is None else texts.dt.tz_convert("UTC")
        )
        return _within_range(timestamps, absent, {"timestamp_missing": absent})
    if timestamp_format in EPOCH_UNITS:
        texts = texts.astype("str").str.replace(table_format.decimal, ".", regex=False)
        return _epoch_timestamps(texts, EPOCH_UNITS[timestamp_format], absent)
    texts = texts.astype("str")
    faults: Faults = {"timestamp_missing": absent}
    if timestamp_format == "ISO8601":
        faults["zone"] = _other_zone(texts, absent)
    try:
        parsed = pd.to_datetime(
            texts.mask(absent), format=timestamp_format, errors="coerce", utc=True
        )
    except (ValueError, OverflowError):
        # An invalid pattern, or a year beyond any unit: no timestamp can be read.
        parsed = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    faults["timestamp"] = (
        parsed.isna() | texts.str.strip().str.lower().isin(NO_TIMESTAMPS)
    ).to_numpy(dtype=bool) & ~absent
    return _within_range(parsed, faults["timestamp"] | absent, faults)


def _within_range(parsed: pd.Series, unread: np.ndarray, faults: Faults) -> Cells:
    """Timestamps in ns, those that are `unread` or do not fit an int64 as zero."""
    faults["timestamp_range"] = ~unread & ~parsed.dt.year.between(1678, 2261).to_numpy()
    parsed = parsed.mask(faults["timestamp_range"] | unread, pd.Timestamp(0, tz="UTC"))
    return Cells(parsed.dt.as_unit("ns").astype("int64").to_numpy(), faults)


def _texts(column: pd.Series, table_format: TableFormat) -> pd.Series:
    """Cells as text without blanks around them, missing ones as NaN."""
    texts = column.astype("str").str.strip()
    return texts.mask(texts.isin(["", *table_format.missing_markers]) | column.isna())


def _other_zone(texts: pd.Series, absent: np.ndarray) -> Bool[np.ndarray, " rows"]:
    """Rows that differ from the first one in whether they name a time zone."""
    aware = texts.str.contains(ZONE, regex=True).to_numpy(dtype=bool)
    return (aware != aware[int(np.argmin(absent))]) & ~absent


def _epoch_timestamps(texts: pd.Series, unit_ns: int, absent: np.ndarray) -> Cells:
    numbers = pd.to_numeric(texts, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~(np.abs(values) < np.iinfo(np.int64).max / unit_ns)
    whole = np.floor(np.where(bad, 0.0, values)).astype(np.int64)
    timestamps = whole * unit_ns
    fractional = np.flatnonzero(~bad & (values != whole))
    # Ten digits before the point leave a float too few after it: these are read from the text.
    timestamps[fractional] = [_exact_ns(texts.iloc[row], unit_ns) for row in fractional]
    return Cells(timestamps, {"timestamp_missing": absent, "epoch": bad & ~absent})


def _exact_ns(text: str, unit_ns: int) -> int:
    return int(Decimal(text.strip()) * unit_ns)


def any_fault(cells: Sequence[Cells]) -> bool:
    """True if a cell of any of the columns breaks a rule."""
    return any(mask.any() for column in cells for mask in column.faults.values())
