"""The stage train-trees, with rows that are invented."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.core.params import Params
from spline_lstm.core.params_file import params_text
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import TASKS
from spline_lstm.trees.saved_trees import load_trees
from spline_lstm.trees.tree_data import TreeData
from stages import train_trees
from tests.trees.conftest import OBJECTIVES, SMALL, make_rows


def invented_rows(folder, params):
    """Rows as a task gives them; `folder` has none."""
    splits = {name: make_rows("binary", seed) for seed, name in enumerate(("train", "validation"))}
    features = ("one", "two", "three", "four", "five")
    return TreeData(OBJECTIVES["binary"], features, splits, "0123")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    task = replace(FORECAST, rows=f"{__name__}:invented_rows")
    monkeypatch.setitem(TASKS, "invented", task)
    write_params(tmp_path, SMALL)
    return tmp_path


def write_params(folder, trees):
    params = Params().model_copy(update={"task": "invented", "trees": trees})
    (folder / "params.yaml").write_text(params_text(params), encoding="utf-8")


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_stage_writes_trees_and_what_they_lose(folder):
    line = train_trees.main(folder)
    metrics = json.loads((folder / "metrics/trees.json").read_text())
    assert line.startswith("400 rows, 5 features; lightgbm: ")
    assert metrics["run_id"] == load_trees(folder / "models/trees").run_id
    for member in ("lightgbm", "xgboost"):
        assert metrics[member]["train_loss"] < metrics[member]["validation_loss"] < np.log(2)
        assert sum(row[member] for row in metrics["importance"]) == pytest.approx(1.0, abs=1e-4)
    assert metrics["importance"][0]["feature"] == "one"
    before = files_of(folder)
    train_trees.main(folder)
    assert files_of(folder) == before


def test_a_pipeline_may_have_no_trees(folder):
    write_params(folder, SMALL.model_copy(update={"members": ()}))
    assert train_trees.main(folder).endswith("no trees are asked for")
    assert load_trees(folder / "models/trees").members == {}
