"""Scores of probabilities whose rows come in days: the rows of a day share its news.

So what is resampled are days, in blocks of consecutive ones, because labels of neighbouring days
overlap; and whether the symbols of one day are in the right order is a score of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float, Int

from spline_lstm.evaluation.blocks import LEVEL, Interval, block_length, draw_blocks
from spline_lstm.evaluation.probability_metrics import auc

Rows = Float[np.ndarray, " rows"]
Days = Int[np.ndarray, " rows"]
# Resamples at once: what bounds the memory.
CHUNK = 100


@dataclass(frozen=True)
class DayBlocks:
    """How often each day is in each resample.

    Attributes
    ----------
    day : [rows] index of the day of each row
    counts : [repetitions, days]
    """

    day: Days
    counts: Int[np.ndarray, "repetitions days"]


def day_blocks(days: Days, block: int, repetitions: int, seed: int) -> DayBlocks:
    """Draw blocks of days.

    Parameters
    ----------
    days : np.ndarray
        [rows] the day of each row, any number that rises from day to day.
    block : int
        Consecutive days in a block, at most a tenth of all.
    repetitions, seed : int
    """
    unique, index = np.unique(days, return_inverse=True)
    starts, lengths = draw_blocks(len(unique), block_length(len(unique), block), repetitions, seed)
    edges = np.zeros((repetitions, len(unique) + 1), dtype=np.int64)
    rows = np.arange(repetitions)[:, None]
    np.add.at(edges, (rows, starts), 1)
    np.add.at(edges, (rows, starts + lengths), -1)
    return DayBlocks(index.reshape(-1), np.cumsum(edges, axis=1)[:, :-1])


def resampled_auc(
    labels: Rows, probabilities: Rows, blocks: DayBlocks
) -> Float[np.ndarray, " repetitions"]:
    """AUC of each resample; NaN where one has only one label."""
    _, group = np.unique(probabilities, return_inverse=True)
    order = np.argsort(group.reshape(-1), kind="stable")
    firsts = np.flatnonzero(np.diff(group.reshape(-1)[order], prepend=-1))
    ones = labels[order] == 1
    found = []
    for start in range(0, len(blocks.counts), CHUNK):
        weight = blocks.counts[start : start + CHUNK][:, blocks.day[order]].astype(np.float64)
        positive = np.add.reduceat(weight * ones, firsts, axis=1)
        negative = np.add.reduceat(weight * ~ones, firsts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        with np.errstate(invalid="ignore"):
            found.append(np.where(pairs > 0, (positive * below).sum(axis=1) / pairs, np.nan))
    return np.concatenate(found)


def auc_interval(labels: Rows, probabilities: Rows, blocks: DayBlocks) -> Interval:
    """AUC and the central 95 % of its resamples."""
    return _interval(auc(labels, probabilities), resampled_auc(labels, probabilities, blocks))


def auc_difference(labels: Rows, one: Rows, other: Rows, blocks: DayBlocks) -> Interval:
    """AUC of `one` minus that of `other`, both on the same resamples."""
    difference = auc(labels, one) - auc(labels, other)
    resampled = resampled_auc(labels, one, blocks) - resampled_auc(labels, other, blocks)
    return _interval(difference, resampled)


def _interval(value: float, resampled: Float[np.ndarray, " repetitions"]) -> Interval:
    known = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


@dataclass(frozen=True)
class DailyScores:
    """What each day says of the order of its symbols.

    Attributes
    ----------
    auc : mean of the AUC of days with both labels
    auc_days : how many such days there are
    rank_ic : mean of the information coefficient, the rank correlation of probability and return
    icir : that mean divided by the standard deviation over the days
    ic_days : days with an information coefficient: at least two probabilities and two returns
    """

    auc: float
    auc_days: int
    rank_ic: float
    icir: float
    ic_days: int


def daily_scores(labels: Rows, probabilities: Rows, returns: Rows, days: Days) -> DailyScores:
    """Scores day by day; NaN returns do not count.

    Grinold and Kahn, "Active portfolio management" (2nd edition, 2000), chapter 6.
    """
    order = np.argsort(days, kind="stable")
    starts = np.flatnonzero(np.diff(days[order], prepend=days.min() - 1)) if len(days) else []
    areas, coefficients = [], []
    for rows in np.split(order, starts[1:] if len(starts) else []):
        areas.append(auc(labels[rows], probabilities[rows]))
        coefficients.append(rank_correlation(probabilities[rows], returns[rows]))
    area, coefficient = (_known(values) for values in (areas, coefficients))
    deviation = float(coefficient.std(ddof=1)) if len(coefficient) > 1 else 0.0
    mean = float(coefficient.mean()) if len(coefficient) else float("nan")
    return DailyScores(
        float(area.mean()) if len(area) else float("nan"),
        len(area),
        mean,
        mean / deviation if deviation > 0.0 else float("nan"),
        len(coefficient),
    )


def rank_correlation(one: Rows, other: Rows) -> float:
    """Spearman's rank correlation; NaN if either has fewer than two different values.

    >>> rank_correlation(np.array([0.1, 0.2, 0.4]), np.array([-1.0, 5.0, 2.0]))
    0.5
    """
    seen = ~np.isnan(one) & ~np.isnan(other)
    if seen.sum() < 2:
        return float("nan")
    ranks = [scipy.stats.rankdata(values[seen]) for values in (one, other)]
    centred = [rank - rank.mean() for rank in ranks]
    size = np.sqrt(np.prod([np.sum(values**2) for values in centred]))
    return float(np.sum(centred[0] * centred[1]) / size) if size > 0.0 else float("nan")


def top_rows(probabilities: Rows, share: float) -> Int[np.ndarray, " top"]:
    """The rows with the highest probabilities, at least one; of equal ones the first rows."""
    count = max(1, round(share * len(probabilities)))
    return np.argsort(-probabilities, kind="stable")[: min(count, len(probabilities))]


def shared(values: Rows, probabilities: Rows) -> Rows:
    """Each value replaced by the mean of the known ones with an equal probability.

    The mean of the highest rows is then what drawing among equal ones gives on average: a
    probability that is the same everywhere chooses nothing, whatever the order of the rows.

    >>> shared(np.array([1.0, 0.0, 1.0]), np.array([0.4, 0.4, 0.2])).tolist()
    [0.5, 0.5, 1.0]
    """
    _, group = np.unique(probabilities, return_inverse=True)
    known = ~np.isnan(values)
    counts = np.bincount(group[known], minlength=len(group))
    sums = np.bincount(group[known], values[known], minlength=len(group))
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)[group]


def top_scores(
    labels: Rows, probabilities: Rows, returns: Rows, share: float, cost: float
) -> Mapping[str, float | int]:
    """How often the highest probabilities were right, and what they earned.

    Parameters
    ----------
    labels, probabilities : np.ndarray
        [rows]
    returns : np.ndarray
        [rows] of the horizon, as shares: 0.01 is one percent.
    share : float
        Of the rows that count as highest. Which ones, only the whole split tells. Of those with
        equal probabilities at its edge, each counts in part.
    cost : float
        Of buying and selling once, as a share.

    Returns
    -------
    dict
        `n`, `precision`, `mean_return`, `mean_return_after_cost`, and of all rows
        `mean_return_of_all`.
    """
    top = top_rows(probabilities, share)
    mean = _mean(shared(returns, probabilities)[top])
    return {
        "n": len(top),
        "precision": _mean(shared(labels, probabilities)[top]),
        "mean_return": mean,
        "mean_return_after_cost": mean - cost,
        "mean_return_of_all": _mean(returns),
    }


def _mean(values: Rows) -> float:
    known = _known(values)
    return float(known.mean()) if len(known) else float("nan")


def _known(values: list[float] | Rows) -> Rows:
    found = np.asarray(values, dtype=np.float64)
    return found[~np.isnan(found)]
