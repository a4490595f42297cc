"""The comparison of models for the rows of a table, from the files that the stages wrote."""

import csv
import io
import json
import statistics

import pytest

from spline_lstm.cli import compare
from spline_lstm.core.errors import ExperimentError, ParamsError
from spline_lstm.core.params import load_params, with_values
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments import comparison_files, row_comparison
from spline_lstm.experiments.driver import Outcome
from spline_lstm.experiments.row_comparison import (
    RowComparison,
    check_row_comparison,
    collect_rows,
    row_csv,
    row_document,
)
from spline_lstm.experiments.runs import runs_of
from spline_lstm.reporting.markdown import to_markdown
from tests.builders import ROOT

PARAMS = load_params(ROOT / "pipelines/tabular")
COMPARED = with_values(PARAMS, {"compare.models": ["mlp", "tabm"]}, "here")
RUNS = runs_of(COMPARED.compare, "tabular")
# Log loss by experiment: tabm is better, and its seeds overlap with those of mlp.
LOSSES = {
    "tabular-mlp-univariate-s42": 0.52,
    "tabular-mlp-univariate-s2026": 0.60,
    "tabular-tabm-univariate-s42": 0.50,
    "tabular-tabm-univariate-s2026": 0.53,
}


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "pipelines/tabular").mkdir(parents=True)
    return TrackedPipeline(tmp_path / "pipelines/tabular", tmp_path)


@pytest.fixture
def measured(rows_folder, monkeypatch):
    """The metrics of a real pipeline as those of every revision, but for the log loss."""

    def file_at(root, revision, path):
        content = json.loads((rows_folder / "metrics" / path.rpartition("/")[2]).read_text())
        if path.endswith("evaluate.json"):
            content["log_loss"] = LOSSES[revision]
        return json.dumps(content).encode()

    monkeypatch.setattr(row_comparison, "file_at", file_at)
    return json.loads((rows_folder / "metrics/baselines.json").read_text())


def test_a_row_per_run_and_per_baseline(pipeline, measured):
    result = collect_rows(pipeline, RUNS, {name: name for name in LOSSES})
    rows = list(csv.DictReader(io.StringIO(row_csv(result))))
    assert [row["notes"] for row in rows[:4]] == list(LOSSES)
    assert [float(row["log loss"]) for row in rows[:4]] == list(LOSSES.values())
    assert {row["model_type"] for row in rows[4:]} == set(measured)
    assert all(row["run_id"] and float(row["train_time(s)"]) > 0 for row in rows[:4])
    assert "lightgbm" in measured
    assert float(rows[4]["log loss"]) == measured[rows[4]["model_type"]]["log_loss"]


def test_the_lowest_mean_wins_and_overlapping_seeds_are_said(pipeline, measured):
    result = collect_rows(pipeline, RUNS, {name: name for name in LOSSES})
    assert list(result.by_model) == ["tabm", "mlp"]
    assert result.reason == (
        "of the networks, tabm has the lowest mean log loss of the test rows, 0.515; seeds overlap "
        "with those of mlp; lower still: linear (0.168), lightgbm (0.3687)"
    )
    assert list(result.better_baselines) == ["linear", "lightgbm"]
    text = to_markdown(row_document(result))
    assert "| tabm | 0.515 | 0.02121 | 2 |" in text
    assert statistics.stdev([0.50, 0.53]) == pytest.approx(0.02121, rel=1e-3)
    assert RowComparison(result.kind, result.runs[2:]).reason.startswith(
        "of the networks, tabm has the lowest mean log loss of the test rows, 0.515; lower still"
    )


def test_missing_runs_are_named(pipeline, measured):
    result = collect_rows(pipeline, RUNS, {name: name for name in list(LOSSES)[1:]})
    assert result.missing == ("tabular-mlp-univariate-s42",)
    assert "without results: tabular-mlp-univariate-s42" in to_markdown(row_document(result))
    with pytest.raises(ExperimentError, match="none of the 4 experiments is done"):
        collect_rows(pipeline, RUNS, {})


def test_the_command_writes_it_once(pipeline, measured, monkeypatch):
    monkeypatch.setattr(compare, "experiments", lambda *_: {name: name for name in LOSSES})
    monkeypatch.setattr(row_comparison, "code_id", lambda _: "feedbeef")
    commit = "0123456789abcdef"
    said = compare.finish(pipeline, commit, COMPARED, RUNS, Outcome())
    assert "metrics/comparison.csv was written again" in said
    summary = json.loads((pipeline.folder / comparison_files.SUMMARY).read_text())
    assert summary["recommended"] == "tabm"
    assert summary["missing"] == []
    again = compare.finish(pipeline, commit, COMPARED, RUNS, Outcome())
    assert "metrics/comparison.csv is up to date" in again


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compare.feature_modes": ["univariate", "multivariate"]}, "have no feature modes; set"),
        ({"compare.models": ["mlp", "gru"]}, r"models\.1 = gru: with task tabular it must be one"),
    ],
)
def test_matrices_that_do_not_fit_rows_are_refused(changes, message):
    with pytest.raises(ParamsError, match=message):
        check_row_comparison(with_values(PARAMS, changes, "here"))


def test_the_matrix_of_the_pipeline_fits():
    check_row_comparison(PARAMS)
