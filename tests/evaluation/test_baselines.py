import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.evaluation.baselines import drift, moving_average, naive, seasonal_naive

# Two windows, four rows, two targets: 1, 2, 3, 4 and ten times that; the second window 100 higher.
ROWS = np.array([1.0, 2.0, 3.0, 4.0])
HISTORY = np.stack(
    [np.stack([ROWS, 10 * ROWS], axis=-1), np.stack([ROWS, 10 * ROWS], axis=-1) + 100]
)


def test_naive_repeats_the_last_row_of_each_window_and_target():
    assert naive(HISTORY, 2).tolist() == [[[4, 40], [4, 40]], [[104, 140], [104, 140]]]


def test_seasonal_naive_repeats_the_last_season():
    forecast = seasonal_naive(HISTORY, horizon=3, season=2)
    assert forecast[0].tolist() == [[3, 30], [4, 40], [3, 30]]
    assert forecast[1].tolist() == [[103, 130], [104, 140], [103, 130]]


def test_seasonal_naive_within_a_long_season_starts_at_its_phase():
    assert seasonal_naive(HISTORY, horizon=2, season=4)[0, :, 0].tolist() == [1, 2]


def test_season_of_one_row_is_the_naive_forecast():
    assert np.array_equal(seasonal_naive(HISTORY, 3, season=1), naive(HISTORY, 3))


@given(season=st.integers(1, 12), horizon=st.integers(1, 30), phase=st.integers(0, 11))
def test_seasonal_naive_is_exact_on_a_periodic_series(season, horizon, phase):
    series = np.cos(2 * np.pi * (np.arange(12 + horizon) + phase) / season).round(6)
    history, truth = series[None, :12, None], series[None, 12:, None]
    assert np.allclose(seasonal_naive(history, horizon, season), truth)


def test_moving_average_is_the_mean_of_the_last_rows():
    assert moving_average(HISTORY, horizon=2, window=3).tolist() == [
        [[3, 30], [3, 30]],
        [[103, 130], [103, 130]],
    ]


def test_moving_average_over_one_row_is_the_naive_forecast():
    assert np.array_equal(moving_average(HISTORY, 3, window=1), naive(HISTORY, 3))


def test_drift_continues_the_line_through_first_and_last_row():
    assert drift(HISTORY, horizon=2).tolist() == [[[5, 50], [6, 60]], [[105, 150], [106, 160]]]
    assert drift(np.array([[[1.0], [9.0], [5.0]]]), horizon=2).ravel().tolist() == [7, 9]


@pytest.mark.parametrize("rows", [0, 5])
def test_a_season_or_window_outside_the_history_is_an_error(rows):
    with pytest.raises(ValueError, match=f"season {rows} must be between 1 and the 4 rows"):
        seasonal_naive(HISTORY, 2, season=rows)
    with pytest.raises(ValueError, match=f"window {rows} must be between 1 and the 4 rows"):
        moving_average(HISTORY, 2, window=rows)


def test_drift_of_one_row_is_the_naive_forecast():
    assert drift(HISTORY[:, :1], 2).tolist() == [[[1, 10], [1, 10]], [[101, 110], [101, 110]]]


@given(shift=st.floats(-1e3, 1e3), factor=st.floats(0.01, 100))
def test_baselines_follow_a_change_of_units(shift, factor):
    changed = factor * HISTORY + shift
    for forecast in (
        lambda h: naive(h, 3),
        lambda h: seasonal_naive(h, 3, season=2),
        lambda h: moving_average(h, 3, window=2),
        lambda h: drift(h, 3),
    ):
        assert np.allclose(
            forecast(changed), factor * forecast(HISTORY) + shift, rtol=1e-9, atol=1e-6
        )
