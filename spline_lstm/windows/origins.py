"""Forecast origins: the rows at which a window is complete."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.mapped import passing, release

# Rows of the series that are looked at together.
BLOCK_ROWS = 1 << 20


def find_origins(
    arrays: AsOfArrays, lookback: int, horizon: int, stride: int = 1, max_missing: float = 0.0
) -> Int[np.ndarray, " windows"]:
    """Rows with `lookback` rows before, and an observed label in the next `horizon` rows.

    A share of at most `max_missing` of the rows before is not valid, and in none of them a target
    was yet to be observed. Windows lie inside one series. Every series starts at its own first
    complete window.
    """
    offsets, found = arrays.series_offsets, []
    for first, end in series_blocks(offsets):
        own = offsets[first : end + 1]
        found.append(_origins_of(arrays, own, lookback, horizon, stride, max_missing))
        release(arrays)
    return np.concatenate(found)


def series_blocks(offsets: Int[np.ndarray, " bounds"]) -> Iterator[tuple[int, int]]:
    """Consecutive series of about `BLOCK_ROWS` rows: first, and the one after the last.

    What is counted per row needs memory for one block only.

    >>> list(series_blocks(np.array([0, 900_000, 1_200_000, 1_300_000])))
    [(0, 2), (2, 3)]
    """
    first, count = 0, len(offsets) - 1
    while first < count:
        end = int(np.searchsorted(offsets, offsets[first] + BLOCK_ROWS))
        end = min(max(end, first + 1), count)
        yield first, end
        first = end


def _origins_of(
    arrays: AsOfArrays,
    offsets: Int[np.ndarray, " bounds"],
    lookback: int,
    horizon: int,
    stride: int,
    max_missing: float,
) -> Int[np.ndarray, " windows"]:
    """`find_origins` of the series with these offsets."""
    block, own = slice(offsets[0], offsets[-1]), offsets - offsets[0]
    valid = arrays.valid[block]
    # Prefix sums count observed labels of every window in O(rows).
    observed = np.concatenate([[0], np.cumsum(arrays.observed[block].any(axis=1))])
    origins = np.concatenate(
        [
            np.arange(begin + lookback, end - horizon + 1, stride, dtype=np.int64)
            for begin, end in pairwise(own)
        ]
    )
    enough = _count_before(~valid, origins, lookback) <= max_missing * lookback
    unborn = np.isnan(arrays.causal_target[block]).any(axis=1) & ~valid
    begun = _count_before(unborn, origins, lookback) == 0
    labelled = observed[origins + horizon] > observed[origins]
    return offsets[0] + origins[enough & begun & labelled]


def missing_inputs(
    arrays: AsOfArrays, origins: Int[np.ndarray, " windows"], lookback: int
) -> Int[np.ndarray, " windows"]:
    """Rows of each lookback in which a target was silent for longer than the gap limit.

    By blocks of rows, each with the lookback of its first origin.
    """
    found = np.zeros(len(origins), dtype=np.int64)
    for block in passing(arrays):
        begin = max(block.start - lookback, 0)
        silent = ~arrays.valid[begin : block.stop]
        # Of most series nothing is missing.
        if silent.any():
            own = (origins >= block.start) & (origins < block.stop)
            found[own] = _count_before(silent, origins[own] - begin, lookback)
    return found


def _count_before(
    flags: Bool[np.ndarray, " rows"], origins: Int[np.ndarray, " windows"], lookback: int
) -> Int[np.ndarray, " windows"]:
    """Flags in the `lookback` rows before each origin, by prefix sums in O(rows)."""
    sums = np.concatenate([[0], np.cumsum(flags)])
    return sums[origins] - sums[origins - lookback]
