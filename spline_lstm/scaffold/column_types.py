"""Types of the columns of an unknown table: numbers, booleans, categories; texts for "missing"."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.scaffold.table import FULL_SHARE, MARKERS, Marks, Table

# Numbers that mean "no value" in many files; only the owner of a file knows whether they do there.
SENTINELS = (
    -99.0,
    -99.9,
    -99.99,
    -200.0,
    -999.0,
    -999.9,
    -999.99,
    -9999.0,
    -99999.0,
    -32768.0,
    999.0,
    9999.0,
    99999.0,
)
BOOLEANS = ({"0", "1"}, {"true", "false"})
MAX_WHOLE = 1e15
Kind = Literal["empty", "float", "int", "boolean", "text"]


@dataclass(frozen=True)
class Column:
    """The content of one column.

    Attributes
    ----------
    cells : the column as it was read
    kind : str
    numbers : [rows] float64, NaN if the cell has no number
    markers : known texts for "missing" found among the cells
    oddities : other texts among numbers
    sentinels : texts of numbers that often mean "missing" and are far from all others
    distinct : number of different values; of numbers 2 stands for any number beyond 1
    missing : number of cells without a value
    """

    cells: pd.Series
    kind: Kind
    numbers: Float[np.ndarray, " rows"]
    markers: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    sentinels: tuple[str, ...] = ()
    distinct: int = 0
    missing: int = 0

    @property
    def name(self) -> str:
        """Name of the column."""
        return str(self.cells.name)

    @property
    def is_number(self) -> bool:
        """True for numbers that may be forecast."""
        return self.kind in ("float", "int")

    @property
    def codes(self) -> Int[np.ndarray, " rows"]:
        """Position of each cell's value among the values of the column, in sorted order."""
        return self._factors[0]

    @property
    def values(self) -> tuple[str, ...]:
        """The different values of the column as texts, in the order of their codes."""
        return tuple(str(value) for value in self._factors[1])

    @cached_property
    def _factors(self) -> tuple[Int[np.ndarray, " rows"], pd.Index]:
        codes, values = pd.factorize(self.cells, sort=True)
        return codes.astype(np.int64, copy=False), pd.Index(values)

    @cached_property
    def whole(self) -> Int[np.ndarray, " rows"] | None:
        """The cells as whole numbers, if all of them are."""
        if self.kind not in ("int", "boolean") or self.missing or np.isnan(self.numbers).any():
            return None
        return self.numbers.astype(np.int64)


def examine_all(table: Table, declared: tuple[str, ...] = ()) -> dict[str, Column]:
    """The content of each column by its name; see `examine`."""
    look = examine if table.is_text else _examine_typed
    return {str(name): look(table.cells[name], table.marks, declared) for name in table.cells}


def examine(column: pd.Series, marks: Marks = Marks(), declared: tuple[str, ...] = ()) -> Column:  # noqa: B008
    """Find out what a column of texts contains.

    Parameters
    ----------
    column : pd.Series
        Texts without blanks around them.
    marks : Marks
        Decimal and thousands marks.
    declared : tuple of str
        Texts that mean "missing", as the user said; then no other text is questioned.

    >>> found = examine(pd.Series(["1.5", "nil", "2.5", "3.5"]))
    >>> found.kind, found.markers
    ('float', ('nil',))
    """
    counts = column[column != ""].value_counts()
    texts = counts.index.to_series().astype("str")
    is_marker = texts.str.lower().isin(MARKERS) | texts.isin(declared)
    marked, values = counts[is_marker.to_numpy()], counts[~is_marker.to_numpy()]
    missing = int((column == "").sum() + marked.sum())
    markers = tuple(sorted(str(text) for text in marked.index))
    if values.empty:
        return Column(column, "empty", _nothing(column), markers, missing=missing)
    if {str(text).lower() for text in values.index} in BOOLEANS:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(column, "boolean", numbers, markers, distinct=2, missing=missing)
    fits = values.index.to_series().astype("str").str.fullmatch(marks.number).to_numpy(dtype=bool)
    if values[fits].sum() < FULL_SHARE * values.sum():
        return Column(
            column, "text", _nothing(column), markers, distinct=len(values), missing=missing
        )
    plain = marks.plain(column.where(~column.isin(declared)))
    numbers = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    plain = marks.plain(values.index[fits].to_series().astype("str"))
    suspicious = plain[pd.to_numeric(plain, errors="coerce").isin(SENTINELS)]
    return Column(
        column,
        "int" if _all_whole(plain) else "float",
        numbers,
        markers,
        oddities=tuple(sorted(str(text) for text in values.index[~fits])),
        sentinels=_sentinels(
            {} if declared else {str(text): float(number) for text, number in suspicious.items()},
            numbers,
        ),
        distinct=min(int(fits.sum()), 2),
        missing=missing,
    )


def _examine_typed(column: pd.Series, marks: Marks, declared: tuple[str, ...]) -> Column:
    """Find out what a column with a type contains."""
    if pd.api.types.is_bool_dtype(column):
        return _typed_numbers(column, "boolean", declared)
    if pd.api.types.is_numeric_dtype(column):
        kind = "int" if pd.api.types.is_integer_dtype(column) else "float"
        return _typed_numbers(column, kind, declared)
    missing = int(column.isna().sum())
    if missing == len(column):
        return Column(column, "empty", _nothing(column), missing=missing)
    if pd.api.types.is_datetime64_any_dtype(column):
        return Column(column, "text", _nothing(column), distinct=2, missing=missing)
    distinct = int(column.nunique())
    # Texts of numbers in Parquet are texts: its types say so.
    return Column(column, "text", _nothing(column), distinct=distinct, missing=missing)


def _typed_numbers(column: pd.Series, kind: Kind, declared: tuple[str, ...]) -> Column:
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(numbers)
    numbers = np.where(infinite, np.nan, numbers) if infinite.any() else numbers
    absent = np.isnan(numbers)
    if absent.all():
        return Column(column, "empty", numbers, missing=len(numbers))
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    if kind == "float" and absent.any() and _is_whole(numbers[~absent]):
        # Whole numbers with gaps are floats in a frame.
        kind = "int"
    if kind == "int" and (low, high) == (0.0, 1.0):
        kind = "boolean"
    questioned = () if declared or kind == "boolean" else SENTINELS
    suspicious = {f"{each:g}": each for each in questioned if each in (low, high)}
    return Column(
        column,
        kind,
        numbers,
        sentinels=_sentinels(suspicious, numbers),
        distinct=1 if low == high else 2,
        missing=int(absent.sum()),
    )


def _is_whole(numbers: np.ndarray) -> bool:
    return bool(np.all(numbers == np.floor(numbers)) and np.all(np.abs(numbers) < MAX_WHOLE))


def _nothing(column: pd.Series) -> np.ndarray:
    # One number, however many rows.
    return np.broadcast_to(np.array(np.nan), len(column))


def _all_whole(texts: pd.Series) -> bool:
    return bool(texts.str.fullmatch(r"[+-]?\d{1,15}").all())


def _sentinels(texts: Mapping[str, float], numbers: np.ndarray) -> tuple[str, ...]:
    """Texts of those suspicious numbers that are further away from the others than these reach."""
    if not texts:
        return ()
    others = numbers[~np.isin(numbers, SENTINELS) & ~np.isnan(numbers)]
    if not len(others):
        return ()
    low, high = float(others.min()), float(others.max())
    reach = high - low
    return tuple(
        sorted(text for text, number in texts.items() if not low - reach <= number <= high + reach)
    )
