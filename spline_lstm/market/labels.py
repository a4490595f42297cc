"""Labels of trading days: does the price rise, by more than a threshold or than the median symbol.

With C the adjusted close of a symbol and h the horizon in its own trading days, the forward return
of day t is f = C_(t + h) / C_t - 1::

    threshold   1 if f > threshold
    median      1 if f is above the median of the forward returns of the day's symbols

A label whose forward return is not known yet is NaN; so is one of the median if the day has fewer
than two symbols.
"""

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.params_direction import DirectionParams
from spline_lstm.market.panel import each_symbol

Rows = Float[np.ndarray, " rows"]
# Symbols of a day without which it has no median to beat.
FEWEST = 2


def forward_returns(close: Rows, offsets: Int[np.ndarray, " bounds"], horizon: int) -> Rows:
    """Forward return of the day before each row; NaN if it is not known.

    Parameters
    ----------
    close : [rows] adjusted, NaN in the last row of each symbol
    offsets : [symbols + 1] first row of each symbol, and the end
    horizon : trading days
    """
    result = np.full(len(close), np.nan)
    for rows in each_symbol(offsets):
        own = close[rows]
        # The last row has no close: its forward return, like that of the days before, is NaN.
        days = np.arange(1, len(own) - horizon)
        result[rows.start + days] = own[days + horizon - 1] / own[days - 1] - 1.0
    return result


def labels(forward: Rows, days: Int[np.ndarray, " rows"], params: DirectionParams) -> Rows:
    """Label of each row, 0, 1 or NaN; `days` are the instants of the days that they are of."""
    limit = np.full(len(forward), params.threshold)
    if params.label == "median":
        limit = medians(forward, days)
    return np.where(np.isnan(forward) | np.isnan(limit), np.nan, forward > limit)


def medians(forward: Rows, days: Int[np.ndarray, " rows"]) -> Rows:
    """Median of the known forward returns of the day of each row; NaN with fewer than two.

    >>> medians(np.array([0.1, 0.2, 0.6, 0.9]), np.array([1, 1, 1, 2])).tolist()
    [0.2, 0.2, 0.2, nan]
    """
    result = np.full(len(forward), np.nan)
    known = np.flatnonzero(~np.isnan(forward))
    order = known[np.argsort(days[known], kind="stable")]
    starts = np.flatnonzero(np.diff(days[order], prepend=days[order[:1]] - 1)) if len(order) else []
    for rows in np.split(order, starts)[1:]:
        if len(rows) >= FEWEST:
            result[rows] = np.median(forward[rows])
    return result
