"""The continuous ranked probability score (CRPS) of forecasts, data units; lower is better.

Gneiting and Raftery 2007, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of
the American Statistical Association 102, 359-378, equation (20). It is twice the integral over all
quantile levels of the pinball loss (Gneiting and Ranjan 2011, "Comparing Density Forecasts Using
Threshold- and Quantile-Weighted Scoring Rules", Journal of Business & Economic Statistics 29,
411-422), which a finite number of quantiles approximates. Of a forecast without a distribution it
would be the absolute error.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from spline_lstm.inference.interval_score import interval_score
from spline_lstm.inference.intervals import DISTRIBUTION, Values

Bounds = tuple[Values, Values]
# Values that are computed at once: few enough for the cache of a core.
BLOCK_VALUES = 12_000


def crps_of_intervals(y_true: Values, bounds: Iterable[Bounds]) -> Values:
    """CRPS of the central intervals with the levels `DISTRIBUTION`, one pair of bounds for each.

    The two quantiles that bound the central interval of level 1 - a have the pinball loss
    ``a / 4`` times its interval score S(a) in the mean, so that CRPS is the integral of
    ``a / 2 * S(a)`` over a from 0 to 1; here its mean over ten equal parts.

    >>> point = np.zeros((1, 1, 1))
    >>> crps_of_intervals(point + 2.0, [(point, point)] * 10).round(6).ravel().tolist()
    [2.0]
    """
    total = np.zeros_like(y_true)
    for level, (lower, upper) in zip(DISTRIBUTION, bounds, strict=True):
        total += interval_score(y_true, lower, upper, level) * (1.0 - level / 100.0) / 2.0
    return total / len(DISTRIBUTION)


def crps_of_widths(
    error: Values,
    widths: Float[np.ndarray, "ten horizon targets"],
    scales: Float[np.ndarray, "windows targets"],
) -> Values:
    """`crps_of_intervals` of bounds ``forecast -+ width``, in a third of its operations.

    Where the bounds are as far from the forecast, ``a / 2 * S(a)`` of an error e and a half width w
    is ``a w + max(e - w, 0)``, or ``max(e, w) - (1 - a) w``.

    Parameters
    ----------
    error : [windows, horizon, targets] absolute errors, data units
    widths : half widths at the levels `DISTRIBUTION`, multiples of `scales`
    scales : data units

    >>> crps_of_widths(np.full((1, 1, 1), 2.0), np.zeros((10, 1, 1)), np.ones((1, 1))).tolist()
    [[[2.0]]]
    """
    total = np.empty_like(error)
    scales = scales[:, None]
    inner = (np.array(DISTRIBUTION)[:, None, None] / 100.0 * widths).sum(axis=0)
    size = max(1, BLOCK_VALUES // max(1, error[:1].size))
    for start in range(0, len(error), size):
        own = slice(start, start + size)
        found, scale, part = error[own], scales[own], total[own]
        # Of windows with the same scale the widths are computed once.
        scale = scale[:1] if (scale == scale[:1]).all() else scale
        np.multiply(inner, -scale, out=part)
        larger = np.empty_like(found)
        for width in widths:
            part += np.maximum(width * scale, found, out=larger)
    total /= len(DISTRIBUTION)
    return total


def crps_of_quantiles(
    y_true: Values,
    quantiles: Float[np.ndarray, "windows horizon targets quantiles"],
    levels: Sequence[float],
) -> Values:
    """CRPS of quantiles; each stands for the levels that are nearer to its own than to another.

    >>> point = np.zeros((1, 1, 1))
    >>> crps_of_quantiles(point + 2.0, point[..., None], [0.5]).ravel().tolist()
    [2.0]
    """
    middles = (np.array(levels[1:]) + np.array(levels[:-1])) / 2.0
    weights = np.diff(np.concatenate([[0.0], middles, [1.0]]))
    total = np.zeros_like(y_true)
    for index, (level, weight) in enumerate(zip(levels, weights, strict=True)):
        error = y_true - quantiles[..., index]
        total += 2.0 * weight * np.maximum(level * error, (level - 1.0) * error)
    return total
