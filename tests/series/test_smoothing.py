import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import make_smoothing_spline

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.series.smoothing import filter_level, fit_strength


def irregular(n, seed=0):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.2, 3.0, n))
    return times, np.cumsum(rng.normal(size=n)) + rng.normal(size=n)


def wiener_covariance(s, t):
    """Covariance of the integrated Wiener process started at zero: min^2 (3 max - min) / 6."""
    low, high = np.minimum(s[:, None], t[None, :]), np.maximum(s[:, None], t[None, :])
    return low**2 * (3 * high - low) / 6


def conditioned_level(times, values, strength, at):
    """Mean of line + integrated Wiener process at one time given all values; flat line prior."""
    start = times[0]
    t, x = times - start, np.array([at - start])
    noisy = wiener_covariance(t, t) + strength * np.eye(len(t))
    lines = np.column_stack([np.ones_like(t), t])
    weighted = np.linalg.solve(noisy, lines)
    line = np.linalg.solve(lines.T @ weighted, weighted.T @ values)
    rest = wiener_covariance(x, t) @ np.linalg.solve(noisy, values - lines @ line)
    return float(line[0] + line[1] * x[0] + rest[0])


@pytest.mark.parametrize("strength", [0.01, 1.0, 300.0])
def test_level_is_that_of_dense_gaussian_conditioning(strength):
    times, values = irregular(40)
    levels = filter_level(times, values, strength=strength)
    expected = [
        conditioned_level(times[: k + 1], values[: k + 1], strength, times[k]) for k in range(1, 40)
    ]
    np.testing.assert_allclose(levels[1:], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("strength", [0.1, 10.0, 1000.0])
def test_level_is_the_end_of_the_smoothing_spline_of_the_past(strength):
    times, values = irregular(40, seed=3)
    levels = filter_level(times, values, strength=strength)
    for k in range(5, 40):
        spline = make_smoothing_spline(times[: k + 1], values[: k + 1], lam=strength)
        assert levels[k] == pytest.approx(float(spline(times[k])), abs=1e-8)


def test_missing_rows_get_the_prediction_from_before_them():
    times, values = irregular(40, seed=1)
    values[[5, 6, 7, 20, 38, 39]] = np.nan
    levels = filter_level(times, values, strength=2.0)
    for k in (6, 7, 20, 39):
        known = ~np.isnan(values[:k])
        expected = conditioned_level(times[:k][known], values[:k][known], 2.0, times[k])
        assert levels[k] == pytest.approx(expected, abs=1e-8)


@given(st.integers(1, 119), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_later_rows_change_no_earlier_level(row, seed):
    times, values = irregular(120, seed)
    rng = np.random.default_rng(seed)
    values[rng.random(120) < 0.2] = np.nan
    later_times, later = times.copy(), values.copy()
    later_times[row:] = times[row - 1] + np.cumsum(rng.uniform(0.1, 9, 120 - row))
    later[row:] = rng.choice([np.nan, 1e9, -3.0], 120 - row)
    before = filter_level(times, values, strength=5.0)[:row]
    assert before.tobytes() == filter_level(later_times, later, strength=5.0)[:row].tobytes()


def test_start_is_unknown_then_held_then_a_line():
    values = np.array([np.nan, 4.0, np.nan, 8.0, np.nan])
    levels = filter_level(np.arange(5), values, strength=1.0)
    np.testing.assert_allclose(levels, [np.nan, 4.0, 4.0, 8.0, 10.0])


@pytest.mark.parametrize(
    "values", [np.empty(0), np.full(3, np.nan), np.array([np.nan, 2.0, np.nan])]
)
def test_series_of_at_most_one_value_are_held(values):
    levels = filter_level(np.arange(len(values)), values, strength=1.0)
    np.testing.assert_array_equal(levels, [np.nan, 2.0, 2.0] if 2.0 in values else values)


def test_levels_stay_finite_through_a_long_gap():
    values = np.random.default_rng(0).normal(size=200_000)
    values[1000:-1000] = np.nan
    levels = filter_level(np.arange(200_000), values, strength=1e4)
    assert np.isfinite(levels).all()
    # Soon after the gap the past before it is forgotten.
    alone = filter_level(np.arange(1000), values[-1000:], strength=1e4)
    np.testing.assert_allclose(levels[-500:], alone[-500:], atol=1e-6)


@given(st.floats(1e-6, 1e6), st.booleans(), st.floats(-1e3, 1e3))
@settings(max_examples=30, deadline=None)
def test_level_follows_the_unit(factor, negative, offset):
    factor = -factor if negative else factor
    times, values = irregular(60)
    expected = factor * (filter_level(times, values, strength=3.0) + offset)
    levels = filter_level(times, factor * (values + offset), strength=3.0)
    np.testing.assert_allclose(
        levels, expected, rtol=0, atol=1e-11 * abs(factor) * (1e2 + abs(offset))
    )


def test_a_straight_line_passes_unchanged():
    times, _ = irregular(50)
    np.testing.assert_allclose(
        filter_level(times, 3 * times - 7, strength=100.0), 3 * times - 7, rtol=1e-10
    )


def test_nanosecond_timestamps_keep_their_digits():
    step = 300_000_000_000
    times = 1_267_000_000_000_000_001 + step * np.arange(50, dtype=np.int64)
    _, values = irregular(50)
    np.testing.assert_allclose(
        filter_level(times, values, strength=2.0 * float(step) ** 3),
        filter_level(np.arange(50), values, strength=2.0),
        rtol=1e-9,
    )


@pytest.mark.parametrize("times", [[0.0, 1.0, 1.0], [0.0, 2.0, 1.0]])
def test_times_that_do_not_increase_are_refused(times):
    with pytest.raises(ValueError, match="increase"):
        filter_level(np.array(times), np.zeros(3), strength=1.0)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_strength_must_be_positive(strength):
    with pytest.raises(ValueError, match="above 0"):
        filter_level(np.arange(3), np.zeros(3), strength=strength)


def simulated(strength, n=3000, step=1.0, seed=0):
    """A path of the model itself, drawn by its exact discrete covariance, plus noise."""
    rng = np.random.default_rng(seed)
    covariance = np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
    moves = rng.multivariate_normal([0, 0], covariance, n)
    slope = np.cumsum(moves[:, 1])
    level = np.cumsum(moves[:, 0] + step * np.concatenate([[0.0], slope[:-1]]))
    return step * np.arange(n), level + np.sqrt(strength) * rng.normal(size=n)


@pytest.mark.parametrize(("strength", "step"), [(0.5, 1.0), (50.0, 1.0), (1e4, 1.0), (1e4, 10.0)])
def test_fit_finds_the_strength_that_made_the_data(strength, step):
    times, values = simulated(strength, step=step)
    assert fit_strength(times, values) == pytest.approx(strength, rel=0.4)


def test_fit_maximises_the_dense_restricted_likelihood():
    times, values = irregular(60, seed=5)
    values[[10, 11, 30]] = np.nan
    known = ~np.isnan(values)
    t, y = times[known] - times[known][0], values[known]
    lines = np.column_stack([np.ones_like(t), t])

    def deviance(strength):
        covariance = wiener_covariance(t, t) + strength * np.eye(len(t))
        inner = lines.T @ np.linalg.solve(covariance, lines)
        line = np.linalg.solve(inner, lines.T @ np.linalg.solve(covariance, y))
        rest = y - lines @ line
        fit = rest @ np.linalg.solve(covariance, rest) / (len(t) - 2)
        return (
            (len(t) - 2) * np.log(fit)
            + np.linalg.slogdet(covariance)[1]
            + np.linalg.slogdet(inner)[1]
        )

    found = fit_strength(times, values)
    around = found * np.exp(np.linspace(-0.5, 0.5, 101))
    assert around[np.argmin([deviance(s) for s in around])] == pytest.approx(found, rel=0.02)


def test_fitted_strength_does_not_depend_on_the_unit_of_the_values():
    times, values = simulated(20.0, n=500)
    assert fit_strength(times, 1000 - 250 * values) == pytest.approx(
        fit_strength(times, values), rel=1e-3
    )


def test_fit_needs_ten_observations():
    values = np.full(100, np.nan)
    values[:9] = range(9)
    with pytest.raises(TooLittleDataError, match="9 observed"):
        fit_strength(np.arange(100), values)


def test_fit_of_a_constant_is_finite():
    assert 0 < fit_strength(np.arange(50), np.full(50, 3.0)) < 1
