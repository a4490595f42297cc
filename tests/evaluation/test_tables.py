from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.evaluation.example_windows import Example
from spline_lstm.evaluation.tables import (
    example_table,
    forecast_table,
    horizon_table,
    hour_table,
    residual_histogram,
    residual_summary,
)

MINUTE = 60 * 10**9
FIVE_MINUTES = Clock("fixed", step=5 * MINUTE)
NOON = 1_269_432_000 * 10**9  # 2010-03-24 12:00 UTC
EXAMPLE = Example(
    label="best",
    series="a",
    origin_time=NOON,
    history=np.array([1.0, 2.0, 3.0]),
    y_true=np.array([4.0, np.nan]),
    y_pred=np.array([3.5, 4.5]),
    naive=np.array([3.0, 3.0]),
)


def test_forecast_table_has_one_row_per_step_of_history_and_forecast():
    table = forecast_table([EXAMPLE, EXAMPLE], FIVE_MINUTES)
    assert table["step"].tolist() == [-2, -1, 0, 1, 2] * 2
    assert table["origin"].unique().tolist() == ["2010-03-24T12:00:00Z"]
    assert table["timestamp"].tolist()[2:5] == [
        "2010-03-24T11:55:00Z",
        "2010-03-24T12:00:00Z",
        "2010-03-24T12:05:00Z",
    ]
    first = table.iloc[:5]
    np.testing.assert_array_equal(first["history"], [1, 2, 3, np.nan, np.nan])
    np.testing.assert_array_equal(first["y_pred"], [np.nan, np.nan, np.nan, 3.5, 4.5])
    np.testing.assert_array_equal(first["y_true"], [np.nan, np.nan, np.nan, 4.0, np.nan])


def test_forecast_table_holds_the_bounds_of_each_level():
    bounds = np.array([[[3.0, 4.0], [4.0, 5.0]], [[2.0, 3.0], [5.0, 6.0]]])
    table = forecast_table([replace(EXAMPLE, levels=(80.0, 95.0), bounds=bounds)], FIVE_MINUTES)
    ahead = table[table["step"] > 0]
    assert ahead[["lower_80", "upper_80", "lower_95", "upper_95"]].to_numpy().tolist() == [
        [3, 4, 2, 5],
        [4, 5, 3, 6],
    ]


def test_example_table_has_a_column_for_each_line():
    worst = replace(EXAMPLE, label="worst", history=EXAMPLE.history + 10, y_pred=EXAMPLE.y_pred - 1)
    table = example_table([EXAMPLE, worst])
    lines = ["history", "y_true", "y_pred", "naive"]
    assert table.columns.tolist() == [
        "step",
        *(f"{label}_{line}" for label in ("best", "worst") for line in lines),
    ]
    assert table["step"].tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_array_equal(table["best_y_true"], [np.nan, np.nan, np.nan, 4.0, np.nan])
    np.testing.assert_array_equal(table["worst_history"], [11, 12, 13, np.nan, np.nan])
    np.testing.assert_array_equal(table["worst_y_pred"], [np.nan, np.nan, np.nan, 2.5, 3.5])


def test_hours_without_a_value_are_left_out():
    rmse = np.where(np.arange(24) % 6 == 0, 1.5, np.nan)
    table = hour_table({"model": rmse, "naive": 2 * rmse})
    assert table.to_dict("list") == {"hour": [0, 6, 12, 18], "model": [1.5] * 4, "naive": [3.0] * 4}


def test_summary_of_residuals_skips_what_was_not_observed():
    residuals = np.array([[[1.0, np.nan]], [[3.0, np.nan]], [[np.nan, np.nan]]])
    first, second = residual_summary(residuals, ["a", "b"])
    assert (first["target"], first["n"], first["mean"], first["std"], first["p50"]) == (
        "a",
        2,
        2.0,
        1.0,
        2.0,
    )
    assert second["n"] == 0
    assert np.isnan(second["p50"])


def test_forecast_table_of_nothing_keeps_its_columns():
    assert list(forecast_table([], FIVE_MINUTES).columns) == list(
        forecast_table([EXAMPLE], FIVE_MINUTES).columns
    )


def test_timestamps_keep_fractions_of_a_second():
    assert FIVE_MINUTES.text_of(NOON + 250 * 10**6) == "2010-03-24T12:00:00.250000Z"


def test_histogram_counts_the_central_residuals_in_equal_bins():
    residuals = np.arange(1001.0).reshape(-1, 1) - 500
    table = residual_histogram(residuals, bins=10)
    # Quantiles 0.5 and 99.5 % are -495 and 495: bins of 99 from there.
    assert table["residual"].tolist() == pytest.approx([-445.5 + 99 * k for k in range(10)])
    assert table["count"].tolist() == [99] * 9 + [100]


def test_one_outlier_does_not_widen_the_histogram():
    residuals = np.append(np.linspace(-1, 1, 999), 1e9)[:, None]
    assert residual_histogram(residuals)["residual"].abs().max() < 1


def test_histogram_skips_what_was_not_observed():
    assert residual_histogram(np.array([[1.0, np.nan], [1.0, 1.0]]))["count"].sum() == 3
    assert len(residual_histogram(np.full((3, 2), np.nan))) == 0


def test_horizon_table_has_a_column_for_each_forecast():
    table = horizon_table({"model": np.array([1.0, 2.0]), "naive": np.array([3.0, 4.0])})
    assert table.to_dict("list") == {"step": [1, 2], "model": [1.0, 2.0], "naive": [3.0, 4.0]}
