"""A small pipeline after report: two series, two targets, gaps, a network of four units."""

from pathlib import Path

import numpy as np

from spline_lstm.core.yaml_files import render_params
from stages import evaluate, ingest, preprocess, report, train_flax_rnn, window
from tests.builders import ROOT

HOURS = 700
VALUES = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    # So low that noise is a reason for a warning.
    "preprocess.drift.ks": 0.05,
    "window.lookback": 24,
    "window.horizon": 3,
    "model.hidden": [4],
    "train.max_epochs": 2,
    "evaluate.season": 48,
}
SCHEMA = """{"version": 1, "timestamp_col": "time", "series_col": "site",
"target_cols": ["load", "heat"]}
"""


def make_small_pipeline(folder: Path) -> Path:
    """Write params, schema and table into an existing folder, and run the stages up to report."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, VALUES), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    (folder / "table.csv").write_text(table(), encoding="utf-8")
    for stage in (ingest, preprocess, window, train_flax_rnn, evaluate, report):
        stage.main(folder)
    return folder


def table() -> str:
    """Daily waves of two sites with noise, without every 23rd hour, one day and every 31st heat."""
    rng = np.random.default_rng(5)
    rows = ["site,time,load,heat"]
    # A name that would be a tag if it were not escaped.
    for index, site in enumerate(("<b>north", "south")):
        for hour in range(HOURS):
            if hour % 23 == 0 or 300 <= hour < 324:
                continue
            wave = np.sin(2 * np.pi * hour / 24)
            heat = "" if hour % 31 == 0 else f"{50 + 9 * wave + rng.normal():.3f}"
            load = 10 + 3 * wave + 5 * index + rng.normal()
            rows.append(f"{site},2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{load:.3f},{heat}")
    return "\n".join(rows) + "\n"
