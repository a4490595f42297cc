"""Pipeline folders with everything that the page shows, and folders with nothing."""

import json
import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import load_params
from spline_lstm.core.yaml_files import render_params
from spline_lstm.store.files import Store
from spline_lstm.store.predictions import add_predictions
from spline_lstm.store.registry import Registry
from stages import ingest, preprocess
from tests.builders import HOUR, HOURLY, ROOT, START
from tests.exported_sum import HORIZON, LOOKBACK, frame
from tests.store.examples import NOW, ROWS, VALUES, make_folder, make_model, scored

PARAMS = VALUES | {
    "preprocess.frequency": "1h",
    "preprocess.feature_mode": "multivariate",
    "preprocess.max_gap": 3,
    "preprocess.outliers.method": "off",
    "window.lookback": LOOKBACK,
    "window.horizon": HORIZON,
    "evaluate.season": 24,
}
# Rows of the table without a target, two of them next to each other, and origins after them.
GAPS = (100, 101, 105)
ORIGINS = range(104, 117)
MARKUP = "![x](http://example.org/x.png) <b>"


def empty_folder(folder: Path) -> Path:
    """A pipeline that was never run."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, PARAMS), encoding="utf-8")
    return folder


def full_folder(folder: Path) -> Path:
    """A pipeline with all files and stores: two shops, of which `a` has gaps."""
    table = frame(ROWS)
    table.loc[[*GAPS], "y"] = np.nan
    folder.mkdir(parents=True, exist_ok=True)
    make_folder(folder, table)
    empty_folder(folder)
    for stage in (ingest, preprocess):
        stage.main(folder)
    write_forecasts(folder / "data/predictions.parquet")
    write_comparison(folder)
    write_json(folder / "metrics/backtest.json", backtest_content())
    fill_store(folder)
    return folder


def write_forecasts(path: Path) -> None:
    """For each shop and origin three steps: forecast = row + step / 10, half widths 1 and 2."""
    rows = pd.DataFrame(
        [(shop, origin, step) for shop in "ab" for origin in ORIGINS for step in (1, 2, 3)],
        columns=["series", "origin", "step"],
    )
    row = rows["origin"] + rows["step"] - 1
    first = rows["series"].map({"a": 100.0, "b": 1000.0})
    point = first + row + rows["step"] / 10
    rows = rows.assign(
        origin=instants(rows["origin"]),
        timestamp=instants(row),
        target="y",
        y_true=(first + row).where(~row.isin(GAPS) | (rows["series"] == "b")),
        y_pred=point,
        lower_80=point - 1,
        upper_80=point + 1,
        lower_95=point - 2,
        upper_95=point + 2,
    )
    path.parent.mkdir(exist_ok=True)
    rows.to_parquet(path, index=False)


def instants(rows) -> pd.DatetimeIndex:
    return pd.to_datetime(START + HOUR * np.asarray(rows, dtype=np.int64), utc=True)


def backtest_content() -> dict:
    """Two folds, the later one first."""
    folds = [
        {
            "fold": str(fold),
            "train_start": "2020-01-01T00:00:00Z",
            "test_start": f"2020-01-{10 * fold:02d}T00:00:00Z",
            "test_end": f"2020-01-{10 * fold + 9:02d}T00:00:00Z",
            "test_windows": 7,
            "mae": 1.0 * fold,
            "rmse": 2.0 * fold,
            "baselines": {"naive": {"rmse": 3.0}},
        }
        for fold in (2, 1)
    ]
    return {"backtest_folds": 2, "backtest_rmse": 3.0, "folds": folds}


def write_comparison(folder: Path) -> None:
    runs = [("lstm", 42, 3.0, 0.5), ("gru", 42, 2.0, 0.7), ("gru", 7, 2.5, 0.6)]
    rows = [
        f"{index}f,{kind},univariate,{seed},{rmse},{p95},0.2,{kind}-univariate-s{seed}"
        for index, (kind, seed, rmse, p95) in enumerate(runs)
    ]
    head = "run_id,model_type,data_mode,seed,RMSE,p95(ms),model_size(MB),notes"
    naive = "9f,naive,univariate,,9.0,,,baseline"
    text = "\n".join([head, *rows, naive]) + "\n"
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/comparison.csv").write_text(text, encoding="utf-8")
    summary = {
        "recommended": "lstm-univariate-s42",
        "accuracy": "gru-univariate-s42",
        "edge": "lstm-univariate-s42",
        "reason": f"it is small {MARKUP}",
        "missing": [],
    }
    (folder / "metrics/comparison.json").write_text(json.dumps(summary), encoding="utf-8")


def fill_store(folder: Path) -> None:
    """Three models, the first one promoted, and predictions of two shops on two days."""
    store = store_of(folder)
    registry = Registry(store.registry)
    registry.promote("model", NOW.isoformat())
    (store.models / "other").mkdir()
    registry.add(
        make_model(model_id="other", path="models/other", created_at="2026-03-02T00:00:00+00:00",
                   metrics_json='{"rmse": 1.5, "beats_baselines": true, "splits": []}')
    )  # fmt: skip
    failed = {"status": "failed", "path": "", "metrics_json": "{}", "reason": f"loss {MARKUP}"}
    registry.add(make_model(model_id="failed-1", **failed))
    for hours in ((23,), (47,)):
        rows = scored(hours, symbols=("a", "b"), lower_80=0.0, upper_80=100.0)
        add_predictions(store.predictions, "forecast", "model", rows, HOURLY, NOW)
    late = NOW + timedelta(days=1)
    rows = scored((47,), add=5.0, lower_80=0.0, upper_80=100.0)
    add_predictions(store.predictions, "forecast", "other", rows, HOURLY, late)


def store_of(folder: Path) -> Store:
    return Store.of(folder, load_params(folder).store)


def touch(path: Path, content: bytes) -> None:
    """Write a file whose time of change differs from before, however fast the test is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_bytes(content)
    os.utime(path, ns=(before + 10**9, before + 10**9))
