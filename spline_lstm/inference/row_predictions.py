"""Predictions for rows in one form, whatever predicts: probabilities of classes, or numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.inference.conformal import ConformalRows
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


def prediction_columns(
    predictions: Float[np.ndarray, "rows outputs"],
    conformal: ConformalRows | None,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Columns of predictions, name -> [rows].

    Returns
    -------
    dict
        y_pred (texts of classes, or numbers); of classes `probability_CLASS` and `set_LEVEL` (texts
        with a comma between the classes), of numbers `lower_LEVEL` and `upper_LEVEL`.
    """
    if classes:
        columns: dict[str, Any] = {"y_pred": np.array(classes)[predictions.argmax(axis=1)]}
        columns |= {f"probability_{name}": predictions[:, i] for i, name in enumerate(classes)}
    else:
        columns = {"y_pred": predictions[:, 0]}
    if conformal is None:
        return columns
    sure = _sets if classes else _bounds
    return columns | sure(predictions, conformal, classes)


def _bounds(
    predictions: Float[np.ndarray, "rows outputs"],
    conformal: ConformalRows,
    classes: Sequence[str],
) -> dict[str, Any]:
    low, high = conformal.bounds(predictions)
    ends: dict[str, Any] = {}
    for index, level in enumerate(conformal.levels):
        ends |= {f"lower_{level:g}": low[index], f"upper_{level:g}": high[index]}
    return ends


def _sets(
    predictions: Float[np.ndarray, "rows outputs"],
    conformal: ConformalRows,
    classes: Sequence[str],
) -> dict[str, Any]:
    return {
        f"set_{level:g}": [
            ", ".join(name for name, inside in zip(classes, row, strict=True) if inside)
            for row in sets
        ]
        for level, sets in zip(conformal.levels, conformal.sets(predictions), strict=True)
    }
