"""Sums along the days that the features are made of. All of them look back only.

A window of `n` days ends with the day itself; days without a whole window are NaN.
"""

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

Days = Float[np.ndarray, " days"]


def shifted(values: Days, n: int) -> Days:
    """The value `n` days before.

    >>> shifted(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [nan, 1.0, 2.0]
    """
    return np.concatenate([np.full(min(n, len(values)), np.nan), values[: max(len(values) - n, 0)]])


def trailing(values: Days, n: int, function: str) -> Days:
    """``mean``, ``std`` (of the population), ``min`` or ``max`` over the last `n` days.

    Each window is summed by itself: a running sum would carry what lies before the window along.

    >>> trailing(np.array([1.0, 2.0, 6.0]), 2, "mean").tolist()
    [nan, 1.5, 4.0]
    """
    result = np.full(len(values), np.nan)
    if len(values) >= n:
        result[n - 1 :] = getattr(np, function)(sliding_window_view(values, n), axis=-1)
    return result


def recursive_mean(values: Days, n: int, weight: float, first: int) -> Days:
    """m_t = m_(t-1) + weight (x_t - m_(t-1)), from the mean of the `n` values up to day `first`.

    With weight 2 / (n + 1) it is the exponential moving average, with 1 / n that of Wilder (1978),
    both started as TA-Lib does. The start fades: after `k` days its weight is (1 - weight)^k.

    >>> recursive_mean(np.array([1.0, 3.0, 4.0]), 2, 0.5, first=1).tolist()
    [nan, 2.0, 3.0]
    """
    result = np.full(len(values), np.nan)
    if first >= len(values):
        return result
    mean = float(np.mean(values[first - n + 1 : first + 1]))
    result[first] = mean
    for day, value in enumerate(values[first + 1 :].tolist(), start=first + 1):
        mean += weight * (value - mean)
        result[day] = mean
    return result


def exponential_mean(values: Days, n: int, first: int) -> Days:
    """Exponential moving average with weight 2 / (n + 1); see `recursive_mean`."""
    return recursive_mean(values, n, 2.0 / (n + 1), first)


def wilder_mean(values: Days, n: int, first: int) -> Days:
    """Wilder's moving average with weight 1 / n; see `recursive_mean`."""
    return recursive_mean(values, n, 1.0 / n, first)


def ratio(above: Days, below: Days, otherwise: float) -> Days:
    """The ratio above / below; `otherwise` where `below` is 0.

    >>> ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0]), 0.5).tolist()
    [0.5, 0.5]
    """
    zero = below == 0.0
    return np.where(zero, otherwise, above / np.where(zero, 1.0, below))
