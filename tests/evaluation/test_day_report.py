"""The report of probabilities of daily rows, on invented results."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.artifacts import rounded
from spline_lstm.core.clock import Clock
from spline_lstm.core.params import Params
from spline_lstm.evaluation.day_content import day_content
from spline_lstm.evaluation.day_plots import calibration_table, lift, lift_table, year_table
from spline_lstm.evaluation.day_report import make_day_report
from spline_lstm.evaluation.stage_outputs import RunOutputs
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from tests.evaluation.test_day_content import AUCS, PARAMS, make_forecasts

TRAIN = {
    **dict.fromkeys(("train_loss", "validation_loss", "last_train_loss"), 0.5),
    "last_validation_loss": 0.6,
    "steps": 40,
    "best_step": 20,
    "epochs": 4,
    "seed": 1,
    "device": "cpu",
    "overfitting_warning": False,
}
MODEL = {
    "targets": ["rises"],
    "features": ["volatility_20", "return_20"],
    "lookback": 20,
    "run_id": "1",
    "preprocessor_run_id": "2",
    **dict.fromkeys(("model_type", "hidden", "dropout", "normalization", "n_params"), "x"),
}
TREES = {
    "importance": [
        {"feature": "volatility_20", "lightgbm": 0.75},
        {"feature": "return_20", "lightgbm": 0.25},
    ]
}


def make_report(skill):
    test = make_forecasts(skill)
    scores = day_content(test, AUCS, PARAMS) | {
        "splits": [{"split": "test", "windows": 800, "first": "a", "last": "b"}],
        "ensemble": {
            "weights": {"lightgbm": 1.0},
            "reason": "there is no network",
            "calibration": "platt",
            "validation_log_losses": {"lightgbm": 0.6, "ensemble": 0.6},
        },
    }
    sections = Params().model_dump(mode="json")
    direction = {"label": "threshold", "threshold": 0.03, "horizon": 5}
    outputs = RunOutputs(
        model=MODEL,
        scores=rounded(scores),
        train=TRAIN,
        quality={"rows": 800, "warnings": [], "warning_summary": ["one day is odd"]},
        ingest={"source": "stocks", "rows": 800, "sha256": "0"},
        backtest={
            "folds": [
                {"fold": "2010", "train_windows": 9, "test_windows": 8}
                | dict.fromkeys(("auc", "auc_low", "auc_high", "auc_volatility"), 0.5)
                | dict.fromkeys(("increment", "increment_low", "increment_high"), 0.0)
            ],
            "backtest_increment": {"auc": 0.0, "low": -0.1, "high": None},
            "backtest_increment_within_years": 0.0,
        },
        curve=pd.DataFrame(
            {"step": [20, 40], "train_loss": [0.6, 0.5], "validation_loss": [0.5, 0.6]}
        ),
        params={name: sections[name] for name in ("preprocess", "train")}
        | {"direction": direction},
        clock=Clock("fixed", step=1),
        versions={"numpy": "2"},
    )
    tables = {"years": year_table(scores["years"]), "lift": lift_table(test)}
    return make_day_report(outputs, TREES, tables), test


def test_the_report_says_first_whether_the_ensemble_adds_something():
    report, _ = make_report(1.0)
    text = to_markdown(report)
    assert report.good
    assert report.verdict.startswith("the ensemble adds something beyond volatility: AUC 0.")
    assert "## Beyond volatility" in text
    assert "rises by more than 3 % in 5 trading days" in text
    assert "Data: one day is odd" in text
    assert "## Trained anew for each year" in text
    assert "it is a leak until" in text
    assert [picture.name for picture in report.pictures] == [
        "calibration",
        "years",
        "lift",
        "training",
    ]
    assert "<svg" in to_html(report)


def test_an_ensemble_without_skill_is_not_praised():
    report, _ = make_report(0.0)
    assert not report.good
    assert "adds nothing certain beyond volatility" in report.verdict


def test_tables_of_the_plots_have_a_row_per_bin_year_and_tenth():
    _, test = make_report(1.0)
    content = day_content(test, AUCS, PARAMS)
    assert calibration_table(content["calibration"])["n"].sum() == 800
    assert list(year_table(content["years"])["year"]) == ["2010", "2011"]
    table = lift_table(test)
    top = np.argsort(-test.forecasts["ensemble"], kind="stable")[:80]
    assert table["ensemble"][0] == pytest.approx(test.labels[top].mean() / test.labels.mean())
    assert table["ensemble"].iloc[-1] == pytest.approx(1.0)
    assert np.isnan(lift(np.zeros(5), np.ones(5))).all()
