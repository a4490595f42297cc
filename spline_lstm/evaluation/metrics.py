"""Metrics of point forecasts, each with its formula, its properties and its source.

All take truth `y`, forecast `p` of the same shape, and an optional `mask` of that shape, True for
values that count; all are means over the values that count, NaN if none does. A NaN outside the
mask is never looked at; a NaN inside it makes the metric NaN.

Sources: Hyndman and Koehler (2006), "Another look at measures of forecast accuracy",
International Journal of Forecasting 22, 679-688, for all but robust MAPE, sMAPE and R2.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

# Key in files and name in tables, in the order in which metrics are shown everywhere.
NAMES = {
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "robust_mape": "robust MAPE",
    "smape": "sMAPE",
    "mase": "MASE",
    "r2": "R2",
    "bias": "bias",
}

# Percentiles of the residuals that are listed.
PERCENTILES = (5, 25, 50, 75, 95)
# Share of the mean absolute value below which the difference of two seasons is rounding of float64:
# far below that of a meter at 5e10 that moves by some units (1e-10).
REPEATED = 1e-13


def mae(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean absolute error, ``mean(|p - y|)``.

    In data units, 0 is perfect; the median forecast minimises it, and outliers count in proportion.

    >>> round(mae([1, 2, 3, 4], [1.2, 1.8, 2.7, 4.1]), 12)
    0.2
    """
    y, p = _counted(mask, y_true, y_pred)
    return _mean(np.abs(p - y))


def mse(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean squared error, ``mean((p - y)^2)``.

    In squared data units, 0 is perfect; the mean forecast minimises it, and outliers dominate it.

    >>> round(mse([1, 2, 3, 4], [1.2, 1.8, 2.7, 4.1]), 12)
    0.045
    """
    y, p = _counted(mask, y_true, y_pred)
    return _mean((p - y) ** 2)


def rmse(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Root mean squared error, ``sqrt(mean((p - y)^2))``: in data units, never below the MAE.

    >>> round(rmse([1, 2, 3, 4], [1.2, 1.8, 2.7, 4.1]), 4)
    0.2121
    """
    return float(np.sqrt(mse(y_true, y_pred, mask)))


def robust_mape(
    y_true: ArrayLike, y_pred: ArrayLike, epsilon: ArrayLike | float, mask: ArrayLike | None = None
) -> float:
    """Mean absolute percentage error with a floor, ``100 mean(|p - y| / max(|y|, epsilon))``.

    In percent, 0 is perfect, no upper limit. The floor keeps values near 0 from deciding the mean;
    the pipeline takes 1 % of the mean absolute observed training target. The form is that of
    scikit-learn's mean_absolute_percentage_error, whose floor is the machine epsilon.

    Parameters
    ----------
    epsilon : array_like
        Above 0, data units; a number, or an array that broadcasts to `y_true`.

    Raises
    ------
    ValueError
        The shapes differ, or `epsilon` is not above 0.

    >>> robust_mape([0.0, 10.0], [1.0, 11.0], epsilon=2.0)
    30.0
    """
    check_epsilon(epsilon)
    y, p, floor = _counted(mask, y_true, y_pred, epsilon)
    return 100 * _mean(absolute_ratio(y, p, floor))


def smape(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Symmetric mean absolute percentage error, ``100 mean(2 |p - y| / (|y| + |p|))``.

    In percent, 0 to 200; truth and forecast may change places; a pair of zeros counts 0.
    Makridakis (1993), International Journal of Forecasting 9, 527-529, in the form of the M4
    competition (2020, ibid. 36, 54-74).

    >>> smape([100.0, 0.0], [300.0, 0.0])
    50.0
    """
    y, p = _counted(mask, y_true, y_pred)
    return 100 * _mean(symmetric_ratio(y, p))


def mase(
    y_true: ArrayLike, y_pred: ArrayLike, scale: ArrayLike | float, mask: ArrayLike | None = None
) -> float:
    """Mean absolute scaled error, ``mean(|p - y| / scale)``.

    Free of units: 1 is the error of the one-season-ahead seasonal naive forecast on the training
    split. Values whose scale is NaN or 0 do not count (a training split too short or constant).

    Parameters
    ----------
    scale : array_like
        See `seasonal_naive_scale`; a number, or an array that broadcasts to `y_true`.

    >>> mase([1.0, 2.0], [2.0, 4.0], scale=2.0)
    0.75
    """
    y, p, scales = _counted(mask, y_true, y_pred, scale)
    usable = usable_scale(scales)
    return _mean(np.abs(p - y)[usable] / scales[usable])


def seasonal_naive_scale(
    y_train: Float[np.ndarray, " rows"], observed: Bool[np.ndarray, " rows"], season: int
) -> float:
    """Scale of MASE: ``mean(|y_t - y_(t - season)|)`` over the pairs of observed rows.

    Parameters
    ----------
    y_train : np.ndarray
        [rows] one target of one series, only the training split, data units.
    observed : np.ndarray
        [rows] bool.
    season : int
        Rows in one season, at least 1.

    Returns
    -------
    float
        Data units; NaN if no pair was observed, or if the season repeats except for rounding: a
        ratio to that says nothing.

    Raises
    ------
    ValueError
        The shapes differ, or `season` is below 1.

    >>> observed = np.array([True, True, True, False])
    >>> seasonal_naive_scale(np.array([1.0, 5.0, 2.0, 9.0]), observed, season=2)
    1.0
    """
    if season < 1:
        raise ValueError(f"season must be at least 1 row, not {season}")
    check_shapes(y_train, y_train, observed)
    scale = mae(y_train[:-season], y_train[season:], observed[:-season] & observed[season:])
    return scale if scale > REPEATED * _mean(np.abs(y_train[observed])) else float("nan")


def undefined_scale(
    y_train: Float[np.ndarray, " rows"], observed: Bool[np.ndarray, " rows"], season: int
) -> str:
    """Why `seasonal_naive_scale` of the same arguments is NaN, in words; empty if it is not.

    >>> undefined_scale(np.array([4.0, 4.0, 4.0]), np.ones(3, bool), season=1)
    'it is constant in the training split'
    """
    if not np.isnan(seasonal_naive_scale(y_train, observed, season)):
        return ""
    seen = y_train[observed]
    if not (observed[:-season] & observed[season:]).any():
        return f"no two values of its training split are a season of {season} rows apart"
    if seen.min() == seen.max():
        return "it is constant in the training split"
    return f"it repeats its season of {season} rows exactly in the training split"


def r2(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Coefficient of determination, ``1 - sum((p - y)^2) / sum((y - mean(y))^2)``.

    Free of units: 1 is perfect, 0 as good as the mean of the scored values, and it can fall below
    0; NaN if those values are constant. Kvalseth (1985), The American Statistician 39, 279-285,
    R2_1.

    >>> round(r2([1, 2, 3, 4], [1.2, 1.8, 2.7, 4.1]), 12)
    0.964
    """
    y, p = _counted(mask, y_true, y_pred)
    total = float(np.sum((y - y.mean()) ** 2)) if y.size and np.ptp(y) != 0 else np.nan
    return 1 - float(np.sum((p - y) ** 2)) / total


def bias(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Mean error, ``mean(p - y)``: data units, above 0 if the forecasts are too high on average.

    >>> bias([1.0, 2.0], [2.0, 5.0])
    2.0
    """
    y, p = _counted(mask, y_true, y_pred)
    return _mean(p - y)


def absolute_ratio(y: np.ndarray, p: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
    """``|p - y| / max(|y|, epsilon)``, value by value."""
    return np.abs(p - y) / np.maximum(np.abs(y), epsilon)


def symmetric_ratio(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """``2 |p - y| / (|y| + |p|)``, value by value; 0 for a pair of zeros."""
    size = np.abs(y) + np.abs(p)
    return 2 * np.abs(p - y) / np.where(size == 0, 1.0, size)


def usable_scale(scale: np.ndarray) -> np.ndarray:
    """True where an error can be divided by the scale: finite and above 0."""
    return np.isfinite(scale) & (scale > 0)


def check_epsilon(epsilon: ArrayLike | float) -> None:
    """Raise ValueError unless the floor of the robust MAPE is above 0 everywhere."""
    if not np.all(np.asarray(epsilon) > 0):
        raise ValueError(f"epsilon must be above 0, not {epsilon}")


def check_shapes(y_true: np.ndarray, y_pred: np.ndarray, mask: np.ndarray | None) -> None:
    """Raise ValueError unless truth, forecast and mask have the same shape."""
    for name, array in (("y_pred", y_pred), ("mask", mask)):
        if array is not None and array.shape != y_true.shape:
            raise ValueError(
                f"{name} must have the shape of y_true, {list(y_true.shape)}, "
                f"but has {list(array.shape)}"
            )


def _counted(
    mask: ArrayLike | None, y_true: ArrayLike, y_pred: ArrayLike, *others: ArrayLike | float
) -> list[np.ndarray]:
    """The counted values of each array, [values] float64; `others` broadcast to `y_true`."""
    y, p = (np.asarray(array, dtype=np.float64) for array in (y_true, y_pred))
    counted = None if mask is None else np.asarray(mask, dtype=bool)
    check_shapes(y, p, counted)
    chosen = ... if counted is None else counted
    wide = (np.broadcast_to(np.asarray(other, dtype=np.float64), y.shape) for other in others)
    return [array[chosen].reshape(-1) for array in (y, p, *wide)]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
