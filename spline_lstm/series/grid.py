"""The grid: observations of one column as as-of arrays.

The rows of the grid are those of a clock; a row stands for the time from its instant up to that of
the next row. Times between two rows count in elapsed shares of that step. A forecast origin t is a
row; *known before t* are the observations with a timestamp before the instant of row t. Three
arrays say what is known of a row:

``filled``    the observation, or the spline value inside a gap (it needs later observations)
``known_at``  the first row at which ``filled`` can be computed: it may be used if known_at < t
``causal``    the last observation up to row i, held: replaces ``filled`` until that is known

An observation beside its row is moved onto it (`snap`), or keeps its time: then the row is a spline
value, and the observation is only its label (see `series.snap`). An observation just before row t
that may be its label counts as known from t on: no forecast is scored on its own input.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import DataContractError
from spline_lstm.series.placing import Grid, Placed, make_grids, place_panel
from spline_lstm.series.snap import Snap
from spline_lstm.series.spline import gap_length, interpolate, known_rows
from spline_lstm.tables.raw_table import RawTable

NEVER = np.iinfo(np.int32).max
# Spline of rows between near observations that kept their times.
NEAR_METHOD = "parabolic"


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


@dataclass(frozen=True)
class Layout:
    """All series on grids of one clock.

    Attributes
    ----------
    clock : Clock
    grids : one per series
    row_offsets : [series + 1] int64, first grid row of each series, and the end
    observation_timestamps, observation_series : [observations] int64, of the raw table
    snap : as in `place`
    """

    clock: Clock
    grids: tuple[Grid, ...]
    row_offsets: Int[np.ndarray, " bounds"]
    observation_timestamps: Int[np.ndarray, " observations"]
    observation_series: Int[np.ndarray, " observations"]
    snap: Snap

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


def lay_out(table: RawTable, clock: Clock, snap: Snap, *, until: int | None = None) -> Layout:
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


def on_grid(
    placed: Placed, values: Float[np.ndarray, " observations"], rows: int
) -> Float[np.ndarray, " rows"]:
    """The observation of each row, NaN if there is none."""
    raw = np.full(rows, np.nan)
    raw[placed.rows[placed.snapped]] = values[placed.snapped]
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
    off = empty | _beside(placed, present, rows)
    near = off & _has_near(times, rows) if placed.keeps_times else np.zeros(rows, dtype=bool)
    filled = np.where(off, np.nan, raw)
    known_at = np.where(off, NEVER, np.arange(rows, dtype=np.int32))
    settled = np.maximum.accumulate(settled)
    for chosen, kind in ((off & ~near, method), (near, NEAR_METHOD)):
        gaps = np.flatnonzero(chosen)
        gaps = gaps[gap_length(times, gaps, starts) <= max_gap] if len(gaps) else gaps
        if not len(gaps):
            continue
        at = gaps.astype(np.float64)
        filled[gaps] = interpolate(times, held, at, kind, starts)
        known_at[gaps] = known_rows(settled, times, at, kind, NEVER, starts)
    return Column(
        raw=raw,
        filled=filled,
        causal=causal,
        known_at=known_at.astype(np.int32),
        valid=age <= max_gap,
        age=age,
    )


def _beside(
    placed: Placed, present: Bool[np.ndarray, " observations"], rows: int
) -> Bool[np.ndarray, " rows"]:
    """Rows whose observation was made beside them and kept its time."""
    own = placed.snapped & present
    found = np.zeros(rows, dtype=bool)
    found[placed.rows[own]] = placed.times[own] != placed.rows[own]
    return found


def _has_near(times: np.ndarray, rows: int) -> Bool[np.ndarray, " rows"]:
    """Rows between two observations less than two steps apart."""
    after = np.searchsorted(times, np.arange(rows))
    return np.diff(times, prepend=-np.inf, append=np.inf)[after] < 2.0


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
