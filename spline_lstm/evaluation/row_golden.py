"""Golden rows: test rows with the model's predictions, the reference for exported files."""

import numpy as np

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.rows.arrays import Rows


def row_golden(model: RowModel, rows: Rows, count: int) -> dict[str, np.ndarray]:
    """Evenly spaced test rows with what an exported file must answer.

    Returns
    -------
    dict
        numbers [rows, n_numbers] float32, data units, NaN where missing; categories
        [rows, n_categories] int32, ids; prediction [rows, outputs] float32, probabilities or data
        units; truth [rows] float64, positions of classes, or data units.
    """
    test = rows.split("test")
    chosen = evenly_spaced(len(test), count)
    inputs = test.inputs.rows(chosen)
    return {
        "numbers": inputs.raw,
        "categories": inputs.categories,
        "prediction": model.predict_data_units(inputs.numbers, inputs.missing, inputs.categories),
        "truth": test.truth[chosen],
    }
