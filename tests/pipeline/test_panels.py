"""Panels as public files have them, from a file to the forecast of an exported file."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest

from spline_lstm.cli.predict import add_arguments, run
from spline_lstm.core.yaml_files import render_params
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.inference.forecaster import Forecaster
from stages import benchmark, evaluate, export, ingest, preprocess, train_flax_rnn, window
from tests.builders import ROOT

pytestmark = pytest.mark.usefixtures("no_pictures")

STAGES = (ingest, preprocess, window, train_flax_rnn, evaluate, export, benchmark)
DEFAULTS = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "preprocess.scaler_scope": "auto",
    "model.type": "linear",
    "export.variants": [],
    "benchmark.calls": 100,
    "benchmark.max_p95_ms": 1000,
}
SCHEMA = {"version": 1, "timestamp_col": "time", "series_col": "id", "target_cols": ["value"]}
METER = 51653410816


def pipeline(folder, table, schema=None, **values):
    """The folder after benchmark, and the content of metrics/evaluate.json."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(
        render_params(text, {**DEFAULTS, **values}), encoding="utf-8"
    )
    (folder / "schema.json").write_text(json.dumps({**SCHEMA, **(schema or {})}))
    table.to_csv(folder / "table.csv", index=False)
    for stage in STAGES:
        stage.main(folder)
    content = json.loads((folder / "metrics/evaluate.json").read_text())
    return content, {row["series"]: row for row in content["series"]}


def long(columns, start, frequency):
    """A long table of the values of each series."""
    rows = len(next(iter(columns.values())))
    times = pd.date_range(start, periods=rows, freq=frequency)
    parts = [
        pd.DataFrame({"id": name, "time": times, "value": np.asarray(values, dtype=object)})
        for name, values in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def predicted(folder, suffix):
    """The CSV of the command predict, as a table."""
    out = folder / "forecast.csv"
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = (folder / f"models/edge/model{suffix}", folder / "table.csv", "--output", out)
    run(parser.parse_args([str(word) for word in words]))
    return pd.read_csv(out, dtype={"value": str})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "gru"])
def test_a_meter_of_5e10_beside_a_trace_of_1e_7(tmp_path, kind):
    rng = np.random.default_rng(9)
    wave = np.sin(2 * np.pi * np.arange(24 * 50) / 24)
    table = long(
        {
            "meter": [METER + round(value) for value in 50 * wave + rng.normal(0, 3, 1200)],
            "trace": [f"{1e-7 * (1 + 0.1 * w):.6e}" for w in wave + rng.normal(0, 0.05, 1200)],
        },
        "2024-01-01",
        "h",
    )
    values = {"preprocess.frequency": "1h", "window.lookback": 24, "window.horizon": 6}
    network = {"model.type": kind, "model.hidden": [8], "train.max_epochs": 15}
    _, series = pipeline(tmp_path, table, **values, **network)
    naive = {"meter": 30.0, "trace": 6e-9}
    for name, row in series.items():
        assert row["rmse"] < 0.3 * naive[name]
        assert row["mase"] is not None
    pipeline_forecast = Forecaster.load(tmp_path).forecast(table)
    sizes = np.array([35.0, 7e-9])[:, None, None]
    for suffix in (".onnx", ".tflite"):
        exported = ExportedForecaster.load(
            tmp_path / f"models/edge/model{suffix}", tmp_path / "models/preprocessor.json"
        )
        found = exported.predict((tmp_path / "table.csv").read_bytes())
        assert (np.abs(found.point - pipeline_forecast.point) / sizes).max() < 1e-4
    rows = predicted(tmp_path, ".onnx")
    meter = rows.loc[rows["series"] == "meter", "value"]
    assert len(set(meter.astype(float) % 4096)) > 1
    assert all(abs(float(text) - METER) < 100 and len(text) >= 14 for text in meter)


@pytest.mark.slow
def test_constant_zero_and_weekly_series_in_a_panel(tmp_path):
    week = np.array([5, 7, 9, 4, 3, 8, 6])
    rng = np.random.default_rng(8)
    days = np.arange(420)
    table = long(
        {
            "normal": (30 + week[days % 7] + rng.normal(size=420)).round(3),
            "constant": [METER] * 420,
            "zero": [0] * 420,
            "weekly": week[days % 7],
        },
        "2022-01-01",
        "D",
    )
    values = {"preprocess.frequency": "D", "window.lookback": 14, "window.horizon": 7}
    content, series = pipeline(
        tmp_path, table, {"target_bounds": [0, None]}, **values, **{"evaluate.season": 7}
    )
    assert (content["mase_series"], content["scored_series"]) == (1, 4)
    assert content["mase"] == series["normal"]["mase"] < 1.2
    for name in ("constant", "zero"):
        assert (series[name]["rmse"], series[name]["smape"], series[name]["mase"]) == (0, 0, None)
        assert series[name]["mase_undefined"] == "it is constant in the training split"
    assert "repeats its season of 7 rows" in series["weekly"]["mase_undefined"]
    rows = predicted(tmp_path, ".tflite").set_index("series")["value"].astype(float)
    assert rows["constant"].tolist() == [METER] * 7
    assert rows["zero"].tolist() == [0.0] * 7


@pytest.mark.slow
def test_ragged_short_and_empty_series_in_a_panel(tmp_path, capsys):
    rng = np.random.default_rng(10)
    days = np.arange(400)
    columns = {}
    for name, begin in {"a": 0, "b": 100, "c": 300, "ended": 0, "short": 391, "empty": 400}.items():
        values = (10 + 3 * np.sin(2 * np.pi * days / 7) + rng.normal(0, 0.5, 400)).round(3)
        alive = (days >= begin) & ((name != "ended") | (days <= 250))
        columns[name] = np.where(alive, values.astype(object), "")
    values = {"preprocess.frequency": "D", "window.lookback": 14, "window.horizon": 7}
    content, series = pipeline(tmp_path, long(columns, "2023-01-01", "D"), **values)
    quality = json.loads((tmp_path / "metrics/data.json").read_text())
    assert quality["skipped_series"] == [
        {"series": "empty", "rows": 0, "needed": 21},
        {"series": "short", "rows": 9, "needed": 21},
    ]
    assert [row["missing_share"] for row in quality["per_series"]] == [0.0] * 4
    assert set(series) == {"a", "b", "c", "ended"}
    assert content["rmse"] < 1.0
    rows = predicted(tmp_path, ".onnx")
    assert set(rows["series"]) == {"a", "b", "c", "ended"}
    assert np.isfinite(rows["value"].astype(float)).all()
    notes = capsys.readouterr().err
    assert "series 'short' has 9 rows from the first to the last observed target" in notes
    assert "series 'empty' has no observed target" in notes
