import numpy as np
import pytest

from spline_lstm.evaluation.coverage import BLOCK_VALUES, Groups, coverage_content, sum_coverage
from spline_lstm.inference.intervals import Intervals
from spline_lstm.inference.local_width import LocalWidth
from spline_lstm.inference.recent_change import RecentChange

Y = np.array([[[1.0], [5.0]], [[2.0], [9.0]], [[3.0], [7.0]]])
MASK = np.array([[[True], [True]], [[True], [False]], [[True], [True]]])
INTERVALS = Intervals("split conformal", (80.0,), np.ones((1, 2, 1)), np.ones((2, 1)))


def content(rows=(slice(0, 1), slice(1, 3)), intervals=INTERVALS):
    """Intervals from 1 to 3, summed in two parts; windows of two series and two terciles."""
    lower, upper = np.full((*Y.shape, 1), 1.0), np.full((*Y.shape, 1), 3.0)
    series, tercile = np.array([0, 1, 1]), np.array([[0], [2], [2]])
    first, second = (
        sum_coverage(
            Y[part],
            MASK[part],
            (lower[part], upper[part]),
            (80.0,),
            Groups(series[part], 2, tercile[part]),
            np.where(MASK, Y, np.nan)[part],
        )
        for part in rows
    )
    return coverage_content(first + second, intervals, ["y"], ["a", "b"])


def test_coverage_counts_observed_values_and_the_bounds_themselves():
    found = content()
    assert found["coverage_80"] == pytest.approx(60)
    assert found["width_80"] == pytest.approx(2)
    (record,) = found["intervals"]
    assert record["interval"] == "80"
    assert [row["coverage"] for row in record["steps"]] == [100, 0]
    assert [row["coverage"] for row in record["series"]] == [
        pytest.approx(50),
        pytest.approx(200 / 3),
    ]


def test_the_interval_score_adds_ten_times_the_distance_at_80_percent():
    found = content()
    # 5 is 2 above, 7 is 4 above; 9 was not observed.
    assert found["winkler_80"] == pytest.approx(2 + 10 * (2 + 4) / 5)
    (record,) = found["intervals"]
    assert [row["winkler"] for row in record["steps"]] == pytest.approx([2, 2 + 10 * 6 / 2])
    assert record["targets"][0]["winkler"] == found["winkler_80"]


def test_crps_is_the_mean_over_observed_values():
    found = content()
    assert found["crps"] == pytest.approx((1 + 5 + 2 + 3 + 7) / 5)
    assert found["interval_targets"] == [
        {"target": "y", "crps": found["crps"], "exponent": 0.0},
    ]


def test_terciles_have_coverage_width_and_score_of_their_own():
    (record,) = content()["intervals"]
    low, middle, high = record["terciles"]
    assert (low["tercile"], low["n"], low["coverage"]) == ("low", 2, 50)
    assert (high["tercile"], high["n"]) == ("high", 3)
    assert high["coverage"] == pytest.approx(200 / 3)
    assert high["winkler"] == pytest.approx(2 + 10 * 4 / 3)
    assert (middle["n"], np.isnan(middle["coverage"])) == (0, True)


def test_the_content_says_whether_widths_follow_the_changes():
    assert content()["interval_width"] == "constant"
    local = LocalWidth(RecentChange(0.5, np.ones((2, 1))), np.array([0.25]))
    scaled = Intervals("split conformal", (80.0,), np.ones((1, 2, 1)), np.ones((2, 1)), None, local)
    found = content(intervals=scaled)
    assert found["interval_width"] == "scaled"
    assert found["interval_targets"][0]["exponent"] == 0.25


def test_many_windows_are_judged_as_each_of_them():
    rng = np.random.default_rng(0)
    shape = (2 * BLOCK_VALUES // 3 + 5, 3, 2)
    y, middle = rng.normal(size=shape), rng.normal(size=shape)
    y[rng.random(shape) < 0.1] = np.nan
    mask, width = ~np.isnan(y), np.array([1.0, 2.5])
    bounds = middle[..., None] - width, middle[..., None] + width
    groups = Groups(np.zeros(len(y), int), 1, np.ones((len(y), 2), int))
    found = sum_coverage(y, mask, bounds, (80.0, 95.0), groups, np.zeros(shape))
    for level, half, factor in ((0, 1.0, 10.0), (1, 2.5, 40.0)):
        beyond = np.nan_to_num(np.maximum(np.abs(y - middle) - half, 0.0))
        np.testing.assert_array_equal(found.inside[level], ((beyond == 0) & mask).sum(axis=0))
        expected = (np.where(mask, 2 * half, 0.0) + factor * beyond).sum(axis=0)
        np.testing.assert_allclose(found.score[level], expected, rtol=1e-10)
        np.testing.assert_allclose(found.width[level], 2 * half * mask.sum(axis=0), rtol=1e-10)
        assert found.tercile_score[level, 1] == pytest.approx(expected.sum())
