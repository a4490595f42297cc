"""Baseline forecasts: what a model must beat to be worth its training.

All read the last rows before the origin, `history` [windows, lookback, targets] (data units,
as-of filled, oldest row first), and return [windows, horizon, targets] in the same units.
Sources: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice" (3rd edition, 2021),
section 5.2. The linear baselines, which are fitted, are in `ridge`.
"""

import numpy as np
from jaxtyping import Float

History = Float[np.ndarray, "windows lookback targets"]
Forecast = Float[np.ndarray, "windows horizon targets"]


def naive(history: History, horizon: int) -> Forecast:
    """The last value at every step, ``p_h = y_0``; best possible for a random walk."""
    return np.repeat(history[:, -1:], horizon, axis=1)


def seasonal_naive(history: History, horizon: int, season: int) -> Forecast:
    """The value of the same phase in the last season, ``p_h = y_(h - season)``.

    It is repeated beyond one season.

    Raises
    ------
    ValueError
        `history` is shorter than one season.

    >>> history = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    >>> seasonal_naive(history, horizon=3, season=2).ravel().tolist()
    [3.0, 4.0, 3.0]
    """
    _check_rows(history, season, "season")
    return history[:, history.shape[1] - season + np.arange(horizon) % season]


def moving_average(history: History, horizon: int, window: int) -> Forecast:
    """The mean of the last `window` values at every step.

    Raises
    ------
    ValueError
        `history` is shorter than `window`.

    >>> moving_average(np.array([[[9.0], [2.0], [4.0]]]), horizon=2, window=2).ravel().tolist()
    [3.0, 3.0]
    """
    _check_rows(history, window, "window")
    return np.repeat(history[:, -window:].mean(axis=1, keepdims=True), horizon, axis=1)


def drift(history: History, horizon: int) -> Forecast:
    """The line through first and last value, ``p_h = y_0 + h (y_0 - y_first) / (lookback - 1)``.

    For a history of one row it is the naive forecast, as one value gives no line.

    >>> drift(np.array([[[1.0], [9.0], [5.0]]]), horizon=2).ravel().tolist()
    [7.0, 9.0]
    """
    rows = history.shape[1]
    slope = (history[:, -1:] - history[:, :1]) / max(rows - 1, 1)
    return history[:, -1:] + np.arange(1, horizon + 1)[:, None] * slope


def _check_rows(history: np.ndarray, rows: int, name: str) -> None:
    if not 1 <= rows <= history.shape[1]:
        raise ValueError(
            f"{name} {rows} must be between 1 and the {history.shape[1]} rows of the history"
        )
