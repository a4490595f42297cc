"""All that the export of a network of rows needs, without JAX, TensorFlow or the code of rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.export.checksum import BLANK, KEY
from spline_lstm.export.formats import CATEGORIES, NUMBERS, PREDICTION
from spline_lstm.models.row_config import RowConfig


@dataclass(frozen=True)
class Pieces:
    """What numbers go through before they enter the network, piece by piece.

    ``z = start + sum(slope * clip(number - left, low, high))`` over the pieces of a number: a
    quantile transform has a piece between any two knots, standardising has one without limits.

    Attributes
    ----------
    start : [n_numbers] float32
    left, slope, low, high : [n_numbers, pieces] float32; a slope of 0 fills up
    """

    start: Float[np.ndarray, " numbers"]
    left: Float[np.ndarray, "numbers pieces"]
    slope: Float[np.ndarray, "numbers pieces"]
    low: Float[np.ndarray, "numbers pieces"]
    high: Float[np.ndarray, "numbers pieces"]


def pieces_of(transforms: Sequence[Any]) -> Pieces:
    """The pieces of `spline_lstm.rows.transforms.NumberTransform`, one per number."""
    most = max([1, *(len(item.knots) - 1 for item in transforms)])
    start = np.zeros(len(transforms), np.float32)
    left, slope, low, high = (np.zeros((len(transforms), most), np.float32) for _ in range(4))
    for row, item in enumerate(transforms):
        if not item.knots:
            left[row, 0], slope[row, 0] = item.center, 1.0 / item.scale
            low[row, 0], high[row, 0] = -np.inf, np.inf
            continue
        start[row], count = item.scores[0], len(item.knots) - 1
        knots: np.ndarray = np.array(item.knots, np.float64)
        widths, rises = np.diff(knots), np.diff(np.array(item.scores, np.float64))
        left[row, :count], high[row, :count] = item.knots[:-1], widths
        slope[row, :count] = rises / widths
    return Pieces(start, left, slope, low, high)


@dataclass(frozen=True)
class RowSpec:
    """A trained network of rows and what its inputs go through.

    Attributes
    ----------
    config : RowConfig
    run_id, preprocessor_run_id : content ids of the model and of its preprocessor
    weights : name -> float32 array, as in best.safetensors
    pieces : Pieces
    categories : category -> texts of the ids 1, 2, ...; None is a missing cell; id 0 is unknown
    """

    config: RowConfig
    run_id: str
    preprocessor_run_id: str
    weights: Mapping[str, np.ndarray]
    pieces: Pieces
    categories: Mapping[str, Sequence[str | None]]

    def members(self) -> list[dict[str, np.ndarray]]:
        """Weights of each network of the ensemble, one without an ensemble."""
        if self.config.ensemble_size == 1:
            return [dict(self.weights)]
        return [
            {name: value[index] for name, value in self.weights.items()}
            for index in range(self.config.ensemble_size)
        ]

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each input of the file, in their order."""
        widths = {NUMBERS: len(self.config.numbers), CATEGORIES: len(self.config.categories)}
        return {name: (width,) for name, width in widths.items() if width}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each output of the file."""
        return {PREDICTION: (self.config.outputs,)}

    @property
    def target_indices(self) -> tuple[int, ...]:
        """Positions of the targets among the inputs: a row does not contain its target."""
        return tuple(range(self.config.outputs))

    @property
    def unit(self) -> Float[np.ndarray, " outputs"]:
        """Units in which differences are measured, of each output: 1 for probabilities."""
        return np.full(self.config.outputs, self.config.label_scale)

    def metadata(self) -> dict[str, Any]:
        """What a user of an exported file must know to feed it; the same in every format."""
        config = self.config
        axes = {
            NUMBERS: "[batch, numbers] float32, data units, NaN where missing",
            CATEGORIES: "[batch, categories] int32, ids; 0 is unknown",
            PREDICTION: {
                "regression": "[batch, 1] float32, data units",
                "classification": "[batch, 1] float32, probability of the second class"
                if config.outputs == 1
                else "[batch, classes] float32, probability of each class",
            }[config.kind],
        }
        return {
            "run_id": self.run_id,
            "preprocessor_run_id": self.preprocessor_run_id,
            "model_type": config.model_type,
            "output": "value" if config.kind == "regression" else "probability",
            "kind": config.kind,
            "target": config.target,
            "classes": list(config.classes),
            "numbers": list(config.numbers),
            "categories": {name: list(texts) for name, texts in self.categories.items()},
            "inputs": {name: axes[name] for name in self.inputs},
            "outputs": {name: axes[name] for name in self.outputs},
            # Filled in when the file is complete.
            KEY: BLANK,
        }

    def metadata_text(self) -> str:
        """`metadata` as one line of JSON."""
        return json.dumps(self.metadata(), ensure_ascii=False)
