"""A call that a model answers, made of nothing but what the model says about itself."""

import math
from typing import Any

import numpy as np

from spline_lstm.core.clock import Clock
from spline_lstm.core.covariates import DynamicCovariate
from spline_lstm.service.forecasts import texts
from spline_lstm.service.loaded import LoadedModel
from spline_lstm.service.served_file import ServedFile
from spline_lstm.service.tensors import metadata_of
from spline_lstm.windows.preprocessor import Preprocessor


def forecast_example(model: LoadedModel, rows: int = 0) -> dict[str, Any]:
    """A body of ``POST /v1/forecast``: waves around the training center, after the training.

    Parameters
    ----------
    model : LoadedModel
    rows : int
        Of history; by default a few more than the lookback.
    """
    preprocessor, metadata = model.preprocessor, model.forecaster.metadata
    lookback, horizon = metadata["lookback"], metadata["horizon"]
    clock, schema = preprocessor.clock, preprocessor.schema
    rows = rows or lookback + preprocessor.params.max_gap
    times = _times(clock, int(preprocessor.split_instants[-1]), rows + horizon)
    names = preprocessor.targets
    scores = np.sin(np.arange(rows) / 4)[None, :, None] / 2 * np.ones(len(names))
    series = np.zeros(1, dtype=np.int64)
    scaler = preprocessor.target_scaler
    values = scaler.inverse(scores, series if scaler.per_series else None)[0]
    body: dict[str, Any] = {
        "name": preprocessor.series[0],
        "timestamps": times[:rows],
        "values": {
            name: [_short(value) for value in column]
            for name, column in zip(names, values.T.tolist(), strict=True)
        },
        "covariates": {
            item.name: [_cell(item, preprocessor)] * rows for item in schema.dynamic_covariates
        },
        "static": {item.name: _text(item.name, preprocessor) for item in schema.static_covariates},
    }
    if preprocessor.known_future:
        ahead = {
            item.name: [_cell(item, preprocessor)] * horizon for item in preprocessor.known_future
        }
        body["future"] = {"timestamps": times[rows:], "covariates": ahead}
    return {key: value for key, value in body.items() if value not in ({}, "")}


def _times(clock: Clock, begin: int, count: int) -> list[Any]:
    row = int(clock.first_rows(np.array([begin], dtype=np.int64))[0])
    return texts(clock, clock.timestamps_of(row + np.arange(count)))


def _short(value: float) -> float:
    """Five digits."""
    if not value:
        return 0.0
    return round(value, 4 - math.floor(math.log10(abs(value))))


def _cell(item: DynamicCovariate, preprocessor: Preprocessor) -> Any:
    """An ordinary value of a covariate."""
    if item.dtype == "categorical":
        return preprocessor.categories.get(item.name, ("",))[0]
    return True if item.is_boolean else 0


def _text(name: str, preprocessor: Preprocessor) -> str:
    return preprocessor.statics[name][0]


def infer_example(file: ServedFile) -> dict[str, Any]:
    """A body of ``POST /v2/models/{model}/infer``: one window, or row, of ones."""
    inputs = []
    for tensor in metadata_of(file)["inputs"]:
        shape = [1, *tensor["shape"][1:]]
        one = 0 if tensor["datatype"] == "INT32" else 1.0
        inputs.append({**tensor, "shape": shape, "data": [one] * math.prod(shape)})
    return {"id": "1", "inputs": inputs}
