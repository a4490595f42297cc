"""Which column of a table identifies its series."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.scaffold.column_types import Column

# Share of repeated timestamps that may remain within the series.
FEW = 0.05
# Cells of series and timestamps, per row, up to which each has a mark.
MAX_CELLS = 8
# Rows of whole series whose pace is looked at.
MAX_PACED = 500_000


def repeated(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"] | None = None
) -> int:
    """Rows that repeat the timestamp of an earlier row, of the same series if `keys` are given."""
    if _is_increasing(timestamps, keys):
        return 0
    codes, distinct = pd.factorize(timestamps)
    if keys is None:
        return len(timestamps) - len(distinct)
    cells = keys * len(distinct)
    cells += codes
    size = (int(keys.max(initial=0)) + 1) * len(distinct)
    if size > MAX_CELLS * len(cells):
        return len(cells) - len(pd.unique(cells))
    # A mark for each series and timestamp takes less memory than a set of them.
    marks = np.zeros(size, dtype=bool)
    marks[cells] = True
    return len(cells) - int(marks.sum())


def _is_increasing(timestamps: np.ndarray, keys: np.ndarray | None) -> bool:
    """True if the rows of each series are together and in order: then none repeats."""
    step = np.diff(timestamps) > 0
    if keys is None:
        return bool(step.all())
    change = np.diff(keys)
    return bool((change >= 0).all() and (step | (change > 0)).all())


def series_candidates(
    timestamps: Int[np.ndarray, " rows"], columns: Mapping[str, Column]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns, or else pairs of columns, that could identify the series.

    A key makes nearly every timestamp unique within its series and has far fewer values than there
    are rows. It repeats the same timestamps; a part of a timestamp partitions them.

    Parameters
    ----------
    timestamps : np.ndarray
        [rows] int64 ns.
    columns : mapping
        Name -> column of texts or whole numbers.
    """
    before = repeated(timestamps)
    few = {
        name: code
        for name, code in ((name, column.codes) for name, column in columns.items())
        if 2 <= code.max(initial=0) + 1 <= max(2, len(timestamps) // 3)
    }

    different = len(timestamps) - before

    def resolves(code: np.ndarray) -> bool:
        # Each series has at most as many rows as there are different timestamps.
        if len(timestamps) - different * (int(code.max()) + 1) > FEW * before:
            return False
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


def blocks(timestamps: Int[np.ndarray, " rows"], columns: Mapping[str, Column]) -> list[str]:
    """Columns by which the rows lie in blocks, each in order of time, while the file is not.

    So lie the series of a panel whose timestamps differ, one below the other.

    Parameters
    ----------
    timestamps : np.ndarray
        [rows] int64 ns.
    columns : mapping
        Name -> column of texts or whole numbers.
    """
    falls = np.diff(timestamps) <= 0
    if not falls.any():
        return []
    found = []
    for name, column in columns.items():
        code = column.codes
        change = np.diff(code) != 0
        count = int(code.max(initial=0)) + 1
        are_blocks = 2 <= count <= max(2, len(code) // 3) and int(change.sum()) == count - 1
        if are_blocks and not (falls & ~change).any():
            found.append(name)
    return found


def _is_steady(timestamps: np.ndarray, code: np.ndarray) -> bool:
    """Whether rows follow each other at one pace; a measured number would split them at random."""
    stride = -(-len(code) // MAX_PACED)
    if stride > 1 and int(code.max()) >= stride:
        some = code % stride == 0
        timestamps, code = timestamps[some], code[some]
    steps = within_series(timestamps, code)
    return len(steps) > 0 and bool(
        (steps <= 2 * np.median(steps)).mean() >= 0.5 and _pace(timestamps, steps) <= 4
    )


def within_series(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, " steps"]:
    """Positive distances between consecutive timestamps of the same series."""
    order = np.lexsort((timestamps, keys)) if not _is_increasing(timestamps, keys) else slice(None)
    steps = np.diff(timestamps[order])
    return steps[(np.diff(keys[order]) == 0) & (steps > 0)]


def _pace(timestamps: np.ndarray, steps: np.ndarray) -> float:
    """Median step within a series / median step between different timestamps of the table."""
    overall = np.diff(np.unique(timestamps))
    return float(np.median(steps) / np.median(overall)) if len(overall) else 1.0
