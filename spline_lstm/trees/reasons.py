"""Why trees predict what they do: the features that contribute most to one prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spline_lstm.trees.saved_trees import SavedTrees
from spline_lstm.trees.trees import finite_or_missing

COUNT = 3


@dataclass(frozen=True)
class Reason:
    """One feature of one prediction.

    Attributes
    ----------
    feature : its name
    value : of the feature; NaN if it is missing
    contribution : to the log odds (in a regression: to the number); above 0 it raises them
    """

    feature: str
    value: float
    contribution: float


def mean_contributions(
    trees: SavedTrees, X: Float[np.ndarray, "rows features"], weights: Mapping[str, float]
) -> Float[np.ndarray, "rows *classes features"]:
    """SHAP values of the members' weighted mean on the scale of their sums, without the base.

    Parameters
    ----------
    trees : SavedTrees
    X : np.ndarray
        [rows, features]
    weights : mapping
        Member -> weight; members without one do not count, and the weights are scaled to the sum 1.
    """
    used = {name: weights.get(name, 0.0) for name in trees.members}
    total = sum(used.values())
    finite = finite_or_missing(X)
    parts = [
        (weight / total) * trees.members[name].contributions(finite)[..., :-1]
        for name, weight in used.items()
        if weight > 0.0
    ]
    return np.sum(parts, axis=0)


def largest_reasons(
    names: Sequence[str],
    X: Float[np.ndarray, "rows features"],
    contributions: Float[np.ndarray, "rows features"],
    count: int = COUNT,
) -> list[list[Reason]]:
    """For each row the features with the largest contributions of either sign, largest first."""

    def reasons_of(values: np.ndarray, added: np.ndarray) -> list[Reason]:
        chosen = np.argsort(-np.abs(added), kind="stable")[:count]
        return [Reason(names[i], float(values[i]), float(added[i])) for i in map(int, chosen)]

    return [reasons_of(*row) for row in zip(X, contributions, strict=True)]
