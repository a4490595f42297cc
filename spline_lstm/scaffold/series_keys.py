"""Which column of a table identifies its series."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.timestamps import within_series

# Share of repeated timestamps that may remain within the series.
FEW = 0.01


def repeated(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"] | None = None
) -> int:
    """Rows that repeat the timestamp of an earlier row, of the same series if `keys` are given."""
    frame = pd.DataFrame(
        {"timestamp": timestamps} if keys is None else {"timestamp": timestamps, "key": keys}
    )
    return int(frame.duplicated().sum())


def series_candidates(
    timestamps: Int[np.ndarray, " rows"], columns: Mapping[str, pd.Series]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns, or else pairs of columns, that could identify the series.

    A key makes nearly every timestamp unique within its series and has far fewer values than there
    are rows.

    Parameters
    ----------
    timestamps : np.ndarray
        [rows] int64 ns.
    columns : mapping
        Name -> texts or whole numbers.
    """
    before = repeated(timestamps)
    codes = {name: pd.factorize(column)[0] for name, column in columns.items()}
    few = {
        name: code
        for name, code in codes.items()
        if 2 <= code.max(initial=0) + 1 <= max(2, len(timestamps) // 3)
    }

    def resolves(code: np.ndarray) -> bool:
        return repeated(timestamps, code) <= FEW * before and _is_steady(timestamps, code)

    single = [name for name, code in few.items() if resolves(code)]
    if single:
        return single, []
    pairs = [
        (one, two)
        for one, two in itertools.combinations(list(few)[:8], 2)
        if resolves(few[one] * (few[two].max() + 1) + few[two])
    ]
    return [], pairs


def _is_steady(timestamps: np.ndarray, code: np.ndarray) -> bool:
    """Whether rows follow each other at one pace; a measured number would split them at random."""
    steps = within_series(timestamps, code)
    return len(steps) > 0 and bool(
        (steps <= 2 * np.median(steps)).mean() >= 0.5 and _pace(timestamps, steps) <= 4
    )


def _pace(timestamps: np.ndarray, steps: np.ndarray) -> float:
    """Median step within a series / median step between different timestamps of the table."""
    overall = np.diff(np.unique(timestamps))
    return float(np.median(steps) / np.median(overall)) if len(overall) else 1.0


def longest_series(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"]
) -> Sequence[int] | np.ndarray:
    """Positions of the rows of the longest series."""
    return np.flatnonzero(keys == np.argmax(np.bincount(keys)))
