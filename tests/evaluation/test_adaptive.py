import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.evaluation.adaptive import (
    AdaptiveSums,
    Ranked,
    Stream,
    adaptive_sums,
    adaptive_widths,
)
from spline_lstm.inference.calibration import Calibration
from spline_lstm.inference.intervals import conformal_intervals
from spline_lstm.windows.limits import ForecastLimits

FREE = ForecastLimits(np.array([[-np.inf, np.inf]]), np.full((3, 1), np.nan))


def residuals(count=200, steps=3, targets=1, seed=0):
    return np.random.default_rng(seed).normal(size=(count, steps, targets))


def oracle(size, origins, sizes, level, rate, step):
    """One step of one target, label by label."""
    wanted = misses = 1 - level / 100
    widths, waiting = [], []
    for index, origin in enumerate(origins):
        while waiting and origins[waiting[0]] + step < origin:
            past = waiting.pop(0)
            if not np.isnan(size[past]):
                misses += rate * (wanted - (size[past] > widths[past]))
        rank = int(np.ceil((len(sizes) + 1) * (1 - misses) - 1e-9))
        widths.append(sizes[min(max(rank, 1), len(sizes)) - 1])
        waiting.append(index)
    return widths


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), stride=st.integers(1, 5), rate=st.floats(0.001, 0.5))
def test_widths_follow_the_labels_that_are_known(seed, stride, rate):
    rng = np.random.default_rng(seed)
    kept = rng.random(60) < 0.8
    origins = (np.arange(60) * stride)[kept]
    size = np.abs(rng.normal(size=(len(origins), 4, 2))) * 1.5
    size[rng.random(size.shape) < 0.1] = np.nan
    calibrated = residuals(50, 4, 2, seed)
    calibrated[rng.random(calibrated.shape) < 0.1] = np.nan
    found = adaptive_widths(size, origins, Ranked.of(calibrated), 80.0, rate)
    for step, target in np.ndindex(4, 2):
        sizes = np.abs(calibrated[:, step, target])
        sizes = np.sort(sizes[~np.isnan(sizes)])
        expected = oracle(size[:, step, target], origins, sizes, 80.0, rate, step)
        assert found[:, step, target].tolist() == expected


def test_no_label_counts_before_its_row_has_passed():
    origins, size = np.arange(40), np.abs(residuals(40, 5))
    ranked = Ranked.of(residuals(100, 5))
    before = adaptive_widths(size, origins, ranked, 80.0, 0.2)
    later = size.copy()
    # Labels in row 20 and after.
    for step in range(5):
        later[20 - step :, step] = 1e9
    after = adaptive_widths(later, origins, ranked, 80.0, 0.2)
    assert after[:21].tobytes() == before[:21].tobytes()
    assert (after[21] >= before[21]).all()
    assert (after[21] > before[21]).any()


@pytest.mark.parametrize("level", [80.0, 95.0, 33.3])
def test_before_the_first_label_the_intervals_are_the_fixed_ones(level):
    made = residuals()
    fixed = conformal_intervals(made, [level]).half_widths[0]
    found = adaptive_widths(np.full((5, 3, 1), np.nan), np.arange(5), Ranked.of(made), level, 0.1)
    assert (found == fixed).all()


def stream(scale, count=3000, seed=3):
    """Forecasts of 0 for normal values whose size is `scale` times that in validation."""
    truth = residuals(count, 2, seed=seed) * scale
    series = np.repeat([0, 1], [count // 2, count - count // 2])
    return Stream(np.zeros_like(truth), truth, np.ones((count, 1, 1)), series)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_coverage_comes_to_its_level_whatever_the_errors_become(scale):
    made = residuals(2000, 2)
    calibration = Calibration(conformal_intervals(made, [80.0]), made)
    found = adaptive_sums(stream(scale), np.arange(3000), calibration, FREE, 0.02)
    content = found.content([80.0])
    assert content["adaptive_coverage_80"] == pytest.approx(80.0, abs=1.5)
    fixed = (np.abs(stream(scale).truth) <= calibration.intervals.half_widths[0]).mean()
    assert abs(fixed - 0.8) > 0.1 or scale == 1.0


def test_width_and_score_are_means_over_observed_values_inside_the_limits():
    truth = np.array([[[1.0]], [[np.nan]], [[-5.0]]])
    made = np.full((99, 1, 1), 2.0)
    calibration = Calibration(conformal_intervals(made, [80.0]), made)
    given_ = Stream(np.zeros_like(truth), truth, np.ones((3, 1, 1)), np.zeros(3, dtype=int))
    limits = ForecastLimits(np.array([[-1.0, np.inf]]), np.full((2, 1), np.nan))
    found = adaptive_sums(given_, np.arange(3), calibration, limits, 0.01).content([80.0])
    # From -1 (the limit) to 2; -5 is 4 below.
    assert found == {
        "adaptive_coverage_80": 50.0,
        "adaptive_width_80": 3.0,
        "adaptive_winkler_80": pytest.approx(3 + 10 * 4 / 2),
    }


def test_the_forecast_of_a_constant_series_has_no_width_and_no_say():
    truth = np.array([[[1.0]], [[3.0]]])
    none = np.full((1, 1, 1), np.nan)
    calibration = Calibration(conformal_intervals(none, [80.0]), none)
    held = Stream(np.ones_like(truth), truth, np.zeros((2, 1, 1)), np.zeros(2, dtype=int))
    found = adaptive_sums(held, np.arange(2), calibration, FREE, 0.5).content([80.0])
    assert (found["adaptive_coverage_80"], found["adaptive_width_80"]) == (50.0, 0.0)


def test_sums_add_up():
    parts = [
        AdaptiveSums(10, np.array([8.0]), np.array([20.0]), np.array([30.0])),
        AdaptiveSums(30, np.array([30.0]), np.array([20.0]), np.array([50.0])),
    ]
    assert (parts[0] + parts[1]).content([80.0]) == {
        "adaptive_coverage_80": 95.0,
        "adaptive_width_80": 1.0,
        "adaptive_winkler_80": 2.0,
    }
