"""Sets of classes and intervals of numbers that contain the truth at a given rate.

Split conformal prediction: the quantile of a score of the validation rows is the limit for new
rows, which contain the truth at the level if rows are exchangeable (Vovk, Gammerman and Shafer,
"Algorithmic Learning in a Random World", 2005). The score is the absolute error of a number (Lei et
al., JASA 2018), or 1 less the probability of the true class (Sadinle, Lei and Wasserman, JASA
2019). The validation split also stopped the training, so that coverage is measured on the test
split and can be a little below the level.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

Predictions = Float[np.ndarray, "rows outputs"]
METHOD = "split_conformal"


@dataclass(frozen=True)
class ConformalRows:
    """Limits of the scores.

    Attributes
    ----------
    kind : classification or regression
    levels : percent, increasing
    limits : of each level: a score of the validation split, infinite if it has too few rows
    """

    kind: str
    levels: tuple[float, ...]
    limits: tuple[float, ...]

    def sets(self, p: Predictions) -> Bool[np.ndarray, "levels rows classes"]:
        """Whether each class is in the set of each level; the most probable one always is."""
        inside = 1 - p[None] <= np.array(self.limits)[:, None, None]
        return inside | (p == p.max(axis=1, keepdims=True))

    def bounds(
        self, predictions: Predictions
    ) -> tuple[Float[np.ndarray, "levels rows"], Float[np.ndarray, "levels rows"]]:
        """Lower and upper ends of the interval of each level, data units."""
        limits = np.array(self.limits)[:, None]
        return predictions[:, 0] - limits, predictions[:, 0] + limits

    def to_json(self) -> dict[str, Any]:
        """Content of models/intervals.json, without the run id."""
        limits = [limit if math.isfinite(limit) else None for limit in self.limits]
        return {
            "method": METHOD,
            "kind": self.kind,
            "levels": list(self.levels),
            "limits": limits,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ConformalRows":
        """Undo `to_json`."""
        limits = [math.inf if limit is None else limit for limit in content["limits"]]
        return cls(content["kind"], tuple(content["levels"]), tuple(limits))


def fit_conformal(
    predictions: Predictions,
    truth: Float[np.ndarray, " rows"],
    kind: str,
    levels: Sequence[float],
) -> ConformalRows:
    """Limits from predictions for the validation split and what was true there.

    The limit of a level is the ``ceil((n + 1) * level)``-th smallest of the n scores.
    """
    if kind == "regression":
        scores = np.abs(predictions[:, 0] - truth)
    else:
        scores = 1 - predictions[np.arange(len(truth)), truth.astype(np.int64)]
    ordered = np.append(np.sort(scores), np.inf)
    ranks = [math.ceil((len(scores) + 1) * level / 100) - 1 for level in levels]
    limits = [float(ordered[min(rank, len(scores))]) for rank in ranks]
    return ConformalRows(kind, tuple(levels), tuple(limits))


def coverage_rows(
    conformal: ConformalRows, predictions: Predictions, truth: Float[np.ndarray, " rows"]
) -> list[dict[str, Any]]:
    """For each level its coverage in percent, and the mean size of its sets or intervals."""
    if conformal.kind == "regression":
        low, high = conformal.bounds(predictions)
        inside, sizes = (low <= truth) & (truth <= high), high - low
    else:
        sets = conformal.sets(predictions)
        inside, sizes = sets[:, np.arange(len(truth)), truth.astype(np.int64)], sets.sum(axis=2)
    return [
        {
            "interval": f"{level:g}",
            "coverage": 100 * float(inside[index].mean()),
            "mean_size": float(sizes[index].mean()),
        }
        for index, level in enumerate(conformal.levels)
    ]
