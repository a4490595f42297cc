import numpy as np
import pytest

from spline_lstm.inference.recent_errors import change_of_scales, reliability

SERIES, WINDOWS, HORIZON = 40, 60, 7


def residuals(sizes, seed=0):
    """Residuals of `WINDOWS` windows of each series, normal, and series and instant of each."""
    index = np.repeat(np.arange(len(sizes)), WINDOWS)
    time = np.tile(np.arange(WINDOWS), len(sizes))
    noise = np.random.default_rng(seed).normal(size=(len(index), HORIZON, 1))
    return noise * np.asarray(sizes)[index, None, None], index, time


def test_a_series_that_became_noisier_gets_the_wider_interval():
    sizes = np.where(np.arange(SERIES) % 2, 2.0, 0.5)
    factors = change_of_scales(*residuals(sizes), SERIES)[:, 0]
    # What all share is not the business of the factors: their geometric mean is 1.
    assert np.allclose(factors, sizes, rtol=0.15)


def test_chance_alone_moves_no_scale_by_much():
    values, index, time = residuals(np.ones(SERIES), seed=1)
    alone = np.abs(values).mean(axis=(1, 2)).reshape(SERIES, -1).mean(axis=1)
    factors = change_of_scales(values, index, time, SERIES)[:, 0]
    assert np.abs(np.log(factors)).max() <= np.abs(np.log(alone / alone.mean())).max()
    assert np.abs(np.log(factors)).std() < 0.03


@pytest.mark.parametrize("windows", [1, 8, 14, 20])
def test_labels_that_both_halves_share_are_no_evidence(windows):
    """Windows of neighbouring rows, two horizons of them or fewer: chance alone moves both."""
    horizon, index = 14, np.repeat(np.arange(SERIES), windows)
    time = np.tile(np.arange(windows), SERIES)
    noise = np.random.default_rng(5).normal(size=(SERIES, windows + horizon))
    values = noise[index[:, None], time[:, None] + np.arange(horizon)][..., None]
    factors = change_of_scales(values, index, time, SERIES)[:, 0]
    assert np.abs(np.log(factors)).std() < 0.05


def test_a_change_of_one_half_alone_is_not_reliable():
    values, index, time = residuals(np.ones(SERIES), seed=2)
    jump = np.random.default_rng(3).uniform(0.5, 2.0, SERIES)
    values[time < WINDOWS // 2] *= jump[index[time < WINDOWS // 2], None, None]
    factors = change_of_scales(values, index, time, SERIES)[:, 0]
    assert np.abs(np.log(factors)).std() < 0.2 * np.log(jump).std()


def test_few_series_and_those_without_values_keep_their_scale():
    few = np.array([0.5, 2.0, 1.0])
    assert np.array_equal(change_of_scales(*residuals(few), 3), np.ones((3, 1)))
    values, index, time = residuals(np.linspace(0.5, 2, SERIES))
    values[index == 5] = np.nan
    values[index == 6] = 0.0
    factors = change_of_scales(values, index, time, SERIES + 1)[:, 0]
    assert factors[[5, 6, SERIES]].tolist() == [1.0, 1.0, 1.0]
    assert factors[0] < 0.7
    assert factors[SERIES - 1] > 1.3


def test_reliability_is_that_of_the_mean_of_two_correlated_measurements():
    random = np.random.default_rng(4)
    signal, noise = random.normal(size=20_000), random.normal(size=(2, 20_000))
    # Variance of the mean: 1 of the signal and 1/2 of the noise.
    assert reliability(signal + noise[0], signal + noise[1]) == pytest.approx(2 / 3, abs=0.02)
    assert reliability(noise[0], -noise[0]) == 0.0
    assert reliability(np.ones(5), np.ones(5)) == 0.0
