import numpy as np
import pytest

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


@pytest.mark.parametrize("kind", ["none", "last", "revin"])
def test_denormalize_undoes_normalize(kind):
    normalized, scale = normalize(X, (0, 1), kind)
    np.testing.assert_allclose(denormalize(normalized[:, :, :2], scale), X[:, :, :2], atol=1e-6)


@pytest.mark.parametrize("kind", ["last", "revin"])
def test_constant_window_stays_finite(kind):
    normalized, scale = normalize(np.full((2, 5, 1), 7.0, np.float32), (0,), kind)
    assert np.isfinite(normalized).all()
    np.testing.assert_allclose(denormalize(normalized, scale), 7.0, atol=1e-5)
