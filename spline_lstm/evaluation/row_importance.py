"""Which features predictions rest on: permutation importance of any model, SHAP values of trees."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.row_metrics import deciding_loss
from spline_lstm.rows.arrays import RowSplit
from spline_lstm.rows.preprocessor import RowInputs, RowPreprocessor
from spline_lstm.trees.saved_trees import SavedTrees
from spline_lstm.trees.trees import finite_or_missing

Predict = Callable[[RowInputs], Float[np.ndarray, "rows outputs"]]
# Rows that importance is measured on, evenly spaced.
MOST_ROWS = 1000


def permutation_importance(
    models: Mapping[str, Predict],
    test: RowSplit,
    preprocessor: RowPreprocessor,
    repeats: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Model -> feature -> rise of the metric that decides when the feature is permuted.

    The mean over permutations of the rows, the same ones for every model and feature (Breiman,
    "Random Forests", Machine Learning 2001; Fisher, Rudin and Dominici, JMLR 2019). Around 0 for a
    feature that a model does not need, also because another one says the same.
    """
    chosen = evenly_spaced(len(test), MOST_ROWS)
    inputs, truth = test.inputs.rows(chosen), test.truth[chosen]
    generator = np.random.Generator(np.random.PCG64(seed))
    orders = [generator.permutation(len(chosen)) for _ in range(repeats)]
    kind = preprocessor.kind
    found = {}
    for name, predict in models.items():
        start = deciding_loss(truth, predict(inputs), kind)
        found[name] = {
            feature: float(
                np.mean(
                    [
                        deciding_loss(truth, predict(_permuted(inputs, place, order)), kind) - start
                        for order in orders
                    ]
                )
            )
            for place, feature in enumerate(preprocessor.features)
        }
    return found


def _permuted(inputs: RowInputs, place: int, order: np.ndarray) -> RowInputs:
    """Inputs with the values of one feature in another order; numbers come before categories."""
    names = ("raw", "numbers", "missing")
    column, changed = place, names
    if place >= inputs.numbers.shape[1]:
        column, changed = place - inputs.numbers.shape[1], ("categories",)
    arrays: dict[str, Any] = {name: getattr(inputs, name).copy() for name in changed}
    for values in arrays.values():
        values[:, column] = values[order, column]
    return replace(inputs, **arrays)


def tree_importance(trees: SavedTrees, test: RowSplit) -> dict[str, dict[str, float]]:
    """Library -> feature -> mean absolute SHAP value on the test split, of all classes together."""
    rows = test.inputs.rows(evenly_spaced(len(test), MOST_ROWS))
    matrix = finite_or_missing(rows.matrix)
    found = {}
    for name, member in trees.members.items():
        values = np.abs(member.contributions(matrix)[..., :-1])
        mean = values.reshape(-1, *values.shape[1:]).mean(axis=0)
        shares = mean.sum(axis=0) if mean.ndim == 2 else mean
        found[name] = dict(zip(trees.features, map(float, shares), strict=True))
    return found
