import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.series.outliers import hampel


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def by_the_definition(values, window, threshold):
    """The docstring, one value at a time, over Python lists."""
    past, deviations, flags = [], [], []
    for value in values:
        if np.isnan(value):
            flags.append(False)
            continue
        recent = past[-window:]
        known = len(recent) >= max(3, window // 2)
        median = float(np.median(recent)) if known else 0.0
        local = 1.4826 * float(np.median(np.abs(np.array(recent) - median))) if known else 0.0
        longer = sorted(deviations[-10 * window :])
        long = longer[int(0.9 * len(longer))] / 1.6449 if longer else 0.0
        scale = long if local < long / 2 else local
        flags.append(known and scale > 0 and abs(value - median) > threshold * scale)
        if known:
            deviations.append(abs(value - median))
        past.append(value)
    return np.array(flags)


@pytest.mark.parametrize("window", [3, 4, 7, 24])
def test_flags_follow_the_definition(window):
    values = np.concatenate(
        [noise(300), np.zeros(100), 0.01 * noise(200, 1), np.repeat([0.0, 3.0], 50)]
    )
    values[noise(len(values), 2) > 1.5] = np.nan
    values[noise(len(values), 3) > 2] *= 20
    expected = by_the_definition(values, window, 3.0)
    np.testing.assert_array_equal(hampel(values, window=window, threshold=3.0), expected)
    assert 0 < expected.sum() < 150


def test_flags_do_not_depend_on_how_the_rows_are_blocked(monkeypatch):
    values = noise(2000)
    values[::97] += 9
    whole = hampel(values, window=24, threshold=4.0)
    monkeypatch.setattr("spline_lstm.series.outliers.BLOCK", 100)
    np.testing.assert_array_equal(hampel(values, window=24, threshold=4.0), whole)


@given(st.integers(0, 199), st.integers(0, 2**32 - 1), st.sampled_from([3, 8, 24]))
@settings(max_examples=60, deadline=None)
def test_later_values_change_no_earlier_flag(row, seed, window):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, 200)
    values[rng.random(200) < 0.1] = np.nan
    later = values.copy()
    later[row:] = rng.choice([np.nan, 1e9, -5.0, 0.0], 200 - row)
    before, after = (hampel(x, window=window, threshold=3.0) for x in (values, later))
    np.testing.assert_array_equal(before[:row], after[:row])


@given(st.floats(1e-6, 1e6), st.booleans(), st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_flags_do_not_depend_on_the_unit(factor, negative, offset, seed):
    values = np.random.default_rng(seed).standard_t(2, 300).round(2)
    values[100:140] = 1.0
    other = (-factor if negative else factor) * (values + offset)
    np.testing.assert_array_equal(
        hampel(other, window=12, threshold=3.3),
        hampel(values, window=12, threshold=3.3),
        strict=True,
    )


def test_a_spike_in_noise_is_flagged_and_its_neighbours_are_not():
    values = noise(300)
    values[200] = 15.0
    assert hampel(values, window=24, threshold=6.0).nonzero()[0].tolist() == [200]


@pytest.mark.parametrize("window", [5, 24, 49])
def test_a_level_shift_is_accepted_after_half_a_window(window):
    values = np.tile([0.0, 1.0, 2.0], 200)
    values[300:] += 50
    flagged = hampel(values, window=window, threshold=6.0).nonzero()[0]
    assert flagged.min() == 300
    assert flagged.max() <= 300 + window // 2


def test_missing_values_are_neither_flagged_nor_counted():
    values = noise(200)
    values[150] = 30
    sparse = np.full(600, np.nan)
    sparse[::3] = values
    flags = hampel(sparse, window=24, threshold=5.0)
    np.testing.assert_array_equal(flags[::3], hampel(values, window=24, threshold=5.0))
    assert not flags[np.isnan(sparse)].any()


def test_nothing_is_flagged_before_half_a_window_is_known():
    values = noise(24)
    values[[2, 11]] = 1e6
    flags = hampel(values, window=24, threshold=5.0)
    assert not flags[:12].any()
    values[12] = -1e7
    assert hampel(values, window=24, threshold=5.0)[12]


@pytest.mark.parametrize("change", [0.001, 5.0])
def test_a_constant_that_changes_is_no_outlier(change):
    values = np.full(300, 7.0)
    values[100:] += change
    values[200] = 9.0
    assert not hampel(values, window=24, threshold=5.0).any()


def test_a_zero_at_night_makes_no_outlier_of_the_morning():
    hour = np.arange(24 * 30) % 24
    day = np.maximum(np.sin(2 * np.pi * (hour - 6) / 24), 0)
    assert np.median(day[:24]) < 1e-9
    assert not hampel(day, window=24, threshold=4.0)[48:].any()
    values = day.copy()
    values[24 * 20 + 2] = 30.0
    assert hampel(values, window=24, threshold=4.0)[48:].nonzero()[0].tolist() == [24 * 20 + 2 - 48]


def test_intermittent_demand_is_no_outlier():
    values = (np.random.default_rng(1).random(1000) < 0.2).astype(float)
    assert not hampel(values, window=24, threshold=5.0)[240:].any()


@pytest.mark.parametrize("values", [np.empty(0), np.full(50, np.nan), np.array([1.0])])
def test_series_without_a_past_have_no_outlier(values):
    flags = hampel(values, window=3, threshold=3.0)
    assert flags.shape == values.shape
    assert flags.dtype == bool
    assert not flags.any()


@pytest.mark.parametrize(("window", "threshold"), [(2, 3.0), (24, 0.0), (24, float("nan"))])
def test_senseless_settings_are_refused(window, threshold):
    with pytest.raises(ValueError, match="at least 3"):
        hampel(np.zeros(9), window=window, threshold=threshold)
