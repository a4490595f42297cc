"""Timestamps beside the rows of the grid, and the rule that decides what becomes of them."""

import numpy as np
import pytest

from spline_lstm.core.params_data import OutliersParams
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.windows.gather import gather_targets
from spline_lstm.windows.preprocessor import Preprocessor
from tests.builders import HOUR, HOURLY, START, make_preprocess_params, make_schema, make_table

ROWS = 1000
PERIOD = 16


def sine(instants: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * (instants - START) / HOUR / PERIOD)


def beside_rows(distance: float, *, rows: slice = slice(None)) -> np.ndarray:
    """Hourly instants, those of `rows` up to `distance` hours beside them."""
    shift = np.zeros(ROWS)
    shift[rows] = np.random.default_rng(0).uniform(-distance, distance, ROWS)[rows]
    return START + np.round((np.arange(ROWS) + shift) * HOUR).astype(np.int64)


def run(instants: np.ndarray, snap: float | str, **params) -> Preprocessed:
    table = make_table({"": (instants, sine(instants))})
    params = make_preprocess_params(snap=snap, fill="pchip", **params)
    return preprocess(table, make_schema(), params, where="raw.csv", clock=HOURLY)


def error(result: Preprocessed) -> np.ndarray:
    """Distance of the filled values from the sine at the instants of the rows, in amplitudes."""
    arrays = result.arrays
    distance = np.abs(arrays.filled_target[:, 0] - sine(arrays.timestamps))
    # Nothing is extrapolated: at the ends there may be no value.
    assert not np.isnan(distance[2:-2]).any()
    return distance[~np.isnan(distance)]


def test_irregular_timestamps_are_interpolated_in_time_within_a_percent():
    instants = beside_rows(0.45)
    moved, interpolated = run(instants, 0.5), run(instants, "auto")
    assert error(moved).max() > 0.15
    assert error(interpolated).max() < 0.01
    # The label of a row is the observation that is nearest to it, as it was made.
    assert interpolated.arrays.observed.all()
    np.testing.assert_array_equal(interpolated.arrays.raw_target, moved.arrays.raw_target)
    np.testing.assert_array_equal(interpolated.arrays.raw_target[:, 0], sine(instants))


@pytest.mark.parametrize("distance", [0.0, 0.001, 0.05])
def test_small_jitter_is_moved_onto_the_rows(distance):
    instants = beside_rows(distance)
    auto, half = run(instants, "auto"), run(instants, 0.5)
    assert auto.preprocessor.params.snap == 0.5
    np.testing.assert_array_equal(auto.arrays.scaled, half.arrays.scaled)
    assert auto.preprocessor.run_id == half.preprocessor.run_id


@pytest.mark.parametrize(
    ("rows", "chosen"), [(slice(0, 700), "interpolate"), (slice(700, None), 0.5)]
)
def test_only_timestamps_of_the_training_split_decide(rows, chosen):
    result = run(beside_rows(0.45, rows=rows), "auto")
    assert result.preprocessor.params.snap == chosen


def test_what_was_decided_is_stored_for_serving(tmp_path):
    preprocessor = run(beside_rows(0.45), "auto").preprocessor
    preprocessor.save(tmp_path / "preprocessor.json")
    assert Preprocessor.load(tmp_path / "preprocessor.json").params.snap == "interpolate"


def test_exact_timestamps_keep_every_bit_when_they_are_interpolated():
    instants = beside_rows(0.0)
    exact, half = run(instants, "interpolate"), run(instants, 0.5)
    for name in ("scaled", "causal", "known_at", "raw_target"):
        np.testing.assert_array_equal(getattr(exact.arrays, name), getattr(half.arrays, name))


@pytest.mark.parametrize("snap", [0.5, "interpolate"])
def test_no_input_of_a_forecast_is_a_label_of_it(snap):
    instants = beside_rows(0.45)
    noise = np.random.default_rng(1).normal(size=ROWS)
    table, params = make_table({"": (instants, noise)}), make_preprocess_params(snap=snap)
    made = preprocess(table, make_schema(), params, where="raw.csv", clock=HOURLY)
    arrays, lookback, horizon = made.arrays, 5, 3
    origins = np.arange(lookback, ROWS - horizon)
    inputs = gather_targets(arrays, origins, lookback)
    labels = arrays.raw_target[origins[:, None] + np.arange(horizon)]
    assert not (inputs[:, :, None] == labels[:, None]).any()


def test_an_outlier_is_replaced_even_if_another_observation_stands_for_its_row():
    instants, spike = START + np.arange(100) * HOUR, 50
    instants = np.insert(instants, spike + 1, instants[spike] + HOUR // 4)
    values = np.sin(np.arange(101.0))
    values[spike] = 1e4
    table = make_table({"": (instants, values)})
    params = make_preprocess_params(
        snap=0.5, outliers=OutliersParams(method="replace", window=9, threshold=6.0)
    )
    arrays = preprocess(table, make_schema(), params, where="t.csv", clock=HOURLY).arrays
    assert arrays.filled_target[spike, 0] == values[spike + 1]
    assert np.flatnonzero(arrays.replaced[:, 0]).tolist() == [spike]
    assert np.isnan(arrays.counted_target[spike, 0])
