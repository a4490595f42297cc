"""What other tools read of the windows."""

import json

import numpy as np

from spline_lstm.series.preprocess import preprocess
from spline_lstm.windows.meta import meta_content
from spline_lstm.windows.windows import make_windows
from tests.builders import (
    HOURLY,
    hours,
    make_preprocess_params,
    make_schema,
    make_table,
    make_window_params,
)


def test_names_and_shapes_are_those_of_the_gathered_windows():
    schema = make_schema(
        target_cols=["y", "z"],
        dynamic_covariates=[{"name": "price"}],
        calendar_features={"enabled": True, "features": ["hour_sin", "hour_cos"]},
    )
    values = np.arange(300.0).reshape(100, 3) % 17
    result = preprocess(
        make_table({"": (hours(100), values)}, ("y", "z", "price")),
        schema,
        make_preprocess_params(feature_mode="multivariate"),
        where="raw.csv",
    )
    params = make_window_params(lookback=5, horizon=2)
    windows = make_windows(result.arrays, result.preprocessor.scaler, HOURLY, params)
    found = json.loads(json.dumps(meta_content(windows, result.preprocessor, ("lstm", "gru"))))
    batch = windows.gather_origins(windows.origins)
    assert found == {
        "feature_mode": "multivariate",
        "model_type_candidates": ["lstm", "gru"],
        "target_cols": ["y", "z"],
        "dynamic_covariates": ["price"],
        "static_covariates": [],
        "X_shape": list(batch.X.shape),
        "y_shape": list(batch.y.shape),
        "f_total": 5,
        "f_target": 2,
        "lookback": 5,
        "horizon": 2,
    }
