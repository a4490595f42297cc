import csv
import io
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.params import load_params
from spline_lstm.evaluation.blocks import Interval, draw_blocks
from spline_lstm.experiments.bootstrap import rmse_difference
from spline_lstm.experiments.comparison import Comparison, best_baseline_rmse
from spline_lstm.experiments.costs import Cost, Stopwatch, total
from spline_lstm.experiments.plots import comparison_figure
from spline_lstm.experiments.report import comparison_document, csv_text
from spline_lstm.experiments.results import COLUMNS
from spline_lstm.experiments.squared_errors import check_same_windows, per_origin, squares
from spline_lstm.experiments.winners import best_candidate, candidates_of, decide
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from tests.builders import ROOT
from tests.experiments.examples import intervals, make_latencies, make_record

PARAMS = load_params(ROOT)
ISSUE = (
    "run_id | model_type | data_mode | seed | MAE | MSE | RMSE | robust MAPE | MASE | R2 | "
    "p50(ms) | p95(ms) | model_size(MB) | params | train_time(s) | epochs | commit | notes"
)


@pytest.fixture(scope="module")
def result() -> Comparison:
    records = [
        make_record("lstm", seed=42, rmse=15.25),
        make_record("lstm", seed=2026, rmse=15.75),
        make_record("gru", "multivariate", rmse=17.0, ridge=16.5),
    ]
    return comparison_of(records, intervals(lstm_univariate=-1.0, gru_multivariate=0.5))


def comparison_of(records, found, step_rmse=(1.0, 2.0), wanted_block=12) -> Comparison:
    """A comparison of these records, and of one more run that has none."""
    candidates = candidates_of(records)
    return Comparison(
        commit="0123456789abcdef",
        code="feedbeef",
        params=PARAMS,
        runs=(*[record.run for record in records], make_record("gru", seed=7).run),
        records=tuple(records),
        candidates=tuple(candidates),
        best=best_candidate(candidates).name,
        intervals=found,
        latencies=make_latencies(records),
        verdict=decide(
            records,
            make_latencies(records),
            PARAMS.compare,
            lambda one, other: Interval(0.0, -1.0, 1.0),
        ),
        step_rmse={each.name: np.array([step_rmse] * len(each.records)) for each in candidates},
        step_baseline=np.array([2.0, 2.5]),
        windows=100,
        block=12,
        wanted_block=wanted_block,
        costs={"lstm-univariate-s42": Cost(20.0, {"evaluate": 8.0}, {"evaluate": 5.0})},
    )


def markdown_text(result):
    return to_markdown(comparison_document(result))


def page_text(result):
    return to_html(comparison_document(result))


def rows(result):
    return list(csv.DictReader(io.StringIO(csv_text(result))))


def test_columns_are_exactly_those_agreed_on(result):
    assert tuple(ISSUE.split(" | ")) == COLUMNS
    assert csv_text(result).splitlines()[0] == ",".join(COLUMNS)
    assert f"| {ISSUE} |" in markdown_text(result)


def test_runs_come_in_order_and_baselines_once_where_the_mode_makes_no_difference(result):
    found = [(row["model_type"], row["data_mode"]) for row in rows(result)]
    assert found == [
        ("lstm", "univariate"),
        ("lstm", "univariate"),
        ("gru", "multivariate"),
        ("naive", ""),
        ("ridge", "univariate"),
        ("ridge", "multivariate"),
    ]


def test_notes_name_the_experiment_what_it_won_and_what_it_loses_to(result):
    notes = [row["notes"] for row in rows(result)]
    assert notes[0] == "lstm-univariate-s42; lowest RMSE; edge winner; recommended"
    assert notes[1] == "lstm-univariate-s2026"
    assert notes[2] == "gru-multivariate-s42; loses to ridge"


def test_markdown_says_spread_noise_cost_and_what_is_missing(result):
    text = markdown_text(result)
    assert "15.50 [15.25, 15.75]" in text
    assert "gru-univariate-s7 has no experiment" in text
    assert (
        "20 s (0:20), of which the stages' own work is 5 s, start and imports of their processes "
        "3 s" in text
    )
    assert "and DVC 12 s" in text


def test_the_page_needs_no_network_and_is_the_same_each_time(result):
    page = page_text(result)
    assert page == page_text(result)
    assert "<svg" in page
    addresses = [
        part for part in ("src=", "<link ", "<script", "@import", "url(http") if part in page
    ]
    assert addresses == []


def test_one_seed_tells_nothing_about_the_spread_of_seeds(result):
    assert "| gru multivariate | +1.5000 | [+0.5000, +2.5000] | - | yes |" in markdown_text(result)
    two = [
        make_record(model, seed=seed, rmse=rmse)
        for model, rmse in (("lstm", 15.0), ("gru", 15.5))
        for seed in "ab"
    ]
    text = markdown_text(comparison_of(two, intervals(lstm_univariate=-1.0, gru_univariate=-0.5)))
    assert "| gru univariate | +0.5000 | [-0.5000, +1.5000] | yes | no |" in text


def test_a_block_that_was_cut_is_said_on_every_page(result):
    cut = comparison_of(result.records, result.intervals, wanted_block=288)
    for text in (markdown_text(cut), page_text(cut)):
        assert "blocks of 12, not of 288" in text
    for text in (markdown_text(result), page_text(result)):
        assert "blocks of 12;" in text


def test_every_page_says_which_columns_hang_on_the_clock(result):
    for text in (markdown_text(result), page_text(result)):
        assert "the same columns but p50(ms), p95(ms), train_time(s), commit, notes:" in text


def test_scores_that_do_not_exist_are_empty_cells_in_every_file():
    missing = {"MASE": None, "R2": None}
    records = [
        make_record("lstm", ridge=None, **missing),
        make_record("gru", rmse=15.5, ridge=None, **missing),
    ]
    found = intervals(lstm_univariate=-1.0, gru_univariate=0.5) | {
        "ridge univariate": Interval(*[math.nan] * 3)
    }
    result = comparison_of(records, found, step_rmse=(1.0, math.nan))
    assert [(row["MASE"], row["R2"], row["RMSE"]) for row in rows(result)[:2]] == [
        ("", "", "15.0"),
        ("", "", "15.5"),
    ]
    text = markdown_text(result)
    assert "| lstm univariate | 42 | 15 | 1 | - | - | 1 |" in text
    assert "| ridge univariate | - | - | - | - |" in text
    assert "| lstm univariate | 1 | - |" in text
    for shown in (text, page_text(result), csv_text(result)):
        assert not re.search(r"\b(nan|None|null)\b", shown)


def test_a_run_without_an_rmse_wins_nothing_and_a_baseline_without_one_beats_nobody():
    records = [
        make_record("lstm", rmse=None, p95=0.01, ridge=None),
        make_record("gru", rmse=15.5, ridge=None),
    ]
    result = comparison_of(records, intervals(lstm_univariate=math.nan, gru_univariate=0.0))
    assert (result.best, result.verdict.accuracy, result.verdict.edge) == (
        "gru univariate",
        records[1],
        records[1],
    )
    assert records[1].best_baseline == ("naive", 20.0)
    assert make_record(rmse=15.0, ridge=None, naive=None).beats_baselines
    assert "| lstm univariate | - | - |" in markdown_text(result)


def test_forecasts_that_a_baseline_does_not_have_are_no_errors_of_zero():
    table = pd.DataFrame(
        {"origin": [1, 2, 3], "y_true": [1.0, None, 3.0], "drift": [2.0, 9.0, None]}
    )
    assert [str(value) for value in squares(table, "drift", {"y": 5.0})] == ["1.0", "0.0", "nan"]


def two_targets(unit):
    """Forecasts of two runs, one of which is better on one target and worse on the other."""
    random = np.random.default_rng(0)
    load = pd.DataFrame({"origin": np.arange(60), "target": "load", "y_true": 0.0})
    temp = load.assign(target="temp")
    table = pd.concat([load, temp]).sort_values("origin", kind="stable", ignore_index=True)
    noise = random.normal(size=len(table))
    is_load = table["target"] == "load"
    table["one"], table["other"] = noise * np.where(is_load, 1.0, 2.0), 1.6 * noise
    columns = ["y_true", "one", "other"]
    table[columns] = table[columns].mul(np.where(is_load, unit, 1.0), axis=0)
    return table, {"load": unit, "temp": 1.0}


def test_the_unit_of_a_target_changes_no_interval_of_the_bootstrap():
    found = []
    for unit in (1.0, 1000.0, 0.001):
        table, training_stds = two_targets(unit)
        one, other = ([squares(table, name, training_stds)] for name in ("one", "other"))
        blocks = draw_blocks(60, 6, 200, 0)
        found.append(rmse_difference(one, other, np.full(60, 2.0), blocks))
    assert found[1] == found[0] == found[2]


def test_with_several_targets_the_scaled_rmse_decides_the_comparison():
    training_stds = {"load": 1000.0, "temp": 1.0}
    first = make_record("lstm", rmse=15.0, **{"scaled RMSE": 0.9}, training_stds=training_stds)
    second = make_record("gru", rmse=15.5, **{"scaled RMSE": 0.8}, training_stds=training_stds)
    assert (first.measure, make_record().measure) == ("scaled RMSE", "RMSE")
    assert best_candidate(candidates_of([first, second])).name == "gru univariate"
    assert second.beats_baselines
    table = csv_text(comparison_of([first, second], intervals(lstm_univariate=-1.0))).splitlines()
    assert table[0].split(",")[6:8] == ["RMSE", "scaled RMSE"]
    assert table[1].split(",")[6:8] == ["15.0", "0.9"]


def test_rmse_by_step_is_drawn_relative_to_the_best_baseline_with_a_point_per_seed(result):
    result = replace(
        result,
        step_rmse=result.step_rmse | {"lstm univariate": np.array([[1.0, 2.0], [1.5, 2.25]])},
    )
    steps = comparison_figure(result).axes[2]
    points = [list(line.get_ydata()) for line in steps.lines if line.get_linestyle() == "None"]
    lines = [list(line.get_ydata()) for line in steps.lines if line.get_linestyle() in ("-", "--")]
    assert points == [[0.5, 0.8], [0.75, 0.9], [0.5, 0.8]]
    assert lines == [pytest.approx([0.625, 0.85]), [0.5, 0.8]]
    # The models fill the panel, wherever the baseline is.
    low, high = steps.get_ylim()
    assert 0.4 / 1.2 < high - low < 0.4 * 1.2
    assert "| lstm univariate | 1.25 | 2.125 |" in markdown_text(result)
    assert "| best baseline | 2 | 2.5 |" in markdown_text(result)


def test_the_best_baseline_of_a_step_follows_from_rmse_and_skill():
    # 4.5 is 10 % below 5, 8 is 20 % below 10; a mode with a weaker baseline does not count.
    found = [
        [{"rmse": 4.5, "skill": 0.1}, {"rmse": 8.0, "skill": 0.2}],
        [{"rmse": 4.5, "skill": 0.5}, {"rmse": 8.0}],
    ]
    np.testing.assert_allclose(best_baseline_rmse(found), [5.0, 10.0])
    assert np.isnan(
        best_baseline_rmse([[{"rmse": 0.0, "skill": 1.0}], [{"rmse": 1.0, "skill": None}]])
    ).all()


def test_stopwatch_tells_own_work_processes_and_the_rest():
    watch = Stopwatch()
    for line in (
        "Stage 'ingest' is cached - skipping run, checking out outputs",
        "Running stage 'pipelines/stores/dvc.yaml:evaluate':",
        "> python -m stages.evaluate",
        "evaluate: 8101 test windows (2.8 s)",
        "Updating lock file 'dvc.lock'",
        "a line that ends like this (9.9 s)",
    ):
        watch.read(line)
    cost = watch.cost()
    assert cost.own == {"evaluate": 2.8}
    assert list(cost.processes) == ["evaluate"]
    assert total([cost, cost]).own == {"evaluate": 5.6}


def test_experiments_on_other_windows_are_refused_and_errors_are_summed_by_origin():
    table = pd.DataFrame(
        {
            "origin": [1, 1, 2],
            "series": "s",
            "target": "y",
            "step": [1, 2, 1],
            "y_true": [1.0, None, 3.0],
        }
    )
    check_same_windows(table, table.copy(), "a", "b")
    assert list(per_origin(table, table["step"].to_numpy(float))) == [3.0, 1.0]
    with pytest.raises(ExperimentError, match="different test windows"):
        check_same_windows(table, table.assign(y_true=[1.0, 2.0, 3.0]), "a", "b")
