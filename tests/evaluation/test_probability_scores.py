"""A pipeline whose target is 0 or 1, from preprocessing to the report."""

import json

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import load_params
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.yaml_files import render_params
from spline_lstm.evaluation.probability_backtest import probability_backtest
from spline_lstm.evaluation.probability_scores import (
    ProbabilityForecasts,
    probability_content,
    probability_verdict,
)
from spline_lstm.inference.arguments import params_of
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tasks.event import EVENT
from spline_lstm.tasks.forecast import FORECAST
from spline_lstm.tasks.parts import OF_LOSS, task_of
from spline_lstm.windows.preprocessor import Preprocessor
from stages import evaluate, ingest, preprocess, report, train_flax_rnn, window
from tests.builders import ROOT

HOURS = 900
BCE = {"train.loss": "bce", "target.scaled": False, "model.normalization": "none"}
VALUES = {
    "data.source": "table.csv",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    "preprocess.feature_mode": "multivariate",
    "window.lookback": 12,
    "window.horizon": 2,
    "model.hidden": [8],
    "train.max_epochs": 8,
    "evaluate.season": 24,
    **BCE,
}
SCHEMA = """{"version": 1, "timestamp_col": "time", "target_cols": ["rain"],
"dynamic_covariates": [{"name": "pressure"}]}
"""


def table() -> str:
    """It rains when the pressure, far from 0 and 1, was low a few hours ago."""
    random = np.random.default_rng(4)
    rows = ["time,rain,pressure"]
    pressure = 1000 + 15 * np.sin(np.arange(HOURS) / 9) + 2 * random.normal(size=HOURS)
    chance = 1 / (1 + np.exp((np.roll(pressure, 3) - 1000) / 3))
    rain = random.random(HOURS) < chance
    for hour in range(HOURS):
        time = f"2024-{1 + hour // 672:02d}-{1 + hour % 672 // 24:02d} {hour % 24:02d}:00"
        rows.append(f"{time},{int(rain[hour])},{pressure[hour]:.2f}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a pipeline with the loss bce that ran from ingest to report."""
    folder = tmp_path_factory.mktemp("rain")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(render_params(text, VALUES), encoding="utf-8")
    (folder / "schema.json").write_text(SCHEMA, encoding="utf-8")
    (folder / "table.csv").write_text(table(), encoding="utf-8")
    for stage in (ingest, preprocess, window, train_flax_rnn, evaluate, report):
        stage.main(folder)
    return folder


def content(folder):
    return json.loads((folder / "metrics/evaluate.json").read_text())


def test_covariates_are_scaled_and_labels_are_not(folder):
    preprocessor = Preprocessor.load(folder / "models/preprocessor.json")
    scaler = preprocessor.scaler
    constants = dict(
        zip(preprocessor.features, zip(scaler.center, scaler.scale, strict=True), strict=True)
    )
    assert constants["rain"] == (0.0, 1.0)
    assert constants["pressure"][0] == pytest.approx(1000, abs=5)
    assert constants["pressure"][1] == pytest.approx(15 / np.sqrt(2), rel=0.2)


def test_scores_of_a_probability_agree_with_scikit_learn(folder):
    scores, found = content(folder), pd.read_parquet(folder / "data/predictions.parquet")
    labels, p = found["y_true"], found["y_pred"]
    assert scores["auc"] == pytest.approx(sklearn.metrics.roc_auc_score(labels, p), rel=1e-5)
    assert scores["log_loss"] == pytest.approx(sklearn.metrics.log_loss(labels, p), rel=1e-4)
    assert scores["brier"] == pytest.approx(sklearn.metrics.brier_score_loss(labels, p), rel=1e-4)
    assert scores["positive_share"] == pytest.approx(labels.mean(), rel=1e-5)
    for row in scores["baselines"]:
        expected = sklearn.metrics.brier_score_loss(labels, found[row["baseline"]])
        assert row["brier"] == pytest.approx(expected, rel=1e-4)
    assert [row["baseline"] for row in scores["baselines"]] == [
        "base_rate",
        "persistence",
        "logistic",
    ]
    assert sum(row["n"] for row in scores["calibration"]) == len(labels)
    assert not {"rmse", "mae", "robust_mape", "smape", "mase"} & scores.keys()


def test_the_model_ranks_better_than_chance_and_the_base_rate_does_not(folder):
    scores = content(folder)
    rows = {row["baseline"]: row for row in scores["baselines"]}
    assert scores["auc"] > 0.8
    assert rows["base_rate"]["auc"] == 0.5
    assert rows["logistic"]["brier"] < rows["persistence"]["brier"] < rows["base_rate"]["brier"]


def test_the_report_has_the_scores_of_a_probability_and_its_calibration(folder):
    text = (folder / "plots/report.md").read_text(encoding="utf-8")
    for words in ("AUC", "log loss", "Brier score", "## Calibration", "Reliability", "base rate"):
        assert words in text
    assert "RMSE" not in text.split("## Training")[0].replace("by RMSE", "").replace(
        "RMSE of rain", ""
    )
    assert "MAPE" not in text
    # An attribute of the page, that is a picture: the curve.
    assert "reliability" in (folder / "plots/report.html").read_text(encoding="utf-8").lower()


def test_the_loss_decides_which_scores_a_forecast_has():
    params = params_of(None, {key: value for key, value in VALUES.items() if "." in key})
    assert task_of(params) is EVENT is OF_LOSS["forecast", "bce"]
    assert task_of(load_params(ROOT)) is FORECAST
    assert EVENT.load("backtest") is probability_backtest
    functions = [part for part, name in vars(EVENT).items() if ":" in str(name)]
    assert {"scores", "verdict", "backtest", "report"} <= {*functions}
    assert all(callable(EVENT.load(part)) for part in functions)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"target.scaled": True}, "set target.scaled to false$"),
        ({"model.normalization": "last"}, "set model.normalization to none$"),
        (
            {"target.scaled": True, "target.transform": "log"},
            "set target.scaled to false, target.transform to none$",
        ),
    ],
)
def test_advice_for_labels_names_only_what_is_wrong(changes, advice):
    with pytest.raises(ParamsError, match=advice):
        params_of(None, BCE | changes)


def test_labels_need_no_setting_that_changes_nothing():
    params_of(None, BCE | {"target.scaled": True, "preprocess.scaler": "none"})


def test_the_verdict_is_by_brier_score_and_missing_labels_do_not_count():
    labels = np.array([1.0, 0.0, 1.0, np.nan]).reshape(4, 1, 1)
    good, even = np.array([0.9, 0.2, 0.7, 0.0]).reshape(4, 1, 1), np.full((4, 1, 1), 0.5)
    series = np.array([0, 0, 1, 1])

    def scored(model, baseline):
        forecasts = {"model": model, "base_rate": baseline}
        return probability_content(
            ProbabilityForecasts(labels, forecasts, series), ["y"], ["a", "b"]
        )

    won, lost = scored(good, even), scored(even, good)
    assert won["brier"] == pytest.approx((0.01 + 0.04 + 0.09) / 3)
    assert won["skill"] == pytest.approx(1 - won["brier"] / 0.25)
    assert (won["auc"], won["series"]["b"]["brier"]) == (1.0, pytest.approx(0.09))
    assert probability_verdict(won) == (
        "the model beats all 1 baselines: Brier score 0.04667, 81.3 % below that of the best, "
        "base rate (0.2500)"
    )
    assert probability_verdict(lost).startswith("the model LOSES TO base rate: Brier score 0.2500")
    nothing = probability_content(
        ProbabilityForecasts(np.full_like(labels, np.nan), {"model": good, "b": even}, series),
        ["y"],
    )
    assert "nothing was scored" in probability_verdict(nothing)


def test_the_backtest_of_a_probability_is_scored_by_brier(folder, tmp_path):
    changes = {"train.max_epochs": 1, "backtest.folds": 1, "backtest.max_epochs": 1}
    params = params_of(load_params(folder), changes)
    schema = load_schema(folder / "schema.json")
    raw = folder / "data/raw/series.csv"
    table = read_raw_table(raw.read_bytes(), schema, where="rain", reading=Reading.of(params.data))
    summary = probability_backtest(table, schema, params, tmp_path)
    (fold,) = summary.content["folds"]
    assert fold["root_brier"] == pytest.approx(fold["brier"] ** 0.5)
    assert summary.content["backtest_brier"] == fold["brier"]
    assert not {"rmse", "mase"} & fold.keys()
    assert "Brier score" in probability_verdict(summary.scores)
    assert summary.measure[0] in fold
