import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from spline_lstm.models.normalization import denormalize, normalize

X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype(np.float32)


def test_last_makes_the_last_target_of_each_window_zero_and_leaves_other_features():
    normalized, _ = normalize(X, (1,), "last")
    np.testing.assert_array_equal(normalized[:, -1, 1], np.zeros(4))
    np.testing.assert_array_equal(normalized[:, :, [0, 2]], X[:, :, [0, 2]])


def test_revin_gives_targets_mean_zero_and_spread_one():
    normalized, _ = normalize(X, (0, 2), "revin")
    targets = np.asarray(normalized)[:, :, [0, 2]]
    np.testing.assert_allclose(targets.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(targets.std(axis=1), 1, atol=1e-4)


def test_none_changes_nothing():
    normalized, scale = normalize(X, (0,), "none")
    np.testing.assert_array_equal(normalized, X)
    np.testing.assert_array_equal(denormalize(X[:, :2, :1], scale), X[:, :2, :1])


@pytest.mark.parametrize("kind", ["none", "last", "revin", "robust"])
def test_denormalize_undoes_normalize(kind):
    normalized, scale = normalize(X, (0, 1), kind)
    np.testing.assert_allclose(denormalize(normalized[:, :, :2], scale), X[:, :, :2], atol=1e-6)


@pytest.mark.parametrize("kind", ["last", "revin", "robust"])
def test_constant_window_stays_finite(kind):
    normalized, scale = normalize(np.full((2, 5, 1), 7.0, np.float32), (0,), kind)
    assert np.isfinite(normalized).all()
    np.testing.assert_allclose(denormalize(normalized, scale), 7.0, atol=1e-5)


def observed_of(seed):
    """A mask in which a target of window 2 was never observed."""
    observed = np.random.default_rng(seed).random(X.shape) < 0.6
    observed[2, :, 1] = False
    return observed


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["revin", "robust"])
def test_statistics_are_those_of_the_observed_entries(kind, masked):
    observed = observed_of(1) if masked else np.ones_like(X, bool)
    given = observed.astype(np.float32) if masked else None
    _, found = normalize(X, (0, 1, 2), kind, given)
    for window in range(len(X)):
        for target in range(3):
            seen = observed[window, :, target]
            values = X[window, seen if seen.any() else slice(None), target].astype(float)
            if kind == "revin":
                shift, scale = values.mean(), np.sqrt(values.var() + 1e-5)
            else:
                shift = np.median(values)
                scale = max(median_abs_deviation(values, scale="normal"), 0.1)
            assert found.shift[window, 0, target] == pytest.approx(shift, abs=1e-6)
            assert found.scale[window, 0, target] == pytest.approx(scale, rel=1e-5)


@given(spike=st.floats(-1e6, 1e6, width=32))
@settings(max_examples=30, deadline=None)
def test_one_spike_moves_a_robust_window_by_less_than_its_own_values(spike):
    values = np.arange(9, dtype=np.float32)[None, :, None]
    spiked = values.copy()
    spiked[0, 4] = spike
    _, scale = normalize(spiked, (0,), "robust")
    assert 3 <= scale.shift.item() <= 5
    assert 1 <= scale.scale.item() * 0.6745 <= 4


def test_entries_that_were_not_observed_have_no_influence():
    observed = observed_of(2)
    observed[2, :, 1] = True
    other = np.where(observed, X, 1e3).astype(np.float32)
    for kind in ("revin", "robust"):
        _, first = normalize(X, (0, 1, 2), kind, observed.astype(np.float32))
        _, second = normalize(other, (0, 1, 2), kind, observed.astype(np.float32))
        np.testing.assert_array_equal(first.shift, second.shift)
        np.testing.assert_array_equal(first.scale, second.scale)
