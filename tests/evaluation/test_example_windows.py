import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.example_windows import pick, window_rmse


def test_window_rmse_counts_observed_values_in_units_of_each_target():
    y = np.zeros((2, 2, 2))
    p = np.array([[[1.0, 30.0], [2.0, 10.0]], [[5.0, 5.0], [5.0, 5.0]]])
    mask = np.array([[[True, True], [True, False]], [[False] * 2] * 2])
    rmse = window_rmse(y, p, mask, np.array([1.0, 10.0]))
    assert rmse[0] == pytest.approx(np.sqrt((1 + 9 + 4) / 3))
    assert np.isnan(rmse[1])


def test_window_rmse_ignores_nan_where_nothing_was_observed():
    y = np.array([[[np.nan], [2.0]]])
    assert window_rmse(y, np.zeros((1, 2, 1)), ~np.isnan(y), np.ones(1)).tolist() == [2.0]


def test_best_median_and_worst_are_picked():
    assert pick(np.array([5.0, 1.0, 4.0, 2.0, 3.0]), np.ones(5, bool)) == {
        "best": 1,
        "median": 4,
        "worst": 0,
    }


def test_of_equal_windows_the_earliest_is_picked():
    assert pick(np.array([2.0, 1.0, 1.0, 2.0]), np.ones(4, bool)) == {
        "best": 1,
        "median": 2,
        "worst": 0,
    }


def test_windows_with_all_labels_come_first():
    rmse, complete = np.array([0.0, 2.0, 9.0, 3.0]), np.array([False, True, False, True])
    assert pick(rmse, complete) == {"best": 1, "median": 1, "worst": 3}
    assert pick(rmse, np.zeros(4, bool)) == {"best": 0, "median": 1, "worst": 2}


def test_a_window_without_labels_is_never_picked():
    assert set(pick(np.array([np.nan, 1.0]), np.ones(2, bool)).values()) == {1}
    with pytest.raises(ValueError, match="none of the 2 windows has an observed label"):
        pick(np.full(2, np.nan), np.ones(2, bool))


@given(count=st.integers(1, 5000), at_most=st.integers(2, 60))
def test_evenly_spaced_rows_keep_both_ends_and_the_limit(count, at_most):
    rows = evenly_spaced(count, at_most)
    assert len(rows) == min(count, at_most)
    assert rows[0] == 0
    assert rows[-1] == count - 1
    assert np.ptp(np.diff(rows)) <= 1 if len(rows) > 1 else True
