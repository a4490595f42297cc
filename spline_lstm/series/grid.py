"""The regular grid: observations of one column as as-of arrays.

Row i of the grid is the instant ``start + i * step`` and stands for the time up to row i + 1. A
forecast origin t is a row; *known before t* are the observations with a stamp before the instant
of row t. Three arrays answer what is known of a cell:

``filled``    the observation, or the spline value inside a gap (it needs observations after the cell)
``known_at``  the first row at which ``filled`` can be computed: it may be used where known_at < t
``causal``    the last observation up to row i, held: what stands in for ``filled`` before that
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.series.spline import interpolate, known_rows

NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Grid:
    """A regular grid.

    Attributes
    ----------
    start : int, ns since 1970 UTC of row 0
    step : int, ns between rows
    rows : int
    """

    start: int
    step: int
    rows: int

    @property
    def stamps(self) -> Int[np.ndarray, " rows"]:
        """Instants of all rows, ns since 1970 UTC."""
        return self.start + self.step * np.arange(self.rows, dtype=np.int64)


@dataclass(frozen=True)
class Placed:
    """Observations of one series put in relation to the grid, in order of their stamps.

    Attributes
    ----------
    times : [observations] float64, in steps after row 0; whole numbers where snapped
    snapped : [observations] bool, the observation stands for its grid row
    seen : [observations] int64, row in whose step the stamp lies
    settled : [observations] int64, row by whose end `times` can no longer change: a stamp before a
        row may stand for it, unless a nearer one follows
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
    raw : [rows] float64, the observation of the row, NaN where there is none
    filled : [rows] float64, NaN in gaps longer than the limit and outside the observations
    causal : [rows] float64, NaN before the first observation
    known_at : [rows] int32, `NEVER` where `filled` never becomes computable
    valid : [rows] bool, the last observation is at most the gap limit old
    """

    raw: Float[np.ndarray, " rows"]
    filled: Float[np.ndarray, " rows"]
    causal: Float[np.ndarray, " rows"]
    known_at: Int[np.ndarray, " rows"]
    valid: Bool[np.ndarray, " rows"]


def make_grid(stamps: Int[np.ndarray, " observations"], anchor: int, step: int) -> Grid:
    """The smallest grid through `anchor` whose rows cover `stamps`, each in its nearest row."""
    first, last = ((int(stamp) - anchor + step // 2) // step for stamp in (stamps.min(), stamps.max()))
    return Grid(start=anchor + first * step, step=step, rows=last - first + 1)


def place(stamps: Int[np.ndarray, " observations"], grid: Grid, snap: float) -> Placed:
    """Put increasing stamps on the grid: within `snap` steps of a row they stand for the row itself.

    Of several stamps near one row the nearest stands for it (the earlier of two equally near ones);
    the others stay off the grid and only shape the spline.
    """
    offset = stamps - grid.start
    seen = offset // grid.step
    within = (offset - seen * grid.step).astype(np.float64) / grid.step
    row = seen + (within >= 0.5)
    distance = np.where(within >= 0.5, 1.0 - within, within)
    near = distance <= snap
    order = np.lexsort((distance, row))
    order = order[near[order]]
    snapped = np.zeros(len(stamps), dtype=bool)
    snapped[order[np.diff(row[order], prepend=-1) > 0]] = True
    times = np.where(snapped, row.astype(np.float64), seen + within)
    return Placed(times=times, snapped=snapped, seen=seen, settled=np.where(near, row, seen))


def fill_column(
    placed: Placed, values: Float[np.ndarray, " observations"], rows: int, *, method: str, max_gap: int
) -> Column:
    """As-of arrays of one column.

    Parameters
    ----------
    placed : Placed
        Where the rows of the raw table lie on the grid.
    values : [observations] float64, NaN where the column has no value
    rows : int
        Length of the grid.
    method : str
        Spline method for gaps, and for observations off the grid.
    max_gap : int
        Longest gap that is filled, in grid rows without an observation.
    """
    present = ~np.isnan(values)
    values, seen = values[present], placed.seen[present]
    times, settled, snapped = placed.times[present], placed.settled[present], placed.snapped[present]
    raw = np.full(rows, np.nan)
    raw[times[snapped].astype(np.int64)] = values[snapped]
    empty = np.isnan(raw)
    causal, age = _hold(seen, values, empty)

    # Snapping can put two stamps at one instant or, by one step, out of order: the snapped one wins.
    order = np.lexsort((~snapped, times))
    order = order[np.diff(times[order], prepend=-np.inf) > 0]
    times, settled, values = times[order], settled[order], values[order]
    gaps = np.flatnonzero(empty)
    gaps = gaps[_gap_length(times, gaps) <= max_gap]
    filled = raw.copy()
    filled[gaps] = interpolate(times, values, gaps.astype(np.float64), method)
    known_at = np.where(empty, NEVER, np.arange(rows)).astype(np.int32)
    known_at[gaps] = known_rows(np.maximum.accumulate(settled), times, gaps, method, NEVER)
    return Column(raw=raw, filled=filled, causal=causal, known_at=known_at, valid=age <= max_gap)


def _hold(seen: np.ndarray, values: np.ndarray, empty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Last value seen up to each row, and rows since an observation (`NEVER` before the first)."""
    rows = np.arange(len(empty))
    last = np.full(len(empty), -1, dtype=np.int64)
    # A stamp just before row 0 stands for row 0; of several in one step the latest is held.
    np.maximum.at(last, np.maximum(seen, 0), np.arange(len(seen)))
    last = np.maximum.accumulate(last)
    held = np.where(last >= 0, np.append(values, np.nan)[last], np.nan)
    fresh = np.where(np.diff(last, prepend=-1) > 0, rows, -1)
    fresh = np.maximum.accumulate(np.where(empty, fresh, rows))
    return held, np.where(fresh >= 0, rows - fresh, NEVER)


def _gap_length(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows without an observation in the gap around each time; beyond any limit at the ends."""
    if len(times) == 0:
        return np.full(len(at), np.inf)
    after = np.searchsorted(times, at)
    inside = (after > 0) & (after < len(times))
    left, right = times[np.maximum(after - 1, 0)], times[np.minimum(after, len(times) - 1)]
    return np.where(inside, np.ceil(right) - np.floor(left) - 1, np.inf)
