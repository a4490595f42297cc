"""Errors of the series of a panel that have changed since training.

The width of an interval is in proportion to the mean absolute error of its series on training
windows. Where a series has become noisier or calmer than the others since, its validation windows
show it, but they are few: by chance alone their mean error differs from that of training by a
tenth. So the change counts by its reliability, the share of its variance between series that is not
by chance (empirical Bayes; Efron and Morris 1973, Journal of the American Statistical Association
68, 117-130): what the first and the second half of validation say of a series is compared, a
horizon apart, for windows that share labels miss alike by chance too, and their correlation r gives
that of the whole, ``2 r / (1 + r)`` (Spearman 1910, British Journal of Psychology 3, 271-295). A
change that all series share is left to the ranks of the residuals.
"""

import numpy as np
from jaxtyping import Float, Int

# Fewer series do not show how reliable a change is.
MIN_SERIES = 10
# The mean of a handful of values can be far off by chance.
MIN_VALUES = 30
# Logarithms differ between CPUs in their last digits.
GRAIN = 2.0**-12


def change_of_scales(
    residuals: Float[np.ndarray, "windows horizon targets"],
    series: Int[np.ndarray, " windows"],
    time: Int[np.ndarray, " windows"],
    rows: int,
) -> Float[np.ndarray, "rows targets"]:
    """Factor of the width of each series.

    Parameters
    ----------
    residuals : [windows, horizon, targets], in units of the error of training, NaN: not observed
        Of validation windows.
    series, time : [windows] int
        Index of the series, row of the clock of the origin.
    rows : int
        Number of series. One with few values keeps its scale, and all do where fewer than
        `MIN_SERIES` have enough.
    """
    horizon, distinct = residuals.shape[1], np.unique(time)
    last = distinct[len(distinct) // 2] - horizon // 2 - 1 if len(distinct) else 0
    # Windows in between share labels with both.
    parts = time <= last, time >= last + horizon
    halves = [_logs(residuals[part], series[part], rows) for part in parts]
    whole = _logs(residuals, series, rows)
    factors = [_shrunk(*each) for each in zip(*(one.T for one in (*halves, whole)), strict=True)]
    return np.stack(factors, axis=1)


def reliability(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Share of the variance of the mean of two measurements that is not by chance, 0 to 1.

    >>> reliability(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
    1.0
    """
    a, b = first - first.mean(), second - second.mean()
    spread = float(np.sum(a * a) + np.sum(b * b))
    if spread <= 0:
        return 0.0
    r = max(0.0, 2 * float(np.sum(a * b)) / spread)
    return 2 * r / (1 + r)


def _shrunk(first: np.ndarray, second: np.ndarray, whole: np.ndarray) -> np.ndarray:
    factor, known = np.ones(len(whole)), np.isfinite(first + second + whole)
    if known.sum() < MIN_SERIES:
        return factor
    weight = reliability(first[known], second[known])
    factor[known] = np.exp(weight * (whole[known] - whole[known].mean()))
    return np.maximum(np.round(factor / GRAIN) * GRAIN, GRAIN)


def _logs(residuals: np.ndarray, series: np.ndarray, rows: int) -> np.ndarray:
    """Logarithm of the mean absolute residual [rows, targets]; NaN with few values or no error."""
    size, count = np.nan_to_num(np.abs(residuals)).sum(axis=1), np.isfinite(residuals).sum(axis=1)
    totals, counts = (
        np.stack([np.bincount(series, weights=c, minlength=rows) for c in each.T], axis=1)
        for each in (size, count)
    )
    usable = (counts >= MIN_VALUES) & (totals > 0)
    means = np.divide(totals, counts, out=np.ones(totals.shape), where=usable)
    return np.where(usable, np.log(means), np.nan)
