"""Rows of one series with one timestamp: exact copies, contradictions, and what becomes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.reading import Duplicates
from spline_lstm.tables.contract import MAX_ROWS, Violation

MAX_EXAMPLES = 3


@dataclass(frozen=True)
class Repeats:
    """Rows that repeat the timestamp of an earlier row of their series.

    Attributes
    ----------
    rows : [repeats] int64, positions of these rows
    first : [repeats] int64, the first row with the same series and timestamp
    copies : [repeats] bool, an earlier row with this timestamp has the same values
    """

    rows: Int[np.ndarray, " repeats"]
    first: Int[np.ndarray, " repeats"]
    copies: Bool[np.ndarray, " repeats"]


def find_repeats(
    timestamps: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows columns"],
    keys: Int[np.ndarray, " rows"],
) -> Repeats:
    """Copies and contradictions among rows that are sorted by series and timestamp.

    Missing values equal each other.
    """
    rows = np.flatnonzero(~_starts(timestamps, keys))
    apart = np.diff(rows, prepend=-1) != 1
    first = np.maximum.accumulate(np.where(apart, rows - 1, 0))
    members = np.append(first[apart], rows)
    compared = pd.DataFrame(values[members])
    compared.insert(0, "first", np.append(first[apart], first))
    return Repeats(rows, first, compared.duplicated().to_numpy()[apart.sum() :])


def _starts(timestamps: np.ndarray, keys: np.ndarray) -> Bool[np.ndarray, " rows"]:
    """The first row of each series and timestamp."""
    starts = np.ones(len(timestamps), dtype=bool)
    starts[1:] = (timestamps[1:] != timestamps[:-1]) | (keys[1:] != keys[:-1])
    return starts


def check_repeats(
    repeats: Repeats,
    values: Float[np.ndarray, "rows columns"],
    columns: Sequence[str],
    lines_of: Callable[[Int[np.ndarray, " some"]], Int[np.ndarray, " some"]],
    policy: Duplicates,
    name_of: Callable[[int], str],
) -> list[Violation]:
    """Repeated timestamps that the policy does not allow: one violation for each kind.

    Parameters
    ----------
    repeats : Repeats
    values, columns : [rows, columns] the rows, and the names of their columns
    lines_of : lines of the file of some rows
    policy : ``error`` refuses all of them, ``copies`` the contradictions
    name_of : timestamp and series of a row, as text
    """

    def violation(kind: Literal["copies", "contradictions"], advice: str) -> list[Violation]:
        chosen = repeats.copies if kind == "copies" else ~repeats.copies
        rows, first = repeats.rows[chosen], repeats.first[chosen]
        if not len(rows):
            return []
        lines, examples = lines_of(rows[:MAX_ROWS]), []
        for row, earlier, line in zip(rows, first, lines[:MAX_EXAMPLES], strict=False):
            unlike = "" if kind == "copies" else _difference(values[[earlier, row]], columns)
            both = f"rows {lines_of(np.array([earlier]))[0]} and {line}{unlike}"
            examples.append(f"{name_of(int(row))} appears twice ({both})")
        more = ", ..." if len(rows) > MAX_EXAMPLES else ""
        text = f"{'; '.join(examples)}{more}, {advice}"
        return [Violation(kind, "", tuple(lines.tolist()), len(rows), text)]

    found = []
    if policy == "error":
        found += violation(
            "copies",
            "with the same values; remove the copies or set data.duplicates to copies",
        )
    if policy in ("error", "copies"):
        found += violation(
            "contradictions",
            "with different values; correct the rows or set data.duplicates to first, last, mean "
            "or sum",
        )
    return found


def _difference(pair: Float[np.ndarray, "two columns"], columns: Sequence[str]) -> str:
    """Name of a column in which two rows differ, and their values."""
    first, second = pair
    unlike = ~((first == second) | (np.isnan(first) & np.isnan(second)))
    column = int(np.flatnonzero(unlike)[0])
    one, other = ("missing" if np.isnan(value) else f"{value:.12g}" for value in pair[:, column])
    return f": {columns[column]} {one} and {other}"


def merge_duplicates(
    timestamps: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows columns"],
    keys: Int[np.ndarray, " rows"],
    policy: Duplicates,
    discrete: Bool[np.ndarray, " columns"] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave one row per series and timestamp by `policy` (``error`` is ``last``); rows are sorted.

    Columns that are `discrete` have no mean and no sum; the last row counts for them. Of missing
    values alone mean and sum are missing.
    """
    fresh = _starts(timestamps, keys)
    if fresh.all():
        return timestamps, values, keys
    kept = fresh if policy in ("first", "copies") else np.append(fresh[1:], True)
    merged = values[kept]
    if policy in ("mean", "sum"):
        numbers = np.ones(values.shape[1], dtype=bool) if discrete is None else ~discrete
        merged[:, numbers] = _combined(values[:, numbers], np.flatnonzero(fresh), policy)
    return timestamps[kept], merged, keys[kept]


def _combined(values: np.ndarray, starts: np.ndarray, policy: str) -> np.ndarray:
    counted = ~np.isnan(values)
    totals = np.add.reduceat(np.where(counted, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(counted.astype(np.float64), starts, axis=0)
    divisor = counts if policy == "mean" else np.ones_like(counts)
    return np.divide(totals, divisor, out=np.full_like(totals, np.nan), where=counts > 0)
