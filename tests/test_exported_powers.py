"""Logarithms of a panel, and histories below their floor, from raw rows through the gate."""

import json

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.yaml_files import render_params
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.inference.forecaster import Forecaster
from stages import benchmark, evaluate, export, ingest, preprocess, train_flax_rnn, window
from tests.builders import ROOT
from tests.small_pipeline import SCHEMA, VALUES

HOURS = 700
SHARED = VALUES | {
    "export.variants": [],
    "export.golden_windows": 64,
    "benchmark.calls": 100,
    "benchmark.max_p95_ms": 1000.0,
}
BUDGET = {
    "train.max_epochs": None, "train.max_steps": 40, "train.eval_steps": 20,
    "backtest.max_epochs": None, "backtest.max_steps": 20,
}  # fmt: skip
MODELS = {
    "network": BUDGET | {"target.transform": "log", "preprocess.scaler_scope": "per_series"},
    "stack": BUDGET | {
        "target.transform": "box-cox", "preprocess.scaler_scope": "per_series",
        "model.linear_skip": "beside", "model.seasonal_skip": True, "model.stack": "shrunk",
    },
    "linear": {"model.type": "linear"},
}  # fmt: skip


def table() -> str:
    """Two sites of very different size that grow; in the last weeks hours near zero."""
    random = np.random.default_rng(6)
    rows = ["site,time,load,heat"]
    for site, level in (("mill", 3e6), ("shed", 4.0)):
        for hour in range(HOURS):
            day = f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00"
            growth = np.exp(0.0005 * hour + 0.3 * np.sin(2 * np.pi * hour / 24))
            low = 0.01 if hour > 600 and hour % 7 == 6 else 1.0
            values = level * growth * np.exp(random.normal(0, 0.05, 2)) * [low, 1.0]
            rows.append(f"{site},{day},{values[0]:.6g},{values[1]:.6g}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module", params=MODELS)
def folder(request, tmp_path_factory, no_pictures):
    folder = tmp_path_factory.mktemp(request.param)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    changes = SHARED | MODELS[request.param]
    (folder / "params.yaml").write_text(render_params(text, changes), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    (folder / "table.csv").write_text(table(), encoding="utf-8")
    for stage in (ingest, preprocess, window, train_flax_rnn, evaluate, export, benchmark):
        stage.main(folder)
    return folder


@pytest.mark.slow
def test_the_files_pass_the_gate(folder):
    assert json.loads((folder / "metrics/latency.json").read_text())["passed"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_the_files_forecast_raw_rows_as_the_pipeline_does(folder, suffix):
    history = pd.read_csv(folder / "data/raw/series.csv")
    loads = history.groupby("site")["load"]
    # The last row lies below the floor, half of the least training value.
    assert (loads.last() < 0.5 * loads.head(490).groupby(history["site"]).min()).all()
    exported = ExportedForecaster.load(
        folder / f"models/edge/model.{suffix}", folder / "models/preprocessor.json"
    ).predict(history)
    found = Forecaster.load(folder).forecast(history)
    unit = history.groupby("site")[["load", "heat"]].std().to_numpy()[:, None]
    assert exported.series == found.series == ("mill", "shed")
    assert np.abs((exported.point - found.point) / unit).max() < 1e-3
