"""Metrics of forecast probabilities that a label is 1, each with its formula and its source.

All take labels (0 or 1) and probabilities, [n] each, of the values that count, and are NaN without
any.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

# Key in files and name in tables, in the order in which metrics are shown everywhere.
NAMES = {
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "root_brier": "root of the Brier score",
}
BINS = 10

Labels = Float[np.ndarray, " n"]
Probabilities = Float[np.ndarray, " n"]


def auc(labels: Labels, probabilities: Probabilities) -> float:
    """Area under the ROC curve: the share of pairs of a 1 and a 0 that are in the right order.

    Equal probabilities count half. By ranks (Mann and Whitney 1947; Hanley and McNeil 1982,
    Radiology 143, 29-36); NaN unless both labels occur.

    >>> auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    positives = int(np.count_nonzero(labels))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    _, group, count = np.unique(probabilities, return_inverse=True, return_counts=True)
    # The mean rank of equal values, from 1.
    ranks = np.cumsum(count) - (count - 1) / 2
    total = float(ranks[group.reshape(-1)][labels == 1].sum())
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def brier(labels: Labels, probabilities: Probabilities) -> float:
    """Mean squared error of the probabilities, ``mean((p - y)^2)``; 0 is perfect, 0.25 a coin.

    Brier (1950), Monthly Weather Review 78, 1-3.

    >>> brier(np.array([1.0, 0.0]), np.array([0.75, 0.25]))
    0.0625
    """
    if not len(labels):
        return float("nan")
    return float(np.mean((probabilities.astype(np.float64) - labels) ** 2))


@dataclass(frozen=True)
class ReliabilityBin:
    """Forecasts whose probabilities lie in ``[low, high)`` (the last one with its end).

    Attributes
    ----------
    n : how many
    mean_probability : of these forecasts
    positive_share : share of labels 1 among them; of a calibrated forecast the same
    """

    low: float
    high: float
    n: int
    mean_probability: float
    positive_share: float


def reliability(
    labels: Labels, probabilities: Probabilities, bins: int = BINS
) -> list[ReliabilityBin]:
    """The reliability table, of equally wide bins; empty ones are left out.

    Murphy and Winkler (1977), Applied Statistics 26, 41-47.
    """
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    found = []
    for number in np.unique(index).tolist():
        inside = index == number
        mean, share = probabilities[inside].mean(dtype=np.float64), labels[inside].mean()
        low, high = number / bins, (number + 1) / bins
        found.append(ReliabilityBin(low, high, int(inside.sum()), float(mean), float(share)))
    return found


def calibration_error(table: list[ReliabilityBin]) -> float:
    """Mean distance between probability and share over the forecasts of a reliability table.

    Naeini, Cooper and Hauskrecht (2015), AAAI 29: the expected calibration error.
    """
    total = sum(row.n for row in table)
    if not total:
        return float("nan")
    return sum(row.n * abs(row.mean_probability - row.positive_share) for row in table) / total
