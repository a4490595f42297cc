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

    def __str__(self) -> str:
        return f"{self.feature} {self.value:.4g} ({self.contribution:+.3f})"


def mean_contributions(
    trees: SavedTrees, X: Float[np.ndarray, "rows features"], weights: Mapping[str, float]
) -> Float[np.ndarray, "rows *classes features"] | None:
    """SHAP values of the members' weighted mean on the scale of their sums, without the base.

    Parameters
    ----------
    trees : SavedTrees
    X : np.ndarray
        [rows, features]
    weights : mapping
        Member -> weight; members without one do not count, and the weights are scaled to the sum 1.

    Returns
    -------
    np.ndarray
        [rows, features] or [rows, classes, features]; None if no member has a weight.
    """
    used = {name: weights[name] for name in trees.members if weights.get(name, 0.0) > 0.0}
    if not used:
        return None
    total, finite = sum(used.values()), finite_or_missing(X)
    parts = [
        (weight / total) * trees.members[name].contributions(finite)[..., :-1]
        for name, weight in used.items()
    ]
    return np.sum(parts, axis=0)


def largest_reasons(
    names: Sequence[str],
    X: Float[np.ndarray, "rows features"],
    contributions: Float[np.ndarray, "rows features"],
    count: int = COUNT,
) -> list[list[Reason]]:
    """For each row the features with the largest contributions of either sign, largest first.

    `X` are the values to show, in any unit.
    """

    def reasons_of(values: np.ndarray, added: np.ndarray) -> list[Reason]:
        chosen = np.argsort(-np.abs(added), kind="stable")[:count]
        return [Reason(names[i], float(values[i]), float(added[i])) for i in map(int, chosen)]

    return [reasons_of(*row) for row in zip(X, contributions, strict=True)]


def reasons_text(reasons: Sequence[Reason]) -> str:
    """Reasons in one line.

    >>> reasons_text([Reason("gap_1", 0.02, 0.5), Reason("rsi_14", 71.0, -0.25)])
    'gap_1 0.02 (+0.500), rsi_14 71 (-0.250)'
    """
    return ", ".join(map(str, reasons))
