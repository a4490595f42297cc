"""A small pipeline of the task tabular after report: an invented table, a small network."""

from pathlib import Path

import numpy as np

from spline_lstm.core.yaml_files import render_params
from spline_lstm.scaffold.write_folder import render_schema
from stages import (
    benchmark,
    evaluate,
    export,
    ingest,
    preprocess,
    report,
    train_flax_rnn,
    train_trees,
    window,
)
from tests.builders import ROOT
from tests.rows.tables import KINDS, frame

VALUES = {
    "data.source": "table.csv",
    "tabular.target": "y",
    "tabular.above": None,
    "model.type": "mlp",
    "model.rows.width": 8,
    "model.rows.blocks": 1,
    "train.max_epochs": 8,
    "trees.members": ["lightgbm"],
    "trees.rounds": 30,
    "trees.min_rows": 10,
    "benchmark.calls": 100,
    "benchmark.warmup_calls": 0,
    "benchmark.repeats": 2,
}


def make_rows_folder(folder: Path) -> Path:
    """Write params, schema and table into an existing folder, and run all stages."""
    text = (ROOT / "pipelines/tabular/params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, VALUES), encoding="utf-8")
    columns = [{"name": name, "kind": kind} for name, kind in KINDS.items()]
    schema = render_schema({"version": 1, "columns": columns})
    (folder / "schema.json").write_text(schema, encoding="utf-8")
    content = frame()
    content.loc[::11, "z"] = np.nan
    content.to_csv(folder / "table.csv", index=False)
    stages = (ingest, preprocess, window, train_flax_rnn, train_trees, evaluate, export, benchmark)
    for stage in (*stages, report):
        stage.main(folder)
    return folder
