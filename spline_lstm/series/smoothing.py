"""Causal smoothing: the Kalman filter whose smoother is the cubic smoothing spline.

A cubic smoothing spline is the posterior mean of an integrated Wiener process with a diffuse
straight line added, seen through white noise (Wahba 1978, "Improper priors, spline smoothing and
the problem of guarding against model errors in regression", JRSS B 40). As a state-space model
(Wecker and Ansley 1983, "The signal extraction approach to nonlinear regression and spline
smoothing", JASA 78), with state [level, slope] and elapsed time d between two observations:

    state_k = [[1, d], [0, 1]] state_(k-1) + w_k,   w_k ~ N(0, q [[d^3/3, d^2/2], [d^2/2, d]])
    value_k = level_k + e_k,                        e_k ~ N(0, strength * q)

The level filtered at a row is the smoothing spline of the rows up to it, taken at its end, where
``strength`` is the weight of the integrated squared second derivative. No row after it takes part.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float, Shaped

from spline_lstm.core.errors import TooLittleDataError

# Search range of the strength, in cubes of the median step.
LOWEST, HIGHEST = 1e-4, 1e8
GRID_POINTS = 13
# The fit uses at most this many observations, the latest: its error is then a few percent.
MAX_FITTED = 20_000
MIN_FITTED = 10
SMALLEST_VARIANCE = 1e-300


@dataclass(frozen=True)
class Filtered:
    """One pass of the filter over `m` observations, with process noise q = 1.

    Attributes
    ----------
    level, slope : np.ndarray
        [m] float64, filtered state at each observation.
    variance : np.ndarray
        [m - 2] float64, variance of the one-step prediction error from the third observation on;
        the first two observations are used up by the diffuse line.
    """

    level: np.ndarray
    slope: np.ndarray
    variance: np.ndarray


def filter_level(
    times: Shaped[np.ndarray, " n"], values: Float[np.ndarray, " n"], *, strength: float
) -> Float[np.ndarray, " n"]:
    """Smooth `values` looking back only.

    Parameters
    ----------
    times : np.ndarray
        [n] strictly increasing, in any regular or irregular unit.
    values : np.ndarray
        [n] float64, NaN where not observed.
    strength : float
        Noise-to-signal ratio, above 0, in cubes of the unit of `times`; the level lags by about
        ``strength ** (1/4)`` units. `fit_strength` estimates it.

    Returns
    -------
    np.ndarray
        [n] float64. An unobserved row has the prediction from the rows before it, a straight
        line; it is NaN before the first observation and constant up to the second. Row `i`
        depends only on rows `<= i`. Exact (no steady-state approximation), 1 s per million rows.

    Raises
    ------
    ValueError
        `times` do not increase, or `strength` is not above 0.
    """
    observed = ~np.isnan(values)
    elapsed = _elapsed(times)
    state = _run(elapsed[observed], values[observed], strength)
    last = np.cumsum(observed) - 1
    known = last >= 0
    last = last[known]
    result = np.full(len(values), np.nan)
    result[known] = state.level[last] + state.slope[last] * (
        elapsed[known] - elapsed[observed][last]
    )
    return result


def fit_strength(times: Shaped[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> float:
    """Strength by maximum likelihood of the innovations; give it the training split only.

    With the variance `q` concentrated out, ``-2 log L = (m - 2) log(mean(v^2 / s)) + sum(log s)``
    over innovations `v` and their variances `s`, up to a constant (the diffuse likelihood). A grid
    on the log scale finds the valley, a bounded search its bottom. The range is 1e-4 to 1e8 cubes
    of the median step; a straight line, which shows neither noise nor signal, gets its lower end.

    Parameters
    ----------
    times, values : np.ndarray
        [n], as in `filter_level`. At most the latest 20,000 observations are used.

    Returns
    -------
    float
        Strength in cubes of the unit of `times`; the unit of `values` does not matter.

    Raises
    ------
    TooLittleDataError
        There are fewer than 10 observations.
    ValueError
        `times` do not increase.
    """
    observed = ~np.isnan(values)
    if observed.sum() < MIN_FITTED:
        raise TooLittleDataError(
            f"smoothing: {observed.sum()} observed training values; the fit of the strength needs "
            f"{MIN_FITTED}. Lengthen the training split or give the strength as a number"
        )
    elapsed = _elapsed(times)[observed][-MAX_FITTED:]
    latest = values[observed][-MAX_FITTED:]
    latest = latest - latest[0]
    unit = float(np.median(np.diff(elapsed))) ** 3

    def loss(log_strength: float) -> float:
        return _deviance(elapsed, latest, unit * math.exp(log_strength))

    grid = np.linspace(np.log(LOWEST), np.log(HIGHEST), GRID_POINTS)
    best = int(np.argmin([loss(point) for point in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, GRID_POINTS - 1)]
    found: Any = scipy.optimize.minimize_scalar(
        loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}
    )
    return unit * math.exp(found.x)


def _elapsed(times: np.ndarray) -> np.ndarray:
    # Differences before the cast: int64 nanoseconds since 1970 have more digits than a float64.
    elapsed = (times - times[:1]).astype(np.float64)
    if np.any(np.diff(elapsed) <= 0):
        raise ValueError("times must increase strictly")
    return elapsed


def _deviance(elapsed: np.ndarray, values: np.ndarray, strength: float) -> float:
    """Minus twice the log-likelihood of `strength`, up to a constant."""
    state = _run(elapsed, values, strength)
    innovation = values[2:] - (state.level[1:-1] + np.diff(elapsed)[1:] * state.slope[1:-1])
    scaled = float(np.mean(innovation**2 / state.variance))
    # A straight line leaves no innovation at all; the floor keeps its logarithm finite.
    return len(state.variance) * math.log(max(scaled, SMALLEST_VARIANCE)) + float(
        np.log(state.variance).sum()
    )


def _run(elapsed: np.ndarray, values: np.ndarray, strength: float) -> Filtered:
    """Filter observations, started with an exactly diffuse line.

    Given two observations that line is known, and the limit of an infinite prior variance is
    level = y_2, slope = (y_2 - y_1) / d, covariance [[r, r/d], [r/d, 2r/d^2 + d/3]], r = strength.

    A loop over plain floats: with random gaps the gains never settle, and an exact scan over
    arrays costs more than the 1 us per row of this one.
    """
    if not strength > 0:
        raise ValueError(f"strength {strength} must be above 0")
    if len(values) < 2:
        return Filtered(values.copy(), np.zeros(len(values)), np.empty(0))
    # Seen from the first observation, a large offset costs no digits.
    steps, seen = np.diff(elapsed).tolist(), (values - values[0]).tolist()
    step, level = steps[0], seen[1]
    slope = level / step
    p11, p12, p22 = strength, strength / step, 2 * strength / step**2 + step / 3
    levels, slopes, variances = [0.0, level], [0.0, slope], []
    for step, value in zip(steps[1:], seen[2:], strict=True):
        p11 += step * (2 * p12 + step * p22) + step * step * step / 3
        p12 += step * p22 + step * step / 2
        p22 += step
        level += step * slope
        innovation, variance = value - level, p11 + strength
        gain_level, gain_slope = p11 / variance, p12 / variance
        level += gain_level * innovation
        slope += gain_slope * innovation
        p22 -= gain_slope * p12
        p12 *= strength / variance
        p11 = gain_level * strength
        levels.append(level)
        slopes.append(slope)
        variances.append(variance)
    return Filtered(np.array(levels) + values[0], np.array(slopes), np.array(variances))
