"""Filling of a large panel, some series at a time: temporaries do not grow with the panel."""

import itertools

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.series.grid import NEVER, Column, fill_column
from spline_lstm.series.placing import Placed

# Grid rows that are filled at once, unless one series has more.
BLOCK = 2**18


def fill_in_blocks(
    placed: Placed,
    values: Float[np.ndarray, " observations"],
    row_offsets: Int[np.ndarray, " bounds"],
    *,
    method: str,
    max_gap: int,
) -> Column:
    """`fill_column` of all series of a panel, the same in every bit."""
    rows = int(row_offsets[-1])
    if rows <= BLOCK:
        return fill_column(
            placed, values, rows, method=method, max_gap=max_gap, row_offsets=row_offsets
        )
    whole = Column(
        raw=np.empty(rows),
        filled=np.empty(rows),
        causal=np.empty(rows),
        known_at=np.empty(rows, dtype=np.int32),
        valid=np.empty(rows, dtype=bool),
        age=np.empty(rows, dtype=np.int64),
    )
    bounds = _bounds(row_offsets)
    # A timestamp up to half a step before the first row of a series belongs to it.
    cuts = np.searchsorted(placed.times, row_offsets[bounds] - 0.5)
    for (first, end), (begin, stop) in zip(
        itertools.pairwise(bounds.tolist()), itertools.pairwise(cuts.tolist()), strict=True
    ):
        offsets = row_offsets[first : end + 1]
        start = int(offsets[0])
        # Positions are binary fractions: the difference is exact.
        own = Placed(
            placed.times[begin:stop] - start,
            placed.snapped[begin:stop],
            placed.seen[begin:stop] - start,
            placed.settled[begin:stop] - start,
            placed.keeps_times,
        )
        length = int(offsets[-1]) - start
        part = fill_column(
            own,
            values[begin:stop],
            length,
            method=method,
            max_gap=max_gap,
            row_offsets=offsets - start,
        )
        block = slice(start, start + length)
        whole.raw[block], whole.filled[block] = part.raw, part.filled
        whole.causal[block], whole.valid[block] = part.causal, part.valid
        whole.age[block] = part.age
        never = part.known_at == NEVER
        whole.known_at[block] = np.where(never, NEVER, part.known_at + np.where(never, 0, start))
    return whole


def _bounds(row_offsets: Int[np.ndarray, " bounds"]) -> Int[np.ndarray, " blocks"]:
    """Index of the first series of each block, and the number of series."""
    wanted = np.arange(0, row_offsets[-1], BLOCK)
    starts = np.unique(np.searchsorted(row_offsets, wanted, side="right") - 1)
    return np.append(starts, len(row_offsets) - 1)
