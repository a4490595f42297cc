"""Labels by hand."""

import numpy as np
import pytest

from spline_lstm.core.params_direction import DirectionParams
from spline_lstm.market.labels import forward_returns, labels, medians

NAN = np.nan
# Two symbols of four and three days; the last row of each has no day.
CLOSE = np.array([100.0, 110.0, 99.0, 99.0, NAN, 50.0, 50.0, 60.0, NAN])
OFFSETS = np.array([0, 5, 9])


def test_the_forward_return_of_a_day_is_in_the_row_after_it():
    found = forward_returns(CLOSE, OFFSETS, horizon=1)
    expected = [NAN, 0.1, -0.1, 0.0, NAN, NAN, 0.0, 0.2, NAN]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_longer_horizon_leaves_more_labels_unknown():
    found = forward_returns(CLOSE, OFFSETS, horizon=3)
    np.testing.assert_allclose(found, [NAN, -0.01, *[NAN] * 7], atol=1e-12)
    assert np.isnan(forward_returns(CLOSE, OFFSETS, horizon=9)).all()


def test_the_threshold_must_be_exceeded():
    forward = np.array([0.03, 0.0301, -0.5, NAN])
    found = labels(forward, np.zeros(4, dtype=np.int64), DirectionParams(threshold=0.03))
    np.testing.assert_array_equal(found, [0.0, 1.0, 0.0, NAN])


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ([0.1, 0.2, 0.3], [0.0, 0.0, 1.0]),
        ([0.1, 0.2, NAN], [0.0, 1.0, NAN]),
        ([0.1, NAN, NAN], [NAN, NAN, NAN]),
        ([0.2, 0.2, 0.2], [0.0, 0.0, 0.0]),
    ],
)
def test_the_median_of_the_day_must_be_beaten(forward, expected):
    day = np.full(3, 7, dtype=np.int64)
    found = labels(np.array(forward), day, DirectionParams(label="median"))
    np.testing.assert_array_equal(found, expected)


def test_medians_are_of_one_day_each():
    found = medians(np.array([1.0, 5.0, 2.0, 7.0]), np.array([3, 1, 3, 1]))
    np.testing.assert_array_equal(found, [1.5, 6.0, 1.5, 6.0])
