import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.intervals import (
    Intervals,
    conformal_bounds,
    conformal_intervals,
)
from spline_lstm.inference.local_width import EXPONENTS, HIGH, LOW, LocalWidth, width_factors
from spline_lstm.inference.recent_change import RecentChange, mean_change


def test_the_recent_change_is_a_weighted_mean_of_absolute_changes():
    rng = np.random.default_rng(1)
    history = rng.normal(size=(7, 12, 2))
    weights = 0.8 ** np.arange(10, -1, -1)
    expected = np.average(np.abs(np.diff(history, axis=1)), axis=1, weights=weights)
    np.testing.assert_allclose(mean_change(history, 0.8), expected, rtol=1e-12)


def test_a_window_has_the_same_bits_alone_and_among_others():
    rng = np.random.default_rng(2)
    history = rng.normal(size=(1000, 37, 3))
    change = RecentChange(0.9, np.array([[0.7, 0.1, 2.0], [1.0, 1.0, 1.0]]))
    local = LocalWidth(change, np.array([0.25, 0.75, 0.5]))
    together = local.factors(history, np.zeros(1000, dtype=int))
    for index in (0, 13, 999):
        alone = local.factors(history[index : index + 1], np.zeros(1, dtype=int))
        assert alone.tobytes() == together[index : index + 1].tobytes()


def test_one_row_of_lookback_and_a_target_that_never_changed_compare_with_nothing():
    assert mean_change(np.ones((2, 1, 1)), 0.5).tolist() == [[0.0], [0.0]]
    still = RecentChange(0.5, np.zeros((2, 1)))
    assert still.relative(np.array([[[1.0], [9.0]]]), np.array([0])).tolist() == [[1.0]]


@given(ratio=st.floats(0, 1e6), exponent=st.sampled_from(EXPONENTS))
def test_factors_are_powers_of_the_kept_ratio(ratio, exponent):
    found = width_factors(np.array([[ratio]]), np.array([exponent]))
    np.testing.assert_allclose(found, np.clip(ratio, LOW, HIGH) ** exponent, rtol=1e-14)


def test_widths_follow_the_changes_of_window_and_series():
    made = conformal_intervals(np.full((99, 1, 1), 7.0), [50.0])
    change = RecentChange(1.0, np.array([[1.0], [4.0], [2.0]]))
    made = Intervals(
        made.method,
        made.levels,
        made.half_widths,
        made.count,
        np.array([[1.0], [10.0], [3.0]]),
        LocalWidth(change, np.array([0.5])),
    )
    # Every row changes by 4: four times the usual, the usual, twice the usual (unknown series).
    history = np.array([[[0.0], [4.0], [0.0]]] * 3)
    lower, upper = conformal_bounds(np.zeros((3, 1, 1)), made, np.array([0, 1, -1]), history)
    half = np.array([7 * 2.0, 70.0, 21 * np.sqrt(2)])
    np.testing.assert_allclose(upper.ravel(), half)
    np.testing.assert_allclose(lower.ravel(), -half)
    content = json.loads(json.dumps(made.to_json(), allow_nan=False))
    again = Intervals.from_json(content)
    bounds = conformal_bounds(np.zeros((3, 1, 1)), again, np.array([0, 1, -1]), history)
    assert np.array(bounds).tobytes() == np.array([lower, upper]).tobytes()


def test_another_exponent_is_an_error_of_the_artefacts():
    made = conformal_intervals(np.full((99, 1, 1), 7.0), [50.0])
    damaged = made.to_json() | {"local": {"exponents": [0.3], "decay": 0.5, "usual": [[1.0]]}}
    with pytest.raises(ArtifactError, match="intervals.json"):
        Intervals.from_json(damaged)
