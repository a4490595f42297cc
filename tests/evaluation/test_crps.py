import numpy as np
import pytest
from scipy.stats import norm

from spline_lstm.evaluation.crps import crps_of_intervals, crps_of_quantiles, crps_of_widths
from spline_lstm.inference.intervals import DISTRIBUTION


def normal_crps(y, sigma):
    """Closed form for a normal distribution around 0 (Gneiting and Raftery 2007, equation 21)."""
    z = y / sigma
    return sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


Y = np.random.default_rng(0).normal(size=(5000, 1, 1)) * 3.0


def test_intervals_of_a_normal_distribution_have_its_crps():
    halves = [3.0 * norm.ppf(0.5 + level / 200) for level in DISTRIBUTION]
    bounds = [(np.full(Y.shape, -half), np.full(Y.shape, half)) for half in halves]
    found = crps_of_intervals(Y, bounds).mean()
    assert found == pytest.approx(normal_crps(Y, 3.0).mean(), rel=0.01)


def test_quantiles_of_a_normal_distribution_have_its_crps():
    levels = np.arange(0.025, 1.0, 0.05)
    quantiles = np.broadcast_to(3.0 * norm.ppf(levels), (*Y.shape, len(levels)))
    found = crps_of_quantiles(Y, quantiles, levels.tolist()).mean()
    assert found == pytest.approx(normal_crps(Y, 3.0).mean(), rel=0.01)


def test_quantiles_and_intervals_that_say_the_same_have_the_same_crps():
    levels = [level / 200 for level in range(5, 200, 10)]
    values = 2.0 * norm.ppf(levels)
    quantiles = np.broadcast_to(values, (*Y.shape, len(levels)))
    ups = values[len(levels) // 2 :]
    bounds = [(np.full(Y.shape, -up), np.full(Y.shape, up)) for up in ups]
    # Level 5 percent has the quantiles 0.475 and 0.525, and so on.
    np.testing.assert_allclose(
        crps_of_intervals(Y, bounds), crps_of_quantiles(Y, quantiles, levels), rtol=1e-9
    )


@pytest.mark.parametrize("spread", [1.0, 0.0])
def test_bounds_as_far_from_the_forecast_have_the_crps_of_any_bounds(spread):
    rng = np.random.default_rng(1)
    y_true, point = rng.normal(size=(2, 1500, 5, 2))
    y_true[3, 2] = np.nan
    widths = np.sort(rng.random((10, 5, 2)), axis=0)
    scales = 0.5 + spread * rng.random((1500, 2))
    bounds = [(point - w * scales[:, None], point + w * scales[:, None]) for w in widths]
    np.testing.assert_allclose(
        crps_of_widths(np.abs(y_true - point), widths, scales),
        crps_of_intervals(y_true, bounds),
        rtol=1e-12,
    )
