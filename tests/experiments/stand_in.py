"""A pipeline with the same stage names whose work takes a moment, to test the driver.

Its forecasts are off by a constant, which is their RMSE: 15 for the lstm, 15.5 for the gru, 20 for
the baseline naive.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from onnx import TensorProto, helper
from ruamel.yaml import YAML

PIPELINE = """stages:
  ingest: {cmd: python -c pass, deps: []}
  preprocess: {cmd: python -c pass, deps: []}
  window: {cmd: python -c pass, deps: []}
  train-flax-rnn: {cmd: python -c pass, deps: []}
  export: {cmd: python -c pass, deps: []}
  evaluate:
    cmd: python stages/stand_in.py
    deps: [stages/stand_in.py]
    params: [model.type, preprocess.feature_mode, train.seed, train.batch_size]
    outs: [data/predictions.parquet, data/golden.npz, models/edge]
    metrics:
      - metrics/baselines.json: {cache: false}
      - metrics/evaluate.json: {cache: false}
      - metrics/latency.json: {cache: false}
      - metrics/train.json: {cache: false}
      - metrics/train_time.json: {cache: false}
  benchmark: {cmd: python -c pass, deps: [data/predictions.parquet]}
  report: {cmd: python -c pass, deps: [metrics/evaluate.json]}
  backtest: {cmd: python -c pass, deps: [stages/stand_in.py], params: [model.type]}
"""
# So unequal that no noise of the clock hides it.
SIZE = {"lstm": 20.0, "gru": 0.1}
OFF = {"lstm": 15.0, "gru": 15.5}
NAIVE = 20.0


def scores(off: float) -> dict[str, float]:
    return {"mae": off, "mse": off**2, "rmse": off, "robust_mape": 1.5, "mase": 0.5, "r2": 0.9}


def exported(off: float) -> bytes:
    """A file that adds a constant to the history."""
    shape = ["batch", 4, 1]
    graph = helper.make_graph(
        [helper.make_node("Add", ["history", "off"], ["forecast"])],
        "stand_in",
        [helper.make_tensor_value_info("history", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, shape)],
        [helper.make_tensor("off", TensorProto.FLOAT, [1], [off])],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def main(pipeline: Path) -> None:
    params = YAML(typ="safe").load((pipeline / "params.yaml").read_text())
    model, seed = params["model"]["type"], params["train"]["seed"]
    # The test that kills a run in the middle asks for some time to do so.
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
    if model == os.environ.get("STAND_IN_FAILS"):
        sys.exit("16 training diverged: as it was told to")
    for folder in ("data", "metrics", "models/edge"):
        (pipeline / folder).mkdir(parents=True, exist_ok=True)
    origins = pd.date_range("2024-01-01", periods=40, freq="h", tz="UTC")
    table = pd.DataFrame(
        {"series": "s", "origin": origins, "step": 1, "timestamp": origins, "target": "y"}
    )
    table.assign(y_true=0.0, y_pred=OFF[model], naive=NAIVE).to_parquet(
        pipeline / "data/predictions.parquet"
    )
    history = np.zeros((3, 4, 1), np.float32)
    forecast = np.full((3, 4, 1), OFF[model], np.float32)
    np.savez(pipeline / "data/golden.npz", history=history, forecast=forecast, truth=0.0 * forecast)
    (pipeline / "models/edge/model.onnx").write_bytes(exported(OFF[model]))
    metrics = {
        "baselines": {"naive": scores(NAIVE)},
        "evaluate": {
            **scores(OFF[model]),
            "targets": [{"target": "y", "training_std": 1.0}],
            "horizon": [{"step": "1", "rmse": OFF[model], "skill": 1 - OFF[model] / NAIVE}],
        },
        "latency": {"onnx": {"p50_ms": 1e9, "p95_ms": 1e9, "size_mb": SIZE[model]}},
        "train": {
            "run_id": f"id-{model}",
            "model_type": model,
            "feature_mode": params["preprocess"]["feature_mode"],
            "seed": seed,
            "n_params": 12,
            "epochs": 3,
            "validation_loss": 0.25,
        },
        "train_time": {"train_seconds": time.process_time()},
    }
    for name, content in metrics.items():
        (pipeline / f"metrics/{name}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main(Path(*sys.argv[1:]))
