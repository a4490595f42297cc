"""Smoothing with a season that never changes, as a linear forecast of one window.

The seasonal smoothing of `linear_smoothing` with b = 1::

    (1 - B)(1 - B^S) y_t = (1 - a B)(1 - B^S) e_t

which is the same as a profile by phase of the season, a drift, and simple smoothing of the rest::

    (1 - B) y_t = m_(phase of t) + (1 - a B) e_t

Its best linear forecast from the rows of a window takes the profile from all seasons of the window
alike, so it needs no phase from the clock. How well it describes a series is another matter: with
b = 1 the innovations of a recursion that starts at zero keep the noise of the first season for
ever. So they are those of the second form, with the means m of least squares.
"""

import numpy as np
from jaxtyping import Float

from spline_lstm.models.linear_moments import Rows
from spline_lstm.models.linear_smoothing import (
    MIN_ROWS,
    PARAMETERS,
    SEASONS,
    STEADY,
    Smoothing,
    corrected_criterion,
    innovations,
    training_parts,
)

# Of the season: it never changes.
FIXED = 1.0
# Rows of a window, in seasons, from which its profile is more than the last season.
MIN_SEASONS = 2


def fit_steady(rows: Rows, season: int, horizon: int, limit: int) -> Smoothing | None:
    """The model of least squared innovations; nothing with too few rows.

    Parameters
    ----------
    rows : Rows
        All series share the smoothing; each has a profile of its own.
    season : int, rows, at least 2
    horizon : int, rows
    limit : int
        Most rows that a forecast may read.
    """
    lookback = min(limit, SEASONS * season + horizon + 1)
    parts = [part for part in training_parts(rows) if len(part) >= MIN_SEASONS * season + MIN_ROWS]
    if not parts or lookback < MIN_SEASONS * season:
        return None
    sums = {
        smoothing: sum(steady_squares(part, season, smoothing) for part in parts)
        for smoothing in (*PARAMETERS, STEADY)
    }
    best = min(sums, key=lambda smoothing: sums[smoothing])
    count = sum(len(part) for part in parts)
    # The smoothing and the variance; a profile with its drift and the first shock of each series.
    free = 2 + len(parts) * (season + 1)
    criterion = corrected_criterion(sums[best], count, count - len(parts), free)
    return Smoothing(season, best, FIXED, lookback, criterion)


def steady_squares(part: Float[np.ndarray, " rows"], season: int, smoothing: float) -> float:
    """Sum of the squared innovations of a series around the profile that makes it least.

    The recursion of the innovations turns means by phase into means by phase and, as the shock
    before the first row is unknown, a term that fades like a^t: least squares on both.
    """
    shocks = innovations(np.diff(part), np.array([1.0, -smoothing]))
    fading = smoothing ** np.arange(len(shocks))
    shocks, fading = (_without_means(each, season) for each in (shocks, fading))
    size = float(np.sum(np.square(fading)))
    if size > 0:
        shocks = shocks - float(np.sum(shocks * fading)) / size * fading
    return float(np.sum(np.square(shocks)))


def _without_means(values: Float[np.ndarray, " rows"], season: int) -> Float[np.ndarray, " rows"]:
    """Less the mean of their phase."""
    left = values.copy()
    for phase in range(season):
        left[phase::season] -= np.mean(values[phase::season])
    return left
