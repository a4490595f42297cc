"""Robust normalisation, a transform and windows across gaps, together, through every stage."""

import json
from argparse import Namespace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.cli.audit_leakage import run as audit
from spline_lstm.core.params import load_params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.inference.forecaster import Forecaster
from spline_lstm.windows.windows import load_windows
from stages import benchmark, evaluate, export, ingest, preprocess, report, train_flax_rnn, window
from tests.builders import ROOT
from tests.small_pipeline import SCHEMA, VALUES, table

# Of a run, no test here looks at the pictures.
pytestmark = pytest.mark.usefixtures("no_pictures")

OPTIONS = VALUES | {
    "model.type": "attention_lstm",
    "model.normalization": "robust",
    "preprocess.max_gap": 2,
    "target.transform": "box-cox",
    "window.max_missing_inputs": 0.9,
    "train.max_epochs": None,
    "train.max_steps": 60,
    "train.eval_steps": 20,
    "backtest.max_epochs": None,
    "backtest.max_steps": 20,
    "export.variants": [],
    "export.golden_windows": 64,
    "benchmark.calls": 100,
    "benchmark.max_p95_ms": 1000.0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """After the gate; a day without rows lies in the test split, too."""
    folder = tmp_path_factory.mktemp("options")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, OPTIONS), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    rows = table().splitlines(keepends=True)
    (folder / "table.csv").write_text(
        "".join(row for row in rows if "2024-01-27" not in row), encoding="utf-8"
    )
    for stage in (ingest, preprocess, window, train_flax_rnn, evaluate, report, export, benchmark):
        stage.main(folder)
    return folder


def metrics(folder, name):
    return json.loads((folder / f"metrics/{name}.json").read_text())


@pytest.mark.slow
def test_exported_files_pass_the_gate(folder):
    latency = metrics(folder, "latency")
    assert latency["passed"]
    assert max(latency[kind]["max_abs_diff"] for kind in ("onnx", "tflite")) < 1e-4
    curve = pd.read_csv(folder / "plots/training.csv")
    assert curve["step"].tolist() == [20, 40, 60]
    assert metrics(folder, "train")["steps"] == 60


@pytest.mark.slow
def test_windows_across_gaps_are_counted_and_compared_on_common_ones(folder):
    scores, windows = metrics(folder, "evaluate"), load_windows(folder)
    shares = windows.missing_inputs("test")
    assert scores["missing_inputs"] == pytest.approx(shares.mean())
    assert 0.0 < shares.mean() < 0.9
    common = scores["common_windows"]
    assert common["n_windows"] == int((shares == 0.0).sum()) < scores["n_windows"]
    predictions = pd.read_parquet(folder / "data/predictions.parquet")
    assert np.isfinite(predictions["y_pred"]).all()
    text = (folder / "plots/report.md").read_text(encoding="utf-8")
    assert f"On the {common['n_windows']} test windows without missing inputs" in text


@pytest.mark.slow
def test_nothing_leaks_into_the_channels(folder):
    params = load_params(folder)
    assert params.window.max_missing_inputs == 0.9
    text = audit(Namespace(folder=folder, origins=12, seed=0))
    assert text.endswith("; 0 differ")


@pytest.mark.slow
def test_the_files_and_the_forecaster_forecast_across_a_gap_alike(folder):
    history = (folder / "data/raw/series.csv").read_bytes()
    exported = ExportedForecaster.load(
        folder / "models/edge/model.onnx", folder / "models/preprocessor.json"
    ).predict(history)
    frame = pd.read_csv(folder / "data/raw/series.csv")
    forecaster = Forecaster.load(folder)
    found = forecaster.forecast(frame)
    np.testing.assert_allclose(exported.point, found.point, rtol=1e-3)
    assert (found.point > 0).all()
