"""A pipeline folder of the task direction, whose network is one feature that can be computed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from spline_lstm.core.artifacts import write_arrays, write_metrics, write_text
from spline_lstm.core.params import load_params
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.direction_scores import direction_tables, score_direction
from spline_lstm.evaluation.scores import to_records
from spline_lstm.export.checksum import BLANK, KEY, sealed
from spline_lstm.market.preprocess import preprocess_direction
from spline_lstm.market.windows import direction_window_files, load_direction_windows
from stages import train_trees
from tests.market.builders import direction_params, direction_schema, make_frame

FEATURE, SLOPE = 0, 0.5
VALUES = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "trees.rounds": 12,
    "trees.min_rows": 20,
    "probability.repetitions": 100,
}


class StandIn:
    """A network: the logistic function of half the first feature of the last day."""

    run_id = "network"

    def predict(self, X):
        """[windows, 1] probabilities of z-scores."""
        return 1 / (1 + np.exp(-SLOPE * X[:, -1, [FEATURE]]))


def table() -> pd.DataFrame:
    """Three symbols; the last one is listed later, and all end on the same day."""
    whole = [make_frame(days=700, seed=seed, symbol=name) for seed, name in enumerate("AB")]
    late = make_frame(days=700, seed=9, symbol="C").iloc[200:]
    return pd.concat([*whole, late], ignore_index=True)


def make_direction_folder(folder: Path) -> Path:
    """Run what the stages do from preprocess to evaluate, and write the files of an export."""
    pipeline = Pipeline(folder)
    write_text(pipeline.params, params_text(direction_params(VALUES)))
    write_text(folder / "schema.json", direction_schema().model_dump_json())
    text = table().to_csv(index=False)
    write_text(folder / "table.csv", text)
    write_text(pipeline.raw_csv, text)
    params = load_params(folder)
    preprocessed = preprocess_direction(folder, params)
    preprocessed.write(pipeline)
    write_arrays(pipeline.windows, direction_window_files(folder, params).arrays)
    train_trees.main(folder)
    scores = score_direction(folder, StandIn(), load_direction_windows(folder), params)
    direction_tables(pipeline.plots, scores)
    write_metrics(pipeline.metrics("evaluate"), to_records(scores.content))
    write_metrics(pipeline.metrics("train"), {})
    write_network(pipeline.exported / "model.onnx", preprocessed.preprocessor)
    return folder


def write_network(path, preprocessor, run_id=StandIn.run_id):
    """`StandIn` as an exported file: data units in."""
    center, scale = (getattr(preprocessor.scaler, name) for name in ("center", "scale"))
    shape = ["batch", 20, len(preprocessor.features)]
    constants = {
        "start": np.array([-1]),
        "end": np.array([20]),
        "axis": np.array([1]),
        "feature": np.array([FEATURE]),
        "center": center[[FEATURE]].astype(np.float32),
        "factor": (SLOPE / scale[[FEATURE]]).astype(np.float32),
    }
    nodes = [
        helper.make_node("Slice", ["history", "start", "end", "axis"], ["last"]),
        helper.make_node("Gather", ["last", "feature"], ["value"], axis=2),
        helper.make_node("Sub", ["value", "center"], ["moved"]),
        helper.make_node("Mul", ["moved", "factor"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["forecast"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one feature",
        [helper.make_tensor_value_info("history", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["batch", 1, 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"spline_lstm": json.dumps({"run_id": run_id, KEY: BLANK})})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sealed(model.SerializeToString()))
