"""A series is a job of its own: its rows and the preprocessor give its arrays, bit for bit."""

import json
from dataclasses import fields

import numpy as np
import pytest

from spline_lstm.core.params_data import SmoothingParams
from spline_lstm.series.apply import apply
from spline_lstm.series.grid import NEVER
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.raw_table import rows_of
from spline_lstm.windows.preprocessor import Preprocessor
from tests.evaluation.test_leakage import SCHEMA, panel, preprocess_params

PER_ROW = (
    "scaled",
    "causal",
    "valid",
    "raw_target",
    "filled_target",
    "causal_target",
    "observed",
    "timestamps",
    "replaced",
)
WHOLE = (
    "feature_names",
    "target_indices",
    "split_instants",
    "future_indices",
    "calendar_indices",
    "target_bounds",
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"fill": "akima", "scaler": "robust", "scaler_scope": "global"},
        {"smoothing": SmoothingParams(method="replace", strength=None), "season": None},
    ],
    ids=str,
)
def test_each_series_alone_has_the_arrays_that_it_has_in_the_panel(changes):
    table = panel()
    made = preprocess(table, SCHEMA, preprocess_params(**changes), where="panel")
    # As another process would get it.
    preprocessor = Preprocessor.from_json(json.loads(json.dumps(made.preprocessor.to_json())))
    assert {item.name for item in fields(made.arrays)} == {
        *PER_ROW, *WHOLE, "known_at", "series_offsets", "static_ids", "constants"
    }  # fmt: skip
    for index, name in enumerate(table.series_names):
        own = apply(rows_of(table, table.series == index), preprocessor).arrays
        start, end = made.arrays.series_offsets[index : index + 2].tolist()
        for key in PER_ROW:
            expected = getattr(made.arrays, key)[start:end]
            assert getattr(own, key).tobytes() == expected.tobytes(), (name, key)
        for key in WHOLE:
            np.testing.assert_array_equal(getattr(own, key), getattr(made.arrays, key))
        known = made.arrays.known_at[start:end]
        shifted = np.where((known < 0) | (known == NEVER), known, known - start)
        np.testing.assert_array_equal(own.known_at, shifted)
        np.testing.assert_array_equal(own.static_ids[0], made.arrays.static_ids[index])
        np.testing.assert_array_equal(own.constants, made.arrays.constants[index : index + 1])


def test_fitting_does_not_look_at_rows_after_the_training_split():
    table, params = panel(), preprocess_params()
    made = preprocess(table, SCHEMA, params, where="panel")
    instants = made.preprocessor.split_instants
    cut = rows_of(table, table.timestamps < instants[1])
    other = preprocess(cut, SCHEMA, params, where="cut", instants=instants).preprocessor
    assert other.to_json() == made.preprocessor.to_json()
