"""Other ways to fill a column than a spline: seasons, holding, zero, knowing ahead or late.

All of them keep the as-of contract of `spline_lstm.series.grid`: ``filled`` may be used from the
row after ``known_at`` on, and nothing that is observed after ``known_at`` changes it.
"""

import itertools
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.series.grid import NEVER, Column, fill_column, last_seen
from spline_lstm.series.placing import Placed
from spline_lstm.series.seasonal import causal_profile
from spline_lstm.series.spline import interpolate, known_rows

# Spline of the residual, and of gaps for which no profile is known yet.
RESIDUAL_METHOD = "pchip"
# Known at any time, at any forecast origin.
ALWAYS = -1


def fill_seasonal(
    placed: Placed,
    values: Float[np.ndarray, " observations"],
    rows: int,
    *,
    season: int,
    max_gap: int,
    row_offsets: Int[np.ndarray, " bounds"],
) -> Column:
    """Fill gaps with the causal seasonal profile plus PCHIP of what the neighbours differ from it.

    A gap is filled this way if the profile is known in it and at the observed rows on both sides;
    otherwise, above all in the first season, by PCHIP. The row that closes the gap decides between
    the two, so no value of the gap counts as known before that row.

    The causal value is the profile plus the last observation's difference from it: a trailing gap
    follows the season instead of standing still.

    Parameters
    ----------
    placed, values, rows, max_gap, row_offsets
        As in `fill_column`.
    season : int
        Rows in one season.
    """
    plain = fill_column(
        placed, values, rows, method=RESIDUAL_METHOD, max_gap=max_gap, row_offsets=row_offsets
    )
    profile = panel_profile(plain.raw, row_offsets, season)
    observed = np.flatnonzero(~np.isnan(plain.raw))
    profiled = ~np.isnan(profile[observed])
    gaps = np.flatnonzero(np.isnan(plain.raw) & ~np.isnan(profile))
    left, right, begun, closed = _neighbours(observed, profiled, gaps, row_offsets)
    seasonal = closed & (right - left - 1 <= max_gap)

    knots = observed[profiled]
    times, starts = knots.astype(np.float64), np.searchsorted(knots, row_offsets[:-1])
    at = gaps[seasonal]
    residual = interpolate(
        times, (plain.raw - profile)[knots], at.astype(np.float64), RESIDUAL_METHOD, starts
    )
    plain.filled[at] = profile[at] + residual
    plain.known_at[at] = known_rows(
        knots, times, at.astype(np.float64), RESIDUAL_METHOD, NEVER, starts
    )
    open_yet = begun & ~seasonal
    plain.known_at[gaps[open_yet]] = np.maximum(plain.known_at[gaps[open_yet]], right[open_yet])
    causal = _seasonal_causal(placed, values, plain, profile, row_offsets)
    return replace(plain, causal=causal)


def panel_profile(
    raw: Float[np.ndarray, " rows"], row_offsets: Int[np.ndarray, " bounds"], season: int
) -> Float[np.ndarray, " rows"]:
    """Causal profile of each series on its own; see `causal_profile`."""
    bounds = itertools.pairwise(row_offsets)
    return np.concatenate([causal_profile(raw[begin:end], season) for begin, end in bounds])


def _neighbours(
    observed: np.ndarray, profiled: np.ndarray, gaps: np.ndarray, row_offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Observed rows beside each gap row; whether the left one, and both, have a profile.

    The right row is `NEVER` if the gap is not closed.
    """
    series = np.searchsorted(row_offsets, gaps, side="right") - 1
    after = np.searchsorted(observed, gaps)
    rows, known = np.append(observed, NEVER), np.append(profiled, False)
    left, right = rows[after - 1], rows[after]
    begun = (after > 0) & (left >= row_offsets[series]) & known[after - 1]
    inside = right < row_offsets[series + 1]
    return left, np.where(inside, right, NEVER), begun, begun & inside & known[after]


def _seasonal_causal(
    placed: Placed, values: np.ndarray, plain: Column, profile: np.ndarray, row_offsets: np.ndarray
) -> np.ndarray:
    present = ~np.isnan(values)
    last = last_seen(placed.seen[present], row_offsets)
    # The profile of a row is known a season earlier, even that of a row just after the timestamp.
    nearest = np.floor(placed.times[present] + 0.5).astype(np.int64)
    difference = np.append(values[present] - profile[nearest], np.nan)[last]
    follows = profile + difference
    return np.where(np.isnan(follows), plain.causal, follows)


def hold(column: Column) -> Column:
    """The last observation, however old it is; missing before the first one (policy ``ffill``)."""
    empty = np.isnan(column.raw)
    filled = np.where(empty, column.causal, column.raw)
    known_at = np.where(np.isnan(filled), NEVER, _own_row(column)).astype(np.int32)
    return replace(column, filled=filled, known_at=known_at, valid=~np.isnan(filled))


def zero(column: Column) -> Column:
    """Zero wherever nothing was observed (policy ``zero``)."""
    filled = np.nan_to_num(column.raw, nan=0.0)
    valid = np.ones(len(filled), dtype=bool)
    return replace(column, filled=filled, causal=filled, known_at=_own_row(column), valid=valid)


def hold_then_zero(column: Column) -> Column:
    """The last observation, zero before the first: ``ffill_bfill_then_zero`` without bfill."""
    held = hold(column)
    filled, causal = np.nan_to_num(held.filled, nan=0.0), np.nan_to_num(held.causal, nan=0.0)
    valid = np.ones(len(filled), dtype=bool)
    return replace(held, filled=filled, causal=causal, known_at=_own_row(column), valid=valid)


def known_future(column: Column, row_offsets: Int[np.ndarray, " bounds"]) -> Column:
    """A column that is known in the future: its ends are held, and all values are always known."""
    bounds = itertools.pairwise(row_offsets)
    filled = np.where(np.isnan(column.filled), column.causal, column.filled)
    filled = np.concatenate([_held_back(filled[begin:end]) for begin, end in bounds])
    known_at = np.full(len(filled), ALWAYS, dtype=np.int32)
    return replace(column, filled=filled, causal=filled, known_at=known_at, valid=~np.isnan(filled))


def delayed(
    column: Column, rows: int, row_offsets: Int[np.ndarray, " bounds"], nothing: float
) -> Column:
    """A column whose values become known `rows` rows late; until then the last known one is held.

    Parameters
    ----------
    column : Column
    rows : int
        Delay.
    row_offsets : [series + 1] int64
    nothing : float
        The causal value before anything is known; NaN: there is none.
    """
    known_at = np.minimum(column.known_at.astype(np.int64) + rows, NEVER).astype(np.int32)
    causal = _later(column.causal, rows, row_offsets, nothing)
    valid = _later(column.valid, rows, row_offsets, not np.isnan(nothing))
    age = np.minimum(_later(column.age, rows, row_offsets, NEVER).astype(np.int64) + rows, NEVER)
    return replace(column, causal=causal, known_at=known_at, valid=valid, age=age)


def _later(values: np.ndarray, rows: int, row_offsets: np.ndarray, first: float) -> np.ndarray:
    """Each value `rows` rows later in its series; `first` before the first one."""
    moved = np.roll(values, rows)
    moved[np.arange(len(values)) - np.repeat(row_offsets[:-1], np.diff(row_offsets)) < rows] = first
    return moved


def _held_back(values: np.ndarray) -> np.ndarray:
    """The first value, held before it."""
    known = ~np.isnan(values)
    first = int(np.argmax(known))
    return np.concatenate([np.full(first, values[first]), values[first:]])


def _own_row(column: Column) -> np.ndarray:
    return np.arange(len(column.raw), dtype=np.int32)
