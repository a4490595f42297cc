from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.evaluation.report import Report, number, render, warnings_of

MODEL = {"mae": 1.25, "mse": 4.5, "rmse": 2.1213, "robust_mape": 12.5, "smape": 11.5, "mase": 0.75, "r2": 0.9}
NAIVE = {"mae": 2.25, "mse": 9.5, "rmse": 3.0822, "robust_mape": 22.5, "smape": 21.5, "mase": 1.75, "r2": 0.8}
SCORES = MODEL | {
    "bias": -0.125,
    "z_mse": 0.0871,
    "z_mae": 0.1625,
    "skill": 0.3118,
    "best_baseline": "moving_average",
    "beats_baselines": True,
    "n_windows": 8101,
    "horizon": {"1": {"mae": 1.0, "rmse": 2.0}},
    "targets": {"glucose": MODEL},
    "baselines": {"naive": NAIVE, "moving_average": NAIVE | {"rmse": 3.5}},
}
REPORT = Report(
    title="Forecast of glucose",
    forecast={"targets": ["glucose"], "lookback": 24, "test windows": 8101},
    scores=SCORES,
    step_rmse={"model": [1.5, 2.5], "naive": [1.75, 2.75]},
    train={"overfitting_warning": False, "train_loss": 0.05, "validation_loss": 0.09, "best_epoch": 7},
    data_quality={"missing share": 0.0984, "unknown columns": []},
    provenance={"model run id": "acb5d7e9bdf706dc", "seed": 42},
    plots={"Forecasts": "forecast.png"},
    unit="mg/dL",
)
LOSING = replace(REPORT, scores=SCORES | {"beats_baselines": False, "rmse": 4.25})
OVERFITTED = replace(REPORT, train={**REPORT.train, "overfitting_warning": True})


def test_a_model_that_wins_has_no_warning():
    assert "WARNING" not in render(REPORT)
    assert warnings_of(SCORES, REPORT.train) == []


def test_a_model_that_loses_is_warned_of_before_all_else_with_both_errors():
    lines = render(LOSING).splitlines()
    assert lines[:3] == ["# Forecast of glucose", "", "> [!WARNING]"]
    assert "moving average" in lines[3]
    assert "RMSE 4.250 against 3.500" in lines[3]


def test_an_overfitted_model_is_warned_of_with_both_losses():
    (text,) = warnings_of(OVERFITTED.scores, OVERFITTED.train)
    assert "0.09000" in text
    assert "0.05000" in text
    assert f"**{text}**" in render(OVERFITTED)


def test_both_warnings_stand_together():
    assert render(replace(LOSING, train=OVERFITTED.train)).count("> [!WARNING]") == 2


def test_the_table_shows_the_given_numbers_in_the_fixed_order():
    text = render(REPORT)
    assert "|  | MAE | MSE | RMSE | robust MAPE | sMAPE | MASE | R2 |" in text
    assert "| **model** | 1.250 | 4.500 | 2.121 | 12.50 | 11.50 | 0.7500 | 0.9000 |" in text
    assert "| naive | 2.250 | 9.500 | 3.082 | 22.50 | 21.50 | 1.750 | 0.8000 |" in text
    assert "| moving average | 2.250 | 9.500 | 3.500 | 22.50 | 21.50 | 1.750 | 0.8000 |" in text


def test_every_part_of_the_report_is_there():
    text = render(REPORT)
    for line in (
        "- targets: glucose",
        "- test windows: 8101",
        "| 2 | 2.500 | 2.750 |",
        "![Forecasts](forecast.png)",
        "- missing share: 0.09840",
        "- unknown columns: none",
        "- model run id: acb5d7e9bdf706dc",
        "- seed: 42",
    ):
        assert line in text.splitlines()
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_parts_without_content_are_left_out():
    text = render(Report(title="T", forecast={}, scores=SCORES))
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Model against baselines"]


def test_targets_and_series_are_listed_only_where_there_are_several():
    assert "By target" not in render(REPORT)
    scores = SCORES | {"targets": {"temp": MODEL, "load": NAIVE}, "series": {"a": MODEL, "b": NAIVE}}
    text = render(replace(REPORT, scores=scores))
    assert "| load | 2.250 |" in text.partition("## By target")[2]
    assert "| b | 2.250 |" in text.partition("## By series")[2]


def test_of_many_series_those_with_the_largest_error_are_listed():
    series = {f"s{index}": MODEL | {"rmse": float(index)} for index in range(100)}
    text = render(replace(REPORT, scores=SCORES | {"series": series})).partition("## By series")[2]
    assert "24 of 100" in text
    assert "| s99 |" in text
    assert "| s76 |" in text
    assert "| s75 |" not in text


def test_a_long_horizon_is_thinned_out_to_its_ends():
    text = render(replace(REPORT, step_rmse={"model": np.arange(1.0, 721.0)})).partition("## Error by step")[2]
    steps = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")]
    assert steps[:1] + steps[2:3] + steps[-1:] == ["step", "1", "720"]
    assert len(steps) == 2 + 24


def test_metrics_that_are_not_known_are_a_dash():
    scores = SCORES | {"mase": None, "r2": float("nan")}
    assert "| **model** | 1.250 | 4.500 | 2.121 | 12.50 | 11.50 | - | - |" in render(replace(REPORT, scores=scores))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.123456, "0.1235"),
        (-21.98765, "-21.99"),
        (9999.96, "10000"),
        (123456.7, "123457"),
        (1.5e-7, "1.5e-07"),
        (np.float32(0.5), "0.5000"),
        (float("inf"), "-"),
        (None, "-"),
        (False, "no"),
        (42, "42"),
        ([64, 32], "64, 32"),
        ([], "none"),
        ("a|b\nc", "a\\|b c"),
    ],
)
def test_figures_are_written_for_people(value, text):
    assert number(value) == text


def test_the_report_is_the_same_twice():
    assert render(LOSING) == render(LOSING)
