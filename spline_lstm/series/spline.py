"""Local interpolation in time: values between observations, and from when on they are known.

Every method here is local: the value inside a gap is a function of at most `RIGHT_NEIGHBOURS`
observations after the gap (and as many before it). It is therefore *known* as soon as the last of
these has been observed, and no later observation changes it by one bit. Nothing is extrapolated.

Methods and sources
-------------------
linear : straight line between the neighbours.
pchip : monotone cubic Hermite, Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput. 5(2); no overshoot.
akima : Akima (1970), J. ACM 17(4).
cubic : cubic spline through the `LOCAL_CUBIC` observations on either side, not-a-knot ends
    (de Boor, A Practical Guide to Splines, ch. IV); it overshoots.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.interpolate import CubicSpline, PchipInterpolator

LOCAL_CUBIC = 4
RIGHT_NEIGHBOURS = {"linear": 1, "pchip": 2, "akima": 3, "cubic": LOCAL_CUBIC}


def interpolate(
    knots: Float[np.ndarray, " knots"],
    values: Float[np.ndarray, " knots"],
    at: Float[np.ndarray, " points"],
    method: str,
) -> Float[np.ndarray, " points"]:
    """Interpolate at times between the first and the last knot; NaN outside.

    Parameters
    ----------
    knots : [knots] increasing times, any unit
    values : [knots] observations
    at : [points] times to interpolate at
    method : linear, pchip, akima or cubic

    Returns
    -------
    [points] in the unit of `values`.
    """
    result = np.full(len(at), np.nan)
    inside = (at >= knots[0]) & (at <= knots[-1]) if len(knots) else np.zeros(len(at), dtype=bool)
    if not inside.any():
        return result
    # Differences from the first value keep precision when an offset dwarfs the signal.
    base = values[0]
    result[inside] = base + _inner(knots, values - base, at[inside], method)
    return result


def _inner(knots: np.ndarray, values: np.ndarray, at: np.ndarray, method: str) -> np.ndarray:
    if method == "linear" or len(knots) < 3:
        return np.interp(at, knots, values)
    if method == "pchip":
        return PchipInterpolator(knots, values, extrapolate=False)(at)
    if method == "akima":
        return _hermite(knots, values, akima_slopes(knots, values), at)
    return _local_cubic(knots, values, at)


def akima_slopes(
    knots: Float[np.ndarray, " knots"], values: Float[np.ndarray, " knots"]
) -> Float[np.ndarray, " knots"]:
    """Akima's slopes: secants m weighted by the change of slope on the other side.

    t_i = (|m_{i+1} - m_i| m_{i-1} + |m_{i-1} - m_{i-2}| m_i) / (sum of both weights)

    SciPy decides whether the weights vanish by their maximum over the whole series, which lets the
    future change the past; here the decision is local.
    """
    m = np.diff(values) / np.diff(knots)
    left = np.array([3 * m[0] - 2 * m[1], 2 * m[0] - m[1]])
    right = np.array([2 * m[-1] - m[-2], 3 * m[-1] - 2 * m[-2]])
    m = np.concatenate([left, m, right])
    weight_before = np.abs(m[3:] - m[2:-1])
    weight_after = np.abs(m[1:-2] - m[:-3])
    total = weight_before + weight_after
    flat = total <= 1e-9 * (np.abs(m[1:-2]) + np.abs(m[2:-1]))
    mean = 0.5 * (m[1:-2] + m[2:-1])
    weighted = (weight_before * m[1:-2] + weight_after * m[2:-1]) / np.where(flat, 1.0, total)
    return np.where(flat, mean, weighted)


def _hermite(knots: np.ndarray, values: np.ndarray, slopes: np.ndarray, at: np.ndarray) -> np.ndarray:
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    width = knots[i + 1] - knots[i]
    s = (at - knots[i]) / width
    rise = values[i + 1] - values[i]
    a = slopes[i] * width - rise
    b = rise - slopes[i + 1] * width
    return values[i] + s * rise + s * (1 - s) * (a * (1 - s) + b * s)


def _local_cubic(knots: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    result = np.empty(len(at))
    interval = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    for i in np.unique(interval):
        part = slice(max(i + 1 - LOCAL_CUBIC, 0), i + 1 + LOCAL_CUBIC)
        here = interval == i
        result[here] = CubicSpline(knots[part], values[part], extrapolate=False)(at[here])
    return result


def known_rows(
    observation_rows: Int[np.ndarray, " knots"],
    knots: Float[np.ndarray, " knots"],
    at: Float[np.ndarray, " points"],
    method: str,
    never: int,
) -> Int[np.ndarray, " points"]:
    """First row at which the interpolated value can be computed, `never` where it cannot.

    Parameters
    ----------
    observation_rows : [knots] row in whose step each observation was made
    knots : [knots] increasing times of the observations
    at : [points] times of the interpolated values
    method : the spline method, which says how many observations to the right are needed
    never : the value that stands for "not within this table"
    """
    last_needed = np.searchsorted(knots, at, side="left") + RIGHT_NEIGHBOURS[method] - 1
    padded = np.append(observation_rows, never)
    return padded[np.minimum(last_needed, len(observation_rows))]
