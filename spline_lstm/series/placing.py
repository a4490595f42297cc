"""Timestamps on the grid: consecutive rows of a clock for each series, and observations on them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.series.snap import INTERPOLATE, Snap, reach

# Resolution of a time off the grid, per step; with it, 16 million rows fit a float exactly.
TICKS = 2.0**28
# Observations that are placed at once.
BLOCK = 2**18


@dataclass(frozen=True)
class Grid:
    """Consecutive rows of a clock, for one series.

    Attributes
    ----------
    clock : Clock
    first_row : int, row of the clock
    rows : int
    """

    clock: Clock
    first_row: int
    rows: int

    @property
    def end_row(self) -> int:
        """Row of the clock after the last one."""
        return self.first_row + self.rows

    @property
    def timestamps(self) -> Int[np.ndarray, " rows"]:
        """Instants of all rows."""
        return self.clock.timestamps_of(np.arange(self.first_row, self.end_row, dtype=np.int64))


@dataclass(frozen=True)
class Placed:
    """Observations of one series put in relation to the grid, in order of their timestamps.

    Attributes
    ----------
    times : [observations] float64, in steps after row 0; whole numbers if moved onto a row
    snapped : [observations] bool, the observation stands for its nearest grid row
    seen : [observations] int64, row in whose step the timestamp lies; with ``interpolate`` the
        nearest row, of which it may be the label
    settled : [observations] int64, row by whose end `times` can no longer change: a timestamp
        before a row may stand for it, unless a nearer one follows
    keeps_times : bool, no observation was moved onto a row
    """

    times: Float[np.ndarray, " observations"]
    snapped: Bool[np.ndarray, " observations"]
    seen: Int[np.ndarray, " observations"]
    settled: Int[np.ndarray, " observations"]
    keeps_times: bool = False

    @property
    def rows(self) -> Int[np.ndarray, " observations"]:
        """The nearest grid row of each observation; half a step before a row is nearest to it."""
        return np.floor(self.times + 0.5).astype(np.int64)


def make_grids(
    timestamps: Int[np.ndarray, " observations"],
    series_offsets: Int[np.ndarray, " bounds"],
    clock: Clock,
    until: int | None = None,
) -> tuple[Grid, ...]:
    """The smallest grid for each series whose rows cover its timestamps, each in its nearest row.

    Parameters
    ----------
    timestamps : [observations] increasing within each series
    series_offsets : [series + 1] first observation of each series, and the end
    clock : Clock
    until : int, ns
        The grids end no earlier than with the last row before this instant, so that a forecast can
        be made there although the latest observations are missing.
    """
    first = clock.nearest(timestamps[series_offsets[:-1]])
    end = clock.nearest(timestamps[series_offsets[1:] - 1]) + 1
    if until is not None:
        end = np.maximum(end, clock.first_rows(np.array([until], dtype=np.int64)))
    bounds = zip(first.tolist(), end.tolist(), strict=True)
    return tuple(Grid(clock, begin, stop - begin) for begin, stop in bounds)


def place(timestamps: Int[np.ndarray, " observations"], grid: Grid, snap: Snap) -> Placed:
    """Put increasing timestamps on the grid: within `snap` steps of a row they stand for that row.

    With ``interpolate`` every timestamp stands for its nearest row and keeps its own time; ``auto``
    counts as half a step.

    Of several timestamps near one row the nearest stands for it (the earlier of two equally near
    ones); the others stay off the grid and only shape the spline.
    """
    shift = np.full(len(timestamps), -grid.first_row, dtype=np.int64)
    return _place(timestamps, shift, grid.clock, snap)


def _place(timestamps: np.ndarray, shift: np.ndarray, clock: Clock, snap: Snap) -> Placed:
    """Place timestamps on rows of the clock, each counted `shift` rows later."""
    seen, after, step = clock.locate(timestamps)
    seen = seen + shift
    late = 2 * after >= step
    row = seen + late
    # From whole nanoseconds, so that a timestamp is equally near on both sides of a row.
    distance = np.where(late, step - after, after) / step
    near = distance <= reach(snap)
    snapped = near.copy()
    candidates = np.flatnonzero(near)
    shared = np.diff(row[candidates]) == 0
    if shared.any():
        order = candidates[np.lexsort((distance[candidates], row[candidates]))]
        snapped[order[np.diff(row[order], prepend=-1) == 0]] = False
    # Binary fractions add exactly to any row: how many rows other series have cannot change a bit.
    fraction = np.floor(after / step * TICKS) / TICKS
    times = seen + fraction
    if snap == INTERPOLATE:
        # The label of a row must be no input of the forecast of that row; which of those near it is
        # the label, may be decided after it.
        return Placed(times, snapped, seen=row, settled=row, keeps_times=True)
    times = np.where(snapped, row.astype(np.float64), times)
    return Placed(times=times, snapped=snapped, seen=seen, settled=np.where(near, row, seen))


def place_panel(
    timestamps: Int[np.ndarray, " observations"],
    series: Int[np.ndarray, " observations"],
    grids: Sequence[Grid],
    row_offsets: Int[np.ndarray, " bounds"],
    snap: Snap,
) -> Placed:
    """Place several series on their grids, whose rows are counted one after another.

    Parameters
    ----------
    timestamps : [observations] increasing within each series
    series : [observations] index of the series, increasing
    grids : one per series, of one clock
    row_offsets : [series + 1] first grid row of each series, and the end
    snap : as in `place`

    Returns
    -------
    Placed
        In rows of all series together.
    """
    first_rows = np.array([grid.first_row for grid in grids], dtype=np.int64)
    count = len(timestamps)
    if count <= BLOCK:
        return _place_block(
            timestamps, row_offsets[series], first_rows[series], grids[0].clock, snap
        )
    whole = Placed(
        np.empty(count),
        np.empty(count, bool),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        keeps_times=snap == INTERPOLATE,
    )
    for block in _blocks(series):
        own = series[block]
        placed = _place_block(
            timestamps[block], row_offsets[own], first_rows[own], grids[0].clock, snap
        )
        whole.times[block], whole.snapped[block] = placed.times, placed.snapped
        whole.seen[block], whole.settled[block] = placed.seen, placed.settled
    return whole


def _place_block(
    timestamps: np.ndarray, base: np.ndarray, first_rows: np.ndarray, clock: Clock, snap: Snap
) -> Placed:
    """Place whole series: `base` and `first_rows` are those of the series of each timestamp."""
    placed = _place(timestamps, base - first_rows, clock, snap)
    # A timestamp just before row 0 stands for row 0: it must not be seen in the series before.
    return replace(placed, seen=np.maximum(placed.seen, base))


def _blocks(series: Int[np.ndarray, " observations"]) -> list[slice]:
    """Whole series together, some `BLOCK` observations each, so that temporaries stay small."""
    wanted = np.arange(0, len(series), BLOCK)
    starts = np.unique(np.searchsorted(series, series[wanted]))
    return list(itertools.starmap(slice, itertools.pairwise([*starts.tolist(), len(series)])))
