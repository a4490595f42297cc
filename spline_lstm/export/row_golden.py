"""Golden rows: raw rows and the predictions of the trained model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.export.formats import CATEGORIES, NUMBERS, PREDICTION


@dataclass(frozen=True)
class RowGolden:
    """Rows of the test split.

    Attributes
    ----------
    numbers : [rows, n_numbers] float32, data units, NaN where missing
    categories : [rows, n_categories] int32, ids
    prediction : [rows, outputs] float32, probabilities or data units, by the trained model
    label : [rows] position of the class, or the target in data units
    """

    numbers: Float[np.ndarray, "rows numbers"]
    categories: Int[np.ndarray, "rows categories"]
    prediction: Float[np.ndarray, "rows outputs"]
    label: Float[np.ndarray, " rows"]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.prediction)

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """Inputs of an exported file by name; those without a column are not among them."""
        given = {NUMBERS: self.numbers, CATEGORIES: self.categories}
        return {name: value for name, value in given.items() if value.shape[1]}

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """What the trained model answers to them, by the name of the output."""
        return {PREDICTION: self.prediction}

    @property
    def point(self) -> str:
        """The output that is compared with the truth."""
        return PREDICTION

    @property
    def truth(self) -> Float[np.ndarray, "rows outputs"]:
        """What the prediction is of: 1 for the class of a row and 0 for others, or the target."""
        if self.prediction.shape[1] == 1:
            return self.label[:, None]
        return (self.label[:, None] == np.arange(self.prediction.shape[1])).astype(np.float64)

    def target_scale(
        self, indices: Sequence[int], overall: Float[np.ndarray, " outputs"]
    ) -> Float[np.ndarray, " outputs"]:
        """Units in which differences are measured, of each output: `overall`."""
        return overall

    def problem(self) -> str | None:
        """What makes the rows unusable; None: nothing."""
        arrays = (self.numbers, self.categories, self.prediction, self.label)
        if len(self) == 0 or len({len(value) for value in arrays}) > 1:
            return "must contain the same number of rows in each array, at least one"
        if not (np.isfinite(self.prediction).all() and np.isfinite(self.label).all()):
            return "contains a prediction or label that is not finite; retrain the model"
        return None


def row_golden_of(arrays: dict[str, Any]) -> RowGolden:
    """The rows in the arrays of golden.npz; KeyError names one that is missing."""
    return RowGolden(arrays[NUMBERS], arrays[CATEGORIES], arrays[PREDICTION], arrays["truth"])
