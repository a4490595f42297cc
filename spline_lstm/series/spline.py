"""Local interpolation in time: values between observations, and from when on they are known.

Every method here is local: the value inside a gap is a function of at most `RIGHT_NEIGHBOURS`
observations after the gap (and as many before it). It is therefore *known* as soon as the last of
these has been observed, and no later observation changes it by one bit. Nothing is extrapolated.

Several series may lie one after another on the time axis; `starts` says where each begins. No
value then depends on another series than its own.

Methods and sources
-------------------
linear : straight line between the neighbours.
pchip : monotone cubic Hermite, no overshoot; Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput.
    5(2).
akima : Akima (1970), J. ACM 17(4).
parabolic : cubic Hermite with the slopes of parabolas through three observations (Bessel's; de
    Boor, ch. IV). Exact for parabolas, and between near observations the most accurate of the
    three; it may overshoot in gaps.
cubic : cubic spline through the `LOCAL_CUBIC` observations on either side, not-a-knot ends
    (de Boor, A Practical Guide to Splines, ch. IV); it overshoots.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float, Int

LOCAL_CUBIC = 4
RIGHT_NEIGHBOURS = {"linear": 1, "pchip": 2, "parabolic": 2, "akima": 3, "cubic": LOCAL_CUBIC}
Starts = Sequence[int] | np.ndarray


class Knots(NamedTuple):
    """The knots as seen from some points: arrays to gather from, and the bounds of their series."""

    times: np.ndarray
    values: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def at(self, chosen: np.ndarray) -> "Knots":
        """The same knots for a part of the points."""
        return Knots(self.times, self.values, self.first[chosen], self.last[chosen])

    def secant(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Slope of the straight line through knots `i` and `j`."""
        return (self.values[j] - self.values[i]) / (self.times[j] - self.times[i])


def interpolate(
    knots: Float[np.ndarray, " knots"],
    values: Float[np.ndarray, " knots"],
    at: Float[np.ndarray, " points"],
    method: str,
    starts: Starts = (0,),
) -> Float[np.ndarray, " points"]:
    """Interpolate at times between the first and the last knot of a series; NaN outside.

    Parameters
    ----------
    knots : [knots] increasing times, any unit
    values : [knots] observations
    at : [points] times to interpolate at
    method : linear, pchip, parabolic, akima or cubic; with two knots always linear
    starts : [series] index of the first knot of each series

    Returns
    -------
    [points] in the unit of `values`.
    """
    result = np.full(len(at), np.nan)
    if len(knots) == 0:
        return result
    left = np.searchsorted(knots, at, side="right") - 1
    first, last = _bounds(np.maximum(left, 0), len(knots), starts)
    on_last = (left == last) & (knots[left] == at)
    result[on_last] = values[left[on_last]]
    between = np.flatnonzero((left >= 0) & (left < last))
    table = Knots(knots, values, first[between], last[between])
    result[between] = _inner(table, left[between], at[between], method)
    return result


def _bounds(index: np.ndarray, count: int, starts: Starts) -> tuple[np.ndarray, np.ndarray]:
    """First and last knot of the series that each knot `index` belongs to."""
    begins = np.asarray(starts)
    # A series without a knot begins where the next one does: `right` skips it.
    series = np.searchsorted(begins, index, side="right") - 1
    return begins[series], np.append(begins[1:], count)[series] - 1


def _inner(table: Knots, left: np.ndarray, at: np.ndarray, method: str) -> np.ndarray:
    if method == "cubic":
        return _local_cubic(table, left, at)
    result = _line(table, left, at)
    curved = (
        np.flatnonzero(table.last - table.first >= 2)
        if method != "linear"
        else np.empty(0, dtype=np.int64)
    )
    table, left = table.at(curved), left[curved]
    slope = {"pchip": _pchip_slopes, "parabolic": _parabolic_slopes}.get(method, _akima_slopes)
    result[curved] = _hermite(table, left, slope(table, left), slope(table, left + 1), at[curved])
    return result


def _line(table: Knots, left: np.ndarray, at: np.ndarray) -> np.ndarray:
    share = (at - table.times[left]) / (table.times[left + 1] - table.times[left])
    return table.values[left] + share * (table.values[left + 1] - table.values[left])


def _hermite(
    table: Knots, left: np.ndarray, begin: np.ndarray, end: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Cubic through two knots with slopes `begin` and `end`; precise under a large offset."""
    width = table.times[left + 1] - table.times[left]
    s = (at - table.times[left]) / width
    rise = table.values[left + 1] - table.values[left]
    bend = (begin * width - rise) * (1 - s) + (rise - end * width) * s
    return table.values[left] + s * rise + s * (1 - s) * bend


def _pchip_slopes(table: Knots, j: np.ndarray) -> np.ndarray:
    """Weighted harmonic mean of the secants beside `j`, 0 at an extremum; see `_end_slopes`."""
    before, after = np.maximum(j - 1, table.first), np.minimum(j + 1, table.last)
    end = (before == j) | (after == j)
    slope = np.zeros(len(j))
    slope[end] = _end_slopes(table.at(end), j[end])
    j, before, after = j[~end], before[~end], after[~end]
    left, right = table.secant(before, j), table.secant(j, after)
    h_left, h_right = table.times[j] - table.times[before], table.times[after] - table.times[j]
    w_left, w_right = h_left + 2 * h_right, 2 * h_left + h_right
    monotone = (np.sign(left) == np.sign(right)) & (left != 0)
    mean = np.zeros(len(j))
    with np.errstate(over="ignore"):
        inverse = w_left[monotone] / left[monotone] + w_right[monotone] / right[monotone]
    mean[monotone] = (w_left + w_right)[monotone] / inverse
    slope[~end] = mean
    return slope


def _end_slopes(table: Knots, j: np.ndarray) -> np.ndarray:
    """One-sided slope at the first or last knot, bounded to keep the shape (Moler, pchiptx)."""
    inward = np.where(j == table.first, 1, -1)
    near, far = table.secant(j, j + inward), table.secant(j + inward, j + 2 * inward)
    h_near = np.abs(table.times[j + inward] - table.times[j])
    h_far = np.abs(table.times[j + 2 * inward] - table.times[j + inward])
    slope = ((2 * h_near + h_far) * near - h_near * far) / (h_near + h_far)
    slope = np.where(np.sign(slope) != np.sign(near), 0.0, slope)
    steep = (np.sign(near) != np.sign(far)) & (np.abs(slope) > 3 * np.abs(near))
    return np.where(steep, 3 * near, slope)


def _parabolic_slopes(table: Knots, j: np.ndarray) -> np.ndarray:
    """Slope at knot `j` of the parabola through it and its neighbours, at an end the next two."""
    middle = np.clip(j, table.first + 1, table.last - 1)
    left, right = table.secant(middle - 1, middle), table.secant(middle, middle + 1)
    h_left = table.times[middle] - table.times[middle - 1]
    h_right = table.times[middle + 1] - table.times[middle]
    bend = (right - left) / (h_left + h_right)
    return left + bend * (h_left + 2 * (table.times[j] - table.times[middle]))


def akima_slopes(
    knots: Float[np.ndarray, " knots"], values: Float[np.ndarray, " knots"]
) -> Float[np.ndarray, " knots"]:
    """Akima's slopes of a series of three or more knots: secants m weighted by the change beyond.

    t_i = (|m_{i+1} - m_i| m_{i-1} + |m_{i-1} - m_{i-2}| m_i) / (sum of both weights)

    SciPy decides whether the weights vanish by their maximum over the whole series, which lets the
    future change the past; here the decision is local.
    """
    j = np.arange(len(knots))
    return _akima_slopes(Knots(knots, values, np.zeros_like(j), np.full_like(j, len(knots) - 1)), j)


def _akima_slopes(table: Knots, j: np.ndarray) -> np.ndarray:
    m = [_secant_or_ghost(table, j + offset) for offset in (-2, -1, 0, 1)]
    before, after = np.abs(m[3] - m[2]), np.abs(m[1] - m[0])
    total = before + after
    flat = total <= 1e-9 * (np.abs(m[1]) + np.abs(m[2]))
    weighted = (before * m[1] + after * m[2]) / np.where(flat, 1.0, total)
    return np.where(flat, 0.5 * (m[1] + m[2]), weighted)


def _secant_or_ghost(table: Knots, k: np.ndarray) -> np.ndarray:
    """Secant from knot `k` to the next; beyond the ends Akima's continuation of the last two."""
    inside = np.clip(k, table.first, table.last - 1)
    inner = np.where(k < inside, inside + 1, np.where(k > inside, inside - 1, inside))
    beyond = np.abs(k - inside)
    outer = table.secant(inside, inside + 1)
    return (1 + beyond) * outer - beyond * table.secant(inner, inner + 1)


def _local_cubic(table: Knots, left: np.ndarray, at: np.ndarray) -> np.ndarray:
    result = np.empty(len(at))
    order = np.argsort(left, kind="stable")
    ends = np.flatnonzero(np.diff(left[order], append=-1)) + 1
    for part in np.split(order, ends[:-1]) if len(order) else ():
        i = left[part[0]]
        low, high = table.first[part[0]], table.last[part[0]]
        near = slice(max(i + 1 - LOCAL_CUBIC, low), min(i + LOCAL_CUBIC, high) + 1)
        base = table.values[i]
        spline = scipy.interpolate.CubicSpline(
            table.times[near], table.values[near] - base, extrapolate=False
        )
        result[part] = base + spline(at[part])
    return result


def known_rows(
    observation_rows: Int[np.ndarray, " knots"],
    knots: Float[np.ndarray, " knots"],
    at: Float[np.ndarray, " points"],
    method: str,
    never: int,
    starts: Starts = (0,),
) -> Int[np.ndarray, " points"]:
    """First row at which the interpolated value can be computed, `never` where it cannot.

    Parameters
    ----------
    observation_rows : [knots] row in whose step each observation was made
    knots : [knots] increasing times of the observations
    at : [points] times of the interpolated values
    method : the spline method, which says how many observations to the right are needed
    never : the value that stands for "not within this table"
    starts : [series] index of the first knot of each series
    """
    if len(knots) == 0:
        return np.full(len(at), never)
    right = np.searchsorted(knots, at, side="left")
    needed = right + RIGHT_NEIGHBOURS[method] - 1
    _, last = _bounds(np.maximum(right - 1, 0), len(knots), starts)
    return np.where(needed <= last, observation_rows[np.minimum(needed, len(knots) - 1)], never)


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
