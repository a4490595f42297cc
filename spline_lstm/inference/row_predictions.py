"""Predictions for rows in one form, whatever predicts: probabilities of classes, or numbers."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.rows.preprocessor import RowInputs, RowPreprocessor
from spline_lstm.trees.saved_trees import SavedTrees
from spline_lstm.trees.trees import finite_or_missing

# Inputs -> [rows, classes] probabilities, or [rows, 1] numbers in data units.
Predict = Callable[[RowInputs], Float[np.ndarray, "rows outputs"]]


class RowModel(Protocol):
    """A trained network of rows."""

    def predict(
        self,
        numbers: Float[np.ndarray, "rows numbers"],
        missing: Bool[np.ndarray, "rows numbers"],
        categories: Int[np.ndarray, "rows categories"],
    ) -> Float[np.ndarray, "rows outputs"]:
        """Probabilities (of two classes that of the second one), or z-scores, float32."""
        ...


def finished(
    outputs: Float[np.ndarray, "rows *outputs"], preprocessor: RowPreprocessor
) -> Float[np.ndarray, "rows outputs"]:
    """Predictions in the form of this module from the probability of the second class alone.

    Probabilities of all classes, and numbers in data units, stay as they are.
    """
    values = outputs.astype(np.float64).reshape(len(outputs), -1)
    if preprocessor.classes and values.shape[1] == 1:
        return np.concatenate([1 - values, values], axis=1)
    return values


def network_predictor(model: RowModel, preprocessor: RowPreprocessor) -> Predict:
    """What a network predicts."""

    def predict(inputs: RowInputs) -> Float[np.ndarray, "rows outputs"]:
        values = finished(
            model.predict(inputs.numbers, inputs.missing, inputs.categories), preprocessor
        )
        return values if preprocessor.classes else preprocessor.label.inverse(values)

    return predict


def tree_predictors(
    trees: SavedTrees | None, preprocessor: RowPreprocessor
) -> Mapping[str, Predict]:
    """Library -> what its trees predict; empty without trees."""
    if trees is None:
        return {}

    def predictor(name: str) -> Predict:
        member = trees.members[name]
        return lambda inputs: finished(
            member.predict(finite_or_missing(inputs.matrix)), preprocessor
        )

    return {name: predictor(name) for name in trees.members}
