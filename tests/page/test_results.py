"""Comparison, backtest and data quality as tables."""

import json

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import ArtifactError, DataContractError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.backtest import backtest_view, long_folds
from spline_lstm.page.comparison import ACCURACY, COST, comparison_view
from spline_lstm.page.quality import drift_frame, is_beyond, quality_view
from stages import preprocess
from tests.page.examples import MARKUP

LIMITS = {"mean_shift": 0.5, "std_ratio": 1.5, "psi": 0.25, "ks": 0.2}


def quality(folder):
    return quality_view(Pipeline(folder), load_params(folder).preprocess.drift.model_dump())


def test_the_comparison_says_what_each_run_is_best_at(full):
    view = comparison_view(Pipeline(full))
    chosen = dict(zip(view.table["run"], view.table["chosen"], strict=True))
    assert chosen == {
        "lstm-univariate-s42": "recommended, best on the edge",
        "gru-univariate-s42": "most accurate",
        "gru-univariate-s7": "",
        "baseline": "",
    }
    assert view.reason.endswith(MARKUP)
    assert view.named(ACCURACY) == ["RMSE"]
    assert view.named(COST) == ["p95(ms)", "model_size(MB)"]
    assert view.table["RMSE"].dtype == float


def test_without_files_there_is_nothing(empty):
    assert comparison_view(Pipeline(empty)) is None
    assert backtest_view(Pipeline(empty)) is None
    assert quality(empty) is None


def test_a_comparison_without_its_summary_still_has_its_table(copied):
    (copied / "metrics/comparison.json").unlink()
    view = comparison_view(Pipeline(copied))
    assert (len(view.table), view.reason, view.missing) == (4, "", [])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", '"'])
def test_a_damaged_comparison_is_one_line(copied, content):
    (copied / "metrics/comparison.csv").write_text(content)
    with pytest.raises(ArtifactError, match=r"comparison\.csv (is damaged|has no column)"):
        comparison_view(Pipeline(copied))


def test_folds_are_in_the_order_of_time(full):
    view = backtest_view(Pipeline(full))
    assert view.folds["fold"].tolist() == ["1", "2"]
    assert view.measures == ("rmse", "mae")
    assert view.summary == {"folds": 2, "rmse": 3.0}
    folds = long_folds(view, "rmse")
    assert folds["value"].tolist() == [2.0, 4.0]
    assert folds["start"].iloc[0] == pd.Timestamp("2020-01-10")
    assert folds["end"].iloc[0] == pd.Timestamp("2020-01-19")


def test_folds_of_an_index_are_numbers(copied):
    folds = [{"fold": "1", "test_start": "120", "rmse": 1.0}]
    (copied / "metrics/backtest.json").write_text(json.dumps({"folds": folds}))
    long = long_folds(backtest_view(Pipeline(copied)), "rmse")
    assert long["start"].tolist() == long["end"].tolist() == [120]


@pytest.mark.parametrize("content", ["{", "[]", '{"folds": [1]}', '{"folds": [{"fold": 1}]}'])
def test_a_damaged_backtest_is_one_line(copied, content):
    (copied / "metrics/backtest.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"backtest\.json"):
        backtest_view(Pipeline(copied))


def test_the_data_are_those_that_preprocess_saw(full):
    view = quality(full)
    assert view.source["rows"] == view.facts["rows"] == 240
    assert view.columns.set_index("column").loc["y", "gaps"] == 2
    assert view.per_series["series"].tolist() == ["a", "b"]
    assert set(view.missing["column"]) == {"y", "price"}
    assert view.missing["missing"].max() > 0
    assert pd.api.types.is_datetime64_any_dtype(view.missing["time"])
    assert not len(view.violations)
    # Every drift beyond its limit has its warning, and the reverse.
    assert len(view.warnings) == view.drift["beyond"].sum() > 0


def test_broken_rules_are_shown(copied):
    raw = copied / "data/raw/series.csv"
    lines = raw.read_text().splitlines()
    raw.write_text("\n".join([*lines[:5], lines[5].replace("104.0", "many"), *lines[6:]]) + "\n")
    with pytest.raises(DataContractError):
        preprocess.main(copied)
    view = quality(copied)
    assert "many" in view.violations["what"].iloc[0]
    assert view.violations["lines of the file"].iloc[0] == "6"


def test_tables_of_other_tasks_are_shown_too(copied):
    path = copied / "metrics/data.json"
    content = json.loads(path.read_text())
    content |= {"symbols": {"A": {"days": 3}}, "refused": [{"text": "x"}], "skipped": {}}
    content["warnings"] = [{"rule": "constant", "text": "column 'z' is constant"}]
    path.write_text(json.dumps(content))
    view = quality(copied)
    assert {name: frame.to_dict("records") for name, frame in view.details.items()} == {
        "symbols": [{"name": "A", "days": 3}],
        "refused": [{"text": "x"}],
    }
    assert view.warnings == ["column 'z' is constant"]


def test_a_damaged_quality_report_is_one_line(copied):
    (copied / "metrics/data.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"data\.json is not a JSON object"):
        quality(copied)


@pytest.mark.parametrize(
    ("statistic", "value", "expected"),
    [
        ("mean_shift", -0.6, True),
        ("mean_shift", 0.4, False),
        ("std_ratio", 0.5, True),
        ("std_ratio", 0.7, False),
        ("std_ratio", 1.6, True),
        ("psi", 0.25, False),
        ("ks", 0.21, True),
    ],
)
def test_a_shift_or_ratio_is_beyond_its_limit_either_way(statistic, value, expected):
    assert is_beyond(statistic, value, LIMITS[statistic]) is expected


def test_drift_has_a_row_per_statistic():
    drift = {"test": {"y": {"mean_shift": 0.1, "std_ratio": 1.0, "psi": 0.5, "ks": None}}}
    table = drift_frame(drift, LIMITS)
    assert table["statistic"].tolist() == ["mean_shift", "std_ratio", "psi"]
    assert table["beyond"].tolist() == [False, False, True]
    assert np.array_equal(table["limit"], [0.5, 1.5, 0.25])
    assert list(drift_frame({}, LIMITS)) == list(table)
