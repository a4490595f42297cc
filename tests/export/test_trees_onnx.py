"""Boosted trees as ONNX files, by onnxruntime against the libraries."""

import json

import numpy as np
import onnx
import pytest

from spline_lstm.core.errors import GateError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.params_trees import TreesParams
from spline_lstm.export import trees_onnx
from spline_lstm.export.direction_files import direction_files
from spline_lstm.export.sessions import read_metadata
from spline_lstm.export.trees_onnx import max_difference, tree_files, tree_onnx
from spline_lstm.trees.saved_trees import load_trees, save_trees
from spline_lstm.trees.tree_data import TreeData
from spline_lstm.trees.trees import TreeRows, fit_trees
from tests.trees.conftest import MEMBERS, OBJECTIVES, SMALL, make_rows

NAMES = ("one", "two", "three", "four", "five")


@pytest.fixture(scope="module", params=OBJECTIVES)
def trees(request, tmp_path_factory):
    objective, folder = OBJECTIVES[request.param], tmp_path_factory.mktemp(request.param)
    rows = make_rows(request.param, 0)
    members = {name: fit_trees(name, rows, None, objective, SMALL) for name in MEMBERS}
    save_trees(folder, members, objective, NAMES, "0123")
    return folder, load_trees(folder)


@pytest.mark.parametrize("member", MEMBERS)
def test_the_file_predicts_what_the_trees_do(trees, member, tmp_path):
    _, saved = trees
    model = tree_onnx(saved, member)
    rows = make_rows(saved.objective.kind, 3).X
    assert max_difference(model, saved, member, rows) < 1e-6
    assert tree_onnx(saved, member).content == model.content
    graph = onnx.load_from_string(model.content).graph
    assert [entry.name for entry in (*graph.input, *graph.output)] == ["features", "predicted"]
    path = tmp_path / "trees.onnx"
    path.write_bytes(model.content)
    assert read_metadata(path)["run_id"] == saved.run_id
    assert json.dumps(read_metadata(path)["features"]) == json.dumps(NAMES)


def test_trees_without_a_question_answer_the_share_of_the_class(tmp_path):
    rows = make_rows("binary", 0, 20)
    trees = fit_trees("xgboost", rows, rows, OBJECTIVES["binary"], TreesParams())
    save_trees(tmp_path, {"xgboost": trees}, OBJECTIVES["binary"], NAMES, "0123")
    saved = load_trees(tmp_path)
    assert saved.members["xgboost"].predict(rows.X) == pytest.approx(rows.y.mean())
    assert max_difference(tree_onnx(saved, "xgboost"), saved, "xgboost", rows.X) < 1e-6


@pytest.mark.parametrize("member", MEMBERS)
def test_values_at_a_threshold_take_the_branch_of_the_trees(member, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(30, 10, (400, 5)).round(1).astype(np.float32)
    # The values between are those of the file, which are at thresholds.
    even = (values * 5).round().astype(np.float32) / np.float32(5)
    label = (even[:, 0] + 5 * rng.normal(size=400) > 30).astype(float)
    rows, objective = TreeRows(even.astype(float), label), OBJECTIVES["binary"]
    trees = fit_trees(member, rows, None, objective, SMALL.model_copy(update={"rounds": 200}))
    save_trees(tmp_path, {member: trees}, objective, NAMES, "0123")
    saved = load_trees(tmp_path)
    grid = np.repeat(np.arange(0, 60, 0.1, dtype=np.float32)[:, None], 5, axis=1)
    assert max_difference(tree_onnx(saved, member, decimals=True), saved, member, grid) < 1e-6
    if member == "lightgbm":
        assert max_difference(tree_onnx(saved, member), saved, member, grid) > 1e-4


def test_the_sets_of_operators_are_in_order(trees):
    model = onnx.load_from_string(tree_onnx(trees[1], "lightgbm").content)
    assert [entry.domain for entry in model.opset_import] == ["", "ai.onnx.ml"]


def test_a_file_that_is_off_does_not_pass(trees, monkeypatch):
    folder, saved = trees
    splits = {"validation": make_rows(saved.objective.kind, 3)}
    data = TreeData(saved.objective, NAMES, splits, "0123")
    files = tree_files(folder, data, Params())
    assert set(files) == {"lightgbm.onnx", "xgboost.onnx"}
    for model, figures in files.values():
        assert figures["bytes"] == len(model.content)
        assert figures["max_abs_diff"] < 1e-6
    monkeypatch.setattr(trees_onnx, "PARITY", 0.0)
    with pytest.raises(GateError, match="off the trees, the limit is 0"):
        tree_files(folder, data, Params())
    export = Params().export.model_copy(update={"formats": ("tflite",), "variants": ()})
    assert tree_files(folder, data, Params().model_copy(update={"export": export})) == {}
    assert np.isfinite(saved.importance()["xgboost"]["one"])


def test_a_pipeline_of_the_task_direction_exports_its_trees(direction_folder):
    files = direction_files(direction_folder, load_params(direction_folder))
    assert set(files) == {"lightgbm.onnx", "xgboost.onnx"}
    assert all(figures["max_abs_diff"] < 1e-6 for _, figures in files.values())
