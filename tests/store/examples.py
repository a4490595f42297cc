"""A pipeline folder with a registered model whose forecasts can be said by head."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import load_params
from spline_lstm.core.reading import Reading
from spline_lstm.core.yaml_files import render_params
from spline_lstm.series.preprocess import preprocess
from spline_lstm.store.files import Store, copy_once
from spline_lstm.store.predictions import Scored
from spline_lstm.store.registry import Model, Registry
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import typed_table
from tests.builders import HOUR, ROOT, START, make_preprocess_params
from tests.exported_sum import SCHEMA, frame, write_model

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Five days of two shops.
ROWS = 120
VALUES = {"data.source": "table.csv", "data.schema_file": "schema.json"}


def make_model(**changes) -> Model:
    """A row of the registry, and `changes`."""
    values = {
        "model_id": "aaaa1111",
        "task_id": "forecast",
        "created_at": "2026-03-01T00:00:00+00:00",
        "git_commit": "0" * 40,
        "data_hash": "",
        "params_json": "{}",
        "metrics_json": '{"rmse": 2.0}',
        "path": "models/aaaa1111",
        "status": "registered",
        **changes,
    }
    return Model(**values)


def scored(hours=(0,), steps=2, symbols=("a",), add=0.0, **further) -> Scored:
    """Rows of some symbols; score = hour + step / 10 + `add`."""
    rows = pd.DataFrame(
        [
            (symbol, "y", hour, step)
            for symbol in symbols
            for hour in hours
            for step in range(1, steps + 1)
        ],
        columns=["symbol", "target", "hour", "step"],
    )
    ts = START + HOUR * rows["hour"].to_numpy(np.int64)
    rows = rows.assign(
        ts=ts,
        timestamp=ts + HOUR * rows["step"].to_numpy(np.int64),
        score=rows["hour"] + rows["step"] / 10 + add,
        **further,
    )
    return Scored(rows.drop(columns="hour"), ("toy",))


def make_folder(folder: Path, table: pd.DataFrame | None = None) -> Path:
    """Params, schema, table.csv and a registered model `model` that is not promoted."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, VALUES), encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(SCHEMA.model_dump(mode="json")))
    table = frame(ROWS) if table is None else table
    table.to_csv(folder / "table.csv", index=False)
    trained = folder / "trained"
    write_files(trained)
    store = Store.of(folder, load_params(folder).store)
    files = {path.relative_to(trained).as_posix(): path for path in trained.rglob("*.*")}
    copy_once(files, store.models / "model")
    Registry(store.registry).add(make_model(model_id="model", path="models/model"))
    return folder


def write_files(folder: Path) -> None:
    """The exported model with its preprocessor and intervals."""
    params = make_preprocess_params(feature_mode="multivariate")
    table = typed_table(
        plain_frame(frame(ROWS), SCHEMA, "raw"), SCHEMA, where="raw", reading=Reading()
    )
    preprocessor = preprocess(table, SCHEMA, params, where="raw").preprocessor
    write_model(folder / "models/edge/model.onnx", preprocessor)
    preprocessor.save(folder / "models/preprocessor.json")
    half = {"levels": [80.0], "half_widths": [[[1.0], [2.0], [3.0]]], "n": [[9], [9], [9]]}
    write_json(
        folder / "models/intervals.json", {"run_id": "model", "method": "split conformal", **half}
    )
