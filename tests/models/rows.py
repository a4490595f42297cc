"""Small networks of rows, and rows for them."""

from typing import Any

import numpy as np

from spline_lstm.models.row_config import RowConfig, quantile_bins
from spline_lstm.rows.arrays import RowArrays, Rows
from spline_lstm.rows.preprocessor import RowInputs

TYPES = ("ft_transformer", "mlp", "tabm")
CLASSES = {"regression": (), "two": ("no", "yes"), "three": ("no", "maybe", "yes")}
SIZES = (4, 70)


def make_inputs(count: int = 60, seed: int = 0) -> RowInputs:
    """Three numbers, some of them missing, and two categories, some of them unknown."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(count, 3)).astype(np.float32)
    missing = rng.random(numbers.shape) < 0.1
    ids = rng.integers(0, SIZES, size=(count, 2)).astype(np.int32)
    raw = np.where(missing, np.nan, numbers).astype(np.float32)
    return RowInputs(raw, np.where(missing, 0, numbers).astype(np.float32), missing, ids)


def make_rows(label: Any, count: int = 600) -> Rows:
    """Rows in three splits; `label` makes the labels of `RowInputs`."""
    inputs = make_inputs(count)
    labels = np.asarray(label(inputs))
    codes = np.repeat([0, 1, 2], [count - 200, 100, 100]).astype(np.int8)
    arrays = RowArrays(inputs, labels, labels.astype(np.float64), codes, np.arange(count))
    return Rows(arrays, arrays.split_rows())


def make_row_config(model_type: str, labels: str = "two", **options: Any) -> RowConfig:
    """A small network of rows."""
    inputs = make_inputs()
    is_tabm = model_type == "tabm"
    values = {"blocks": 2, "width": 16, "dropout": 0.1, "heads": 4, "embedding": 4} | options
    return RowConfig(
        model_type,
        "regression" if labels == "regression" else "classification",
        "y",
        CLASSES[labels],
        ("a", "b", "c"),
        ("d", "e"),
        SIZES,
        members=4 if is_tabm else 1,
        bins=quantile_bins(inputs.numbers, inputs.missing, 6) if is_tabm else (),
        **values,
    )
