"""Which windows are shown: the best, the median and the worst of the test split."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

Values = Float[np.ndarray, "windows horizon targets"]

LABELS = ("best", "median", "worst")


@dataclass(frozen=True)
class Example:
    """One window and one target, as drawn and listed; data units.

    Attributes
    ----------
    label : str
        best, median, worst, or any other word.
    series : str
        Name of the series.
    origin_time : int
        Instant of the first forecast row.
    history : [lookback] float, oldest row first
    y_true : [horizon] float, NaN if not observed
    y_pred : [horizon] float
    naive : [horizon] float, the naive forecast
    levels : tuple of float
        Levels of the prediction intervals, percent.
    bounds : [levels, 2, horizon] float, lower and upper bound of each
    """

    label: str
    series: str
    origin_time: int
    history: Float[np.ndarray, " lookback"]
    y_true: Float[np.ndarray, " horizon"]
    y_pred: Float[np.ndarray, " horizon"]
    naive: Float[np.ndarray, " horizon"]
    levels: tuple[float, ...] = ()
    bounds: Float[np.ndarray, "levels two horizon"] = field(
        default_factory=lambda: np.empty((0, 2, 0))
    )

    @property
    def shown_history(self) -> Float[np.ndarray, " rows"]:
        """The last four horizons before the origin, at least 24 rows: the forecast is visible."""
        return self.history[-max(4 * len(self.y_pred), 24) :]


def window_rmse(
    y_true: Values,
    y_pred: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    scale: Float[np.ndarray, " targets"],
) -> Float[np.ndarray, " windows"]:
    """RMSE of each window over its counted values, each error divided by the scale of its target.

    Returns
    -------
    np.ndarray
        [windows] float64; NaN if nothing of a window counts.
    """
    error = (y_pred - y_true) / scale
    error[~mask] = 0.0
    total, count = np.square(error, out=error).sum(axis=(1, 2)), mask.sum(axis=(1, 2))
    return np.sqrt(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))


def pick(
    rmse: Float[np.ndarray, " windows"], complete: Bool[np.ndarray, " windows"]
) -> dict[str, int]:
    """Position of the best, the median and the worst window.

    Windows with all labels observed are preferred: a window with one label is easily the best or
    the worst. Of equal windows the earliest is taken; of an even number the better middle one.

    Parameters
    ----------
    rmse : np.ndarray
        [windows] see `window_rmse`; NaN is never picked.
    complete : np.ndarray
        [windows] bool, True where all labels were observed.

    Raises
    ------
    ValueError
        No window has an RMSE.

    >>> pick(np.array([3.0, 1.0, 2.0, 9.0]), np.array([True, True, True, False]))
    {'best': 1, 'median': 2, 'worst': 0}
    """
    scored = np.isfinite(rmse)
    among = (
        np.flatnonzero(scored & complete) if (scored & complete).any() else np.flatnonzero(scored)
    )
    if len(among) == 0:
        raise ValueError(f"none of the {len(rmse)} windows has an observed label")
    order = among[np.argsort(rmse[among], kind="stable")]
    worst = among[np.argmax(rmse[among])]
    positions = (order[0], order[(len(order) - 1) // 2], worst)
    return {label: int(row) for label, row in zip(LABELS, positions, strict=True)}
