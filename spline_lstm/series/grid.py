"""The grid: observations of one column as as-of arrays.

The rows of the grid are those of a clock; a row stands for the time from its instant up to that of
the next row. Times between two rows count in elapsed shares of that step. A forecast origin t is a
row; *known before t* are the observations with a timestamp before the instant of row t. Three
arrays say what is known of a row:

``filled``    the observation, or the spline value inside a gap (it needs later observations)
``known_at``  the first row at which ``filled`` can be computed: it may be used if known_at < t
``causal``    the last observation up to row i, held: replaces ``filled`` until that is known
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params_data import SplitParams
from spline_lstm.core.timestamps import parse_instant
from spline_lstm.series.spline import interpolate, known_rows
from spline_lstm.tables.raw_table import RawTable

NEVER = np.iinfo(np.int32).max
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
    times : [observations] float64, in steps after row 0; whole numbers if snapped
    snapped : [observations] bool, the observation stands for its grid row
    seen : [observations] int64, row in whose step the timestamp lies
    settled : [observations] int64, row by whose end `times` can no longer change: a timestamp
        before a row may stand for it, unless a nearer one follows
    """

    times: Float[np.ndarray, " observations"]
    snapped: Bool[np.ndarray, " observations"]
    seen: Int[np.ndarray, " observations"]
    settled: Int[np.ndarray, " observations"]


@dataclass(frozen=True)
class Column:
    """As-of arrays of one column, in data units; see the module docstring.

    Attributes
    ----------
    raw : [rows] float64, the observation of the row, NaN if there is none
    filled : [rows] float64, NaN in gaps longer than the limit and outside the observations
    causal : [rows] float64, NaN before the first observation
    known_at : [rows] int32, `NEVER` if `filled` can never be computed
    valid : [rows] bool, the last observation is at most the gap limit old
    age : [rows] int64, rows since an observation was made or stood for its row; `NEVER` before the
        first
    """

    raw: Float[np.ndarray, " rows"]
    filled: Float[np.ndarray, " rows"]
    causal: Float[np.ndarray, " rows"]
    known_at: Int[np.ndarray, " rows"]
    valid: Bool[np.ndarray, " rows"]
    age: Int[np.ndarray, " rows"]


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


def place(timestamps: Int[np.ndarray, " observations"], grid: Grid, snap: float) -> Placed:
    """Put increasing timestamps on the grid: within `snap` steps of a row they stand for that row.

    Of several timestamps near one row the nearest stands for it (the earlier of two equally near
    ones); the others stay off the grid and only shape the spline.
    """
    shift = np.full(len(timestamps), -grid.first_row, dtype=np.int64)
    return _place(timestamps, shift, grid.clock, snap)


def _place(timestamps: np.ndarray, shift: np.ndarray, clock: Clock, snap: float) -> Placed:
    """Place timestamps on rows of the clock, each counted `shift` rows later."""
    seen, after, step = clock.locate(timestamps)
    seen = seen + shift
    late = 2 * after >= step
    row = seen + late
    # From whole nanoseconds, so that a timestamp is equally near on both sides of a row.
    distance = np.where(late, step - after, after) / step
    near = distance <= snap
    snapped = near.copy()
    candidates = np.flatnonzero(near)
    shared = np.diff(row[candidates]) == 0
    if shared.any():
        order = candidates[np.lexsort((distance[candidates], row[candidates]))]
        snapped[order[np.diff(row[order], prepend=-1) == 0]] = False
    # Binary fractions add exactly to any row: how many rows other series have cannot change a bit.
    fraction = np.floor(after / step * TICKS) / TICKS
    times = np.where(snapped, row.astype(np.float64), seen + fraction)
    return Placed(times=times, snapped=snapped, seen=seen, settled=np.where(near, row, seen))


def place_panel(
    timestamps: Int[np.ndarray, " observations"],
    series: Int[np.ndarray, " observations"],
    grids: Sequence[Grid],
    row_offsets: Int[np.ndarray, " bounds"],
    snap: float,
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
    whole = Placed(
        np.empty(count), np.empty(count, bool), np.empty(count, np.int64), np.empty(count, np.int64)
    )
    for block in _blocks(series):
        base = row_offsets[series[block]]
        shift = base - first_rows[series[block]]
        placed = _place(timestamps[block], shift, grids[0].clock, snap)
        whole.times[block], whole.snapped[block] = placed.times, placed.snapped
        # A timestamp just before row 0 stands for row 0: it must not be seen in the series before.
        whole.seen[block] = np.maximum(placed.seen, base)
        whole.settled[block] = placed.settled
    return whole


def _blocks(series: Int[np.ndarray, " observations"]) -> list[slice]:
    """Whole series together, some `BLOCK` observations each, so that temporaries stay small."""
    wanted = np.arange(0, len(series), BLOCK)
    starts = np.unique(np.searchsorted(series, series[wanted]))
    return list(itertools.starmap(slice, itertools.pairwise([*starts.tolist(), len(series)])))


@dataclass(frozen=True)
class Layout:
    """All series on grids of one clock.

    Attributes
    ----------
    clock : Clock
    grids : one per series
    row_offsets : [series + 1] int64, first grid row of each series, and the end
    observation_timestamps, observation_series : [observations] int64, of the raw table
    snap : float, steps
    """

    clock: Clock
    grids: tuple[Grid, ...]
    row_offsets: Int[np.ndarray, " bounds"]
    observation_timestamps: Int[np.ndarray, " observations"]
    observation_series: Int[np.ndarray, " observations"]
    snap: float

    def place(
        self, values: Float[np.ndarray, " observations"]
    ) -> tuple[Placed, Float[np.ndarray, " present"]]:
        """Positions on the grid of the present observations of one column, and their values.

        A row of the table in which the column is missing takes no grid row from it.
        """
        present = ~np.isnan(values)
        timestamps, series = self.observation_timestamps[present], self.observation_series[present]
        placed = place_panel(timestamps, series, self.grids, self.row_offsets, self.snap)
        return placed, values[present]

    @property
    def rows(self) -> int:
        """Number of grid rows, of all series together."""
        return int(self.row_offsets[-1])

    @property
    def first_row(self) -> int:
        """First row of the clock that a series has."""
        return min(grid.first_row for grid in self.grids)

    @property
    def end_row(self) -> int:
        """Row of the clock after the last one that a series has."""
        return max(grid.end_row for grid in self.grids)

    @cached_property
    def timestamps(self) -> Int[np.ndarray, " rows"]:
        """Instants of all rows."""
        first_rows = np.array([grid.first_row for grid in self.grids], dtype=np.int64)
        shift = np.repeat(first_rows - self.row_offsets[:-1], np.diff(self.row_offsets))
        return self.clock.timestamps_of(np.arange(self.rows, dtype=np.int64) + shift)


def lay_out(table: RawTable, clock: Clock, snap: float, *, until: int | None = None) -> Layout:
    """Put a table on grids of a clock that is bound to data; `until` as in `make_grids`.

    Raises
    ------
    DataContractError
        A timestamp is at the very end of the years that a calendar covers.
    """
    try:
        grids = make_grids(table.timestamps, table.series_offsets, clock, until)
    except ValueError as error:
        raise DataContractError(f"{error}; remove the rows outside") from None
    row_offsets = np.cumsum([0, *(grid.rows for grid in grids)]).astype(np.int64)
    return Layout(clock, grids, row_offsets, table.timestamps, table.series, snap)


def split_instants(layout: Layout, params: SplitParams) -> Int[np.ndarray, " two_or_three"]:
    """Starts of the validation and the test split, and its end if a third date sets it.

    They are the same in every series, on the grid.

    A date between two rows counts as the later one: observations of training rows lie before it.
    """
    clock = layout.clock
    if params.dates is not None:
        wanted = [
            each if isinstance(each, int) else parse_instant(each, clock.zone)
            for each in params.dates
        ]
        return clock.timestamps_of(clock.first_rows(np.array(wanted, dtype=np.int64)))
    start, count = layout.first_row, layout.end_row - layout.first_row
    shares = (params.train, params.train + params.validation)
    rows = [start + round(share * count) for share in shares]
    return clock.timestamps_of(np.array(rows, dtype=np.int64))


def on_grid(
    placed: Placed, values: Float[np.ndarray, " observations"], rows: int
) -> Float[np.ndarray, " rows"]:
    """The observation of each row, NaN if there is none."""
    raw = np.full(rows, np.nan)
    raw[placed.times[placed.snapped].astype(np.int64)] = values[placed.snapped]
    return raw


def fill_column(
    placed: Placed,
    values: Float[np.ndarray, " observations"],
    rows: int,
    *,
    method: str,
    max_gap: int,
    row_offsets: Int[np.ndarray, " bounds"] | None = None,
) -> Column:
    """As-of arrays of one column.

    Parameters
    ----------
    placed : Placed
        Where the rows of the raw table lie on the grid.
    values : [observations] float64, NaN if the column has no value
    rows : int
        Length of the grid, of all series together.
    method : str
        Spline method for gaps, and for observations off the grid.
    max_gap : int
        Longest gap that is filled, in grid rows without an observation.
    row_offsets : [series + 1] int64
        First grid row of each series, and the end; one series by default.
    """
    offsets = np.array([0, rows]) if row_offsets is None else row_offsets
    raw = on_grid(placed, values, rows)
    present = ~np.isnan(values)
    empty = np.isnan(raw)
    last = last_seen(placed.seen[present], offsets)
    held = values[present]
    causal = np.append(held, np.nan)[last]
    age = _age(last, empty, offsets)

    times, settled, held = _distinct(
        placed.times[present], placed.snapped[present], placed.settled[present], held
    )
    starts = np.searchsorted(times, offsets[:-1] - 0.5)
    gaps = np.flatnonzero(empty)
    gaps = gaps[gap_length(times, gaps, starts) <= max_gap]
    at = gaps.astype(np.float64)
    filled = raw.copy()
    filled[gaps] = interpolate(times, held, at, method, starts)
    known_at = np.where(empty, NEVER, np.arange(rows, dtype=np.int32))
    known_at[gaps] = known_rows(np.maximum.accumulate(settled), times, at, method, NEVER, starts)
    return Column(
        raw=raw,
        filled=filled,
        causal=causal,
        known_at=known_at.astype(np.int32),
        valid=age <= max_gap,
        age=age,
    )


def last_seen(
    seen: Int[np.ndarray, " present"], row_offsets: Int[np.ndarray, " bounds"]
) -> Int[np.ndarray, " rows"]:
    """Index of the latest observation up to each row, -1 before the first; `seen` increases."""
    last = np.full(row_offsets[-1], -1, dtype=np.int64)
    # Of several observations in one step the latest is assigned last, and stays.
    last[np.maximum(seen, 0)] = np.arange(len(seen))
    last = np.maximum.accumulate(last)
    first = np.repeat(np.searchsorted(seen, row_offsets[:-1]), np.diff(row_offsets))
    return np.where(last >= first, last, -1) if len(row_offsets) > 2 else last


def _age(last: np.ndarray, empty: np.ndarray, row_offsets: np.ndarray) -> np.ndarray:
    """Rows since an observation was made or stood for its row; `NEVER` before the first."""
    rows = np.arange(len(empty))
    fresh = (np.diff(last, prepend=-1) != 0) & (last >= 0) | ~empty
    newest = np.maximum.accumulate(np.where(fresh, rows, -1))
    begin = np.repeat(row_offsets[:-1], np.diff(row_offsets))
    return np.where(newest >= begin, rows - newest, NEVER)


def _distinct(
    times: np.ndarray, snapped: np.ndarray, settled: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Observations at distinct times: of two at one instant by rounding, the snapped one wins."""
    if (np.diff(times) > 0).all():
        return times, settled, values
    order = np.lexsort((~snapped, times))
    order = order[np.diff(times[order], prepend=-np.inf) > 0]
    return times[order], settled[order], values[order]


def gap_length(times: np.ndarray, at: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Rows without an observation in the gap around each row; infinite outside the observations."""
    if len(times) == 0:
        return np.full(len(at), np.inf)
    after = np.searchsorted(times, at)
    series = np.searchsorted(starts, after - 1, side="right") - 1
    ends = np.append(starts[1:], len(times))
    inside = (after > starts[np.maximum(series, 0)]) & (after < ends[series]) & (series >= 0)
    left, right = times[np.maximum(after - 1, 0)], times[np.minimum(after, len(times) - 1)]
    return np.where(inside, np.ceil(right) - np.floor(left) - 1, np.inf)
