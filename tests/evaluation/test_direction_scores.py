"""What the stage evaluate finds of the task direction, from the files that it wrote."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.direction_scores import score_direction
from spline_lstm.market.day_rows import day_rows
from spline_lstm.market.windows import load_direction_windows
from spline_lstm.trees.ensemble import Ensemble
from spline_lstm.trees.saved_trees import load_trees
from tests.direction_folder import StandIn


@pytest.fixture(scope="module")
def predictions(direction_folder):
    return pd.read_parquet(direction_folder / "data/predictions.parquet")


@pytest.fixture(scope="module")
def scores(direction_folder):
    return json.loads((direction_folder / "metrics/evaluate.json").read_text())


def test_predictions_have_a_row_per_symbol_and_day_with_a_label(direction_folder, predictions):
    rows = day_rows(load_direction_windows(direction_folder), "test")
    assert len(predictions) == len(rows.labels)
    np.testing.assert_array_equal(predictions["label"], rows.labels)
    np.testing.assert_array_equal(predictions["forward_return"] > 0.03, rows.labels == 1)
    assert set(predictions["symbol"]) == set("ABC")
    assert not predictions.duplicated(["symbol", "day"]).any()


def test_scores_can_be_computed_again_from_the_predictions(predictions, scores):
    assert scores["auc"] == pytest.approx(
        roc_auc_score(predictions["label"], predictions["ensemble"]), abs=1e-5
    )
    for row in scores["members"]:
        area = roc_auc_score(predictions["label"], predictions[row["member"]])
        assert row["auc"] == pytest.approx(area, abs=1e-5)
    volatility = roc_auc_score(predictions["label"], predictions["volatility"])
    assert scores["increment"]["auc"] == pytest.approx(scores["auc"] - volatility, abs=1e-5)


def test_the_ensemble_of_the_file_gives_the_probabilities(direction_folder, predictions):
    pipeline = Pipeline(direction_folder)
    content = json.loads(pipeline.ensemble.read_text())
    rows = day_rows(load_direction_windows(direction_folder), "test")
    members = {
        **load_trees(pipeline.trees).predict(rows.last),
        "network": StandIn().predict(rows.X)[:, 0],
    }
    p, _ = Ensemble.from_json(content, "ensemble.json").combine(members)
    np.testing.assert_allclose(predictions["ensemble"], p, rtol=1e-12)
    assert content["trees_run_id"] == load_trees(pipeline.trees).run_id
    assert content["network_run_id"] == "network"


def test_every_prediction_has_a_word_and_three_reasons(predictions):
    limits = predictions.groupby("word")["ensemble"].agg(["min", "max"])
    assert set(limits.index) <= {"unlikely", "possible", "likely", "very likely"}
    if "possible" in limits.index:
        assert 0.2 <= limits.loc["possible", "min"] <= limits.loc["possible", "max"] < 0.4
    counts = predictions["reasons"].str.count(r"\([+-]\d")
    assert (counts == 3).all() or (predictions["reasons"] == "").all()


def test_the_same_inputs_give_the_same_files(direction_folder, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(direction_folder, again)
    names = ("data/predictions.parquet", "models/ensemble.json")
    for name in names:
        (again / name).unlink()
    score_direction(again, StandIn(), load_direction_windows(again), load_params(again))
    for name in names:
        assert (again / name).read_bytes() == (direction_folder / name).read_bytes()


def test_trees_of_other_features_are_refused(direction_folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(direction_folder, other)
    path = other / "models/trees/trees.json"
    path.write_text(path.read_text().replace("return_60", "return_61"))
    with pytest.raises(ArtifactError, match="trained on other features"):
        score_direction(other, StandIn(), load_direction_windows(other), load_params(other))
