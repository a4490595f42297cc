"""Types of the columns of a table of texts: numbers, booleans, categories; texts for "missing"."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.scaffold.read_text import COMMA_NUMBER, DOT_NUMBER, FULL_SHARE

# Texts that mean "no value" wherever they appear among numbers.
MARKERS = frozenset(
    {
        "na",
        "n/a",
        "#n/a",
        "#na",
        "n.a.",
        "nan",
        "-nan",
        "null",
        "nil",
        "none",
        "missing",
        "-",
        "--",
        "?",
        ".",
        "*",
    }
)
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
Kind = Literal["empty", "float", "int", "boolean", "text"]


@dataclass(frozen=True)
class Column:
    """The content of one column.

    Attributes
    ----------
    name : str
    kind : str
    numbers : [rows] float64, NaN if the cell has no number
    markers : known texts for "missing" found among the cells
    oddities : other texts among numbers
    sentinels : texts of numbers that often mean "missing" and are far from all others
    distinct : number of different values
    missing : number of cells without a value
    """

    name: str
    kind: Kind
    numbers: Float[np.ndarray, " rows"]
    markers: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()
    sentinels: tuple[str, ...] = ()
    distinct: int = 0
    missing: int = 0

    @property
    def is_number(self) -> bool:
        """True for numbers that may be forecast."""
        return self.kind in ("float", "int")


def examine(column: pd.Series, decimal: str, declared: tuple[str, ...] = ()) -> Column:
    """Find out what a column of texts contains.

    Parameters
    ----------
    column : pd.Series
        Texts without blanks around them.
    decimal : str
        Decimal mark.
    declared : tuple of str
        Texts that mean "missing", as the user said; then no other text is questioned.

    >>> found = examine(pd.Series(["1.5", "nil", "2.5", "3.5"]), ".")
    >>> found.kind, found.markers
    ('float', ('nil',))
    """
    name = str(column.name)
    counts = column[column != ""].value_counts()
    texts = counts.index.to_series().astype("str")
    is_marker = texts.str.lower().isin(MARKERS) | texts.isin(declared)
    marked, values = counts[is_marker.to_numpy()], counts[~is_marker.to_numpy()]
    missing = int((column == "").sum() + marked.sum())
    markers = tuple(sorted(str(text) for text in marked.index))
    if values.empty:
        return Column(name, "empty", _nothing(column), markers, missing=missing)
    if {str(text).lower() for text in values.index} in BOOLEANS:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        return Column(name, "boolean", numbers, markers, distinct=2, missing=missing)
    pattern = COMMA_NUMBER if decimal == "," else DOT_NUMBER
    fits = values.index.to_series().astype("str").str.fullmatch(pattern).to_numpy(dtype=bool)
    if values[fits].sum() < FULL_SHARE * values.sum():
        return Column(
            name, "text", _nothing(column), markers, distinct=len(values), missing=missing
        )
    numbers = pd.to_numeric(
        column.where(~column.isin(declared)).str.replace(decimal, ".", regex=False), errors="coerce"
    ).to_numpy(dtype=np.float64, na_value=np.nan)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    return Column(
        name,
        "int" if _all_whole(values.index[fits]) else "float",
        numbers,
        markers,
        oddities=tuple(sorted(str(text) for text in values.index[~fits])),
        sentinels=() if declared else _sentinels(values.index[fits], decimal, numbers),
        distinct=int(fits.sum()),
        missing=missing,
    )


def _nothing(column: pd.Series) -> np.ndarray:
    return np.full(len(column), np.nan)


def _all_whole(texts: pd.Index) -> bool:
    return bool(texts.to_series().astype("str").str.fullmatch(r"[+-]?\d{1,15}").all())


def _sentinels(texts: pd.Index, decimal: str, numbers: np.ndarray) -> tuple[str, ...]:
    """Suspicious numbers further away from the others than these reach among themselves."""
    candidates = {
        str(text) for text in texts if float(str(text).replace(decimal, ".")) in SENTINELS
    }
    suspicious = np.isin(numbers, SENTINELS)
    others = numbers[~suspicious & ~np.isnan(numbers)]
    if not len(others):
        return ()
    low, high = float(others.min()), float(others.max())
    reach = high - low
    kept = (
        text
        for text in candidates
        if not low - reach <= float(text.replace(decimal, ".")) <= high + reach
    )
    return tuple(sorted(kept))
