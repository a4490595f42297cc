"""A pipeline folder of the task direction: small trees, and a network that can be said by head."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from spline_lstm.core.artifacts import write_bytes, write_json
from spline_lstm.core.params_trees import TreesParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.checksum import BLANK, KEY, sealed
from spline_lstm.export.trees_onnx import tree_onnx
from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import windows_of_days
from spline_lstm.trees.calibration import Calibration
from spline_lstm.trees.ensemble import Ensemble
from spline_lstm.trees.saved_trees import load_trees, save_trees
from spline_lstm.trees.trees import Objective, TreeRows, fit_trees
from tests.market.builders import direction_params, direction_schema, make_frame, read

LOOKBACK = 5
PARAMS = direction_params({"window.lookback": LOOKBACK, "preprocess.min_rows": 10})
WEIGHTS = {"lightgbm": 0.25, "xgboost": 0.25, "network": 0.5}
TREES = TreesParams(rounds=5, learning_rate=0.3, min_rows=5, leaves=4, depth=2, stop_rounds=None)


def bars(days=200, first=0) -> pd.DataFrame:
    """Two symbols."""
    whole = [make_frame(days=days, seed=seed, symbol=name) for seed, name in enumerate("AB")]
    return pd.concat([frame.iloc[first:] for frame in whole], ignore_index=True)


def make_direction_folder(folder: Path) -> Path:
    """Params, schema and the files of a trained ensemble."""
    folder.mkdir()
    pipeline = Pipeline(folder)
    (folder / "params.yaml").write_text(PARAMS.model_dump_json())
    schema = direction_schema()
    (folder / "schema.json").write_text(json.dumps(schema.model_dump(mode="json")))
    made = preprocess_bars(read(bars()), schema, PARAMS, where="bars")
    preprocessor = made.preprocessor
    preprocessor.save(pipeline.preprocessor)
    windows = windows_of_days(made.arrays, preprocessor, PARAMS)
    batch = windows.gather_origins(windows.origins)
    rows = TreeRows(
        batch.X[:, -1].astype(np.float64), (batch.X[:, -1, 0] > batch.X[:, -1, 1]).astype(float)
    )
    objective = Objective("binary")
    members = {
        name: fit_trees(name, rows, None, objective, TREES) for name in ("lightgbm", "xgboost")
    }
    trees_id = save_trees(
        pipeline.trees, members, objective, preprocessor.features, preprocessor.run_id
    )
    write_network(pipeline.exported / "model.onnx", preprocessor)
    trees = tree_onnx(load_trees(pipeline.trees), "lightgbm")
    write_bytes(pipeline.exported / "lightgbm.onnx", trees.content)
    halves = {"lightgbm": 0.5, "xgboost": 0.5}
    ensemble = Ensemble(WEIGHTS, halves, None, Calibration(), "fixed")
    ids = {"run_id": "ensemble", "trees_run_id": trees_id, "network_run_id": "network"}
    write_json(pipeline.ensemble, {**ids, **ensemble.to_json()})
    return folder


def write_network(path: Path, preprocessor) -> None:
    """An ONNX file: the logistic function of the first feature of the last day."""
    features = len(preprocessor.features)
    nodes = [
        helper.make_node("Gather", ["history", "day"], ["last"], axis=1),
        helper.make_node("Gather", ["last", "first"], ["value"], axis=2),
        helper.make_node("Sigmoid", ["value"], ["forecast"]),
    ]
    constants = {"day": [LOOKBACK - 1], "first": [0]}
    graph = helper.make_graph(
        nodes,
        "first",
        [
            helper.make_tensor_value_info(
                "history", TensorProto.FLOAT, ["batch", LOOKBACK, features]
            )
        ],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["batch", 1, 1])],
        [
            numpy_helper.from_array(np.array(value, np.int64), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {
        "run_id": "network",
        "preprocessor_run_id": preprocessor.run_id,
        "features": list(preprocessor.features),
        "inputs": {"history": ""},
        "outputs": {"forecast": ""},
        KEY: BLANK,
    }
    helper.set_model_props(model, {"spline_lstm": json.dumps(metadata)})
    write_bytes(path, sealed(model.SerializeToString()))


def bars_body(frame: pd.DataFrame) -> dict:
    """The bars of all symbols as a body."""
    columns = ("open", "high", "low", "close", "volume", "adj_close")
    return {
        "series": [
            {
                "name": name,
                "timestamps": rows["date"].tolist(),
                "values": {column: rows[column].tolist() for column in columns},
            }
            for name, rows in frame.groupby("symbol")
        ]
    }
