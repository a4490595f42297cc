"""A hand-made exported file whose forecasts can be said by head: last target + known price."""

import json

import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from spline_lstm.export.checksum import BLANK, KEY, sealed
from tests.builders import HOUR, HOURLY, START, make_schema

LOOKBACK, HORIZON, ROWS = 4, 3, 60
SCHEMA = make_schema(
    series_col="shop", dynamic_covariates=[{"name": "price", "known_future": True}]
)


def frame(rows=ROWS):
    """Two shops; y counts the hours from 100 (from 1000 in shop b), price is twice the hour."""
    number = np.arange(rows)
    timestamps = pd.to_datetime(START + number * HOUR)
    parts = [
        pd.DataFrame({"time": timestamps, "shop": shop, "y": begin + number, "price": 2.0 * number})
        for shop, begin in (("a", 100.0), ("b", 1000.0))
    ]
    return pd.concat(parts, ignore_index=True)


def write_model(path, preprocessor):
    """An ONNX file: forecast = last y + price of the row to forecast."""
    nodes = [
        helper.make_node("Slice", ["history", "start", "end", "rows"], ["last_row"]),
        helper.make_node("Gather", ["last_row", "target"], ["last"], axis=2),
        helper.make_node("Add", ["last", "future"], ["forecast"]),
    ]
    constants = {"start": [-1], "end": [LOOKBACK], "rows": [1], "target": [0]}
    graph = helper.make_graph(
        nodes,
        "sum",
        [
            helper.make_tensor_value_info("history", TensorProto.FLOAT, ["batch", LOOKBACK, 2]),
            helper.make_tensor_value_info("future", TensorProto.FLOAT, ["batch", HORIZON, 1]),
        ],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["batch", HORIZON, 1])],
        [
            numpy_helper.from_array(np.array(value, np.int64), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {
        "run_id": "model",
        "model_type": "sum",
        "preprocessor_run_id": preprocessor.run_id,
        "features": list(preprocessor.features),
        "targets": ["y"],
        "quantiles": [],
        "lookback": LOOKBACK,
        "horizon": HORIZON,
        "frequency": "1h",
        "time_zone": "UTC",
        "clock": HOURLY.to_json(),
        "inputs": {"history": "", "future": ""},
        "outputs": {"forecast": ""},
        KEY: BLANK,
    }
    helper.set_model_props(model, {"spline_lstm": json.dumps(metadata)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sealed(model.SerializeToString()))
