"""A panel in partitions that is small enough to be preprocessed in a blink."""

import json
from hashlib import sha256

import numpy as np
import pandas as pd

from spline_lstm.core.params import Params, with_values
from spline_lstm.series.preprocess_partitions import preprocess_partitions
from spline_lstm.tables.partitions import ingest_partitions

SCHEMA = {"version": 1, "timestamp_col": "time", "series_col": "shop", "target_cols": ["sales"]}
VALUES = {
    "data.source": "panel.parquet",
    "data.schema_file": "schema.json",
    "data.partition_rows": 100,
    "preprocess.frequency": "1h",
    "preprocess.min_rows": 1,
    "window.lookback": 6,
    "window.horizon": 2,
}


def hashes(folder, run):
    """SHA-256 of the raw partitions and the arrays of eight noisy series, by file."""
    folder.mkdir()
    rng, times = np.random.default_rng(0), pd.date_range("2024-01-01", periods=50, freq="h")
    parts = [
        pd.DataFrame({"time": times, "shop": f"shop {number}", "sales": rng.normal(size=50)})
        for number in range(8)
    ]
    pd.concat(parts).to_parquet(folder / "panel.parquet", index=False)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    params = with_values(Params(), VALUES, "test").model_copy(update={"run": run})
    ingest_partitions(folder, params)
    arrays = preprocess_partitions(folder, params).building
    paths = sorted([*(folder / "data/raw/series").iterdir(), *arrays.iterdir()])
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in paths}
