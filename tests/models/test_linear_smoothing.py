import numpy as np
import pytest
from scipy.signal import lfilter

from spline_lstm.models.linear_moments import Rows, Series, fit_scale
from spline_lstm.models.linear_smoothing import (
    STEADY,
    TREND,
    Smoothing,
    fit_smoothing,
    innovation_variances,
    innovations,
    random_walk,
    support,
    support_beside_regressions,
)

HORIZON = 5


def rows_of(values, offsets=None):
    offsets = np.array([0, len(values)] if offsets is None else offsets)
    series = Series(np.asarray(values, float), offsets, np.ones(len(values), dtype=bool))
    return Rows.of(series, fit_scale(series, log=False))


def airline(rows, a, b, season=4, seed=0):
    """(1 - B)(1 - B^S) y = (1 - a B)(1 - b B^S) e, by the recursion of its definition."""
    noise = np.random.default_rng(seed).normal(size=rows)
    values = np.zeros(rows)
    for t in range(season + 1, rows):
        past = values[t - 1] + values[t - season] - values[t - season - 1]
        moved = noise[t] - a * noise[t - 1] - b * noise[t - season] + a * b * noise[t - season - 1]
        values[t] = past + moved
    return values


@pytest.mark.parametrize("a", [0.3, 0.7])
def test_without_a_season_it_is_simple_exponential_smoothing(a):
    weights = Smoothing(0, a, 0.0, 60, 0.0).weights(HORIZON)
    level = (1 - a) * a ** np.arange(59, -1, -1.0)
    assert np.allclose(weights, level[:, None], atol=1e-6)


def test_without_moving_averages_it_is_the_naive_forecast_and_its_seasonal_form():
    window = np.random.default_rng(1).normal(size=12)
    assert np.allclose(window @ Smoothing(0, 0.0, 0.0, 12, 0.0).weights(3), window[-1])
    drifting = window[-4:-1] + window[-1] - window[-5]
    assert np.allclose(window @ Smoothing(4, 0.0, 0.0, 12, 0.0).weights(3), drifting)


def test_it_is_the_projection_on_the_window():
    """By simulation: no other weights of the same rows have a smaller error."""
    season, a, b, lookback = 4, 0.5, 0.3, 14
    weights = Smoothing(season, a, b, lookback, 0.0).weights(HORIZON)
    values = airline(60_000, a, b)
    origins = np.arange(100, len(values) - HORIZON)
    windows = values[origins[:, None] + np.arange(-lookback, 0)]
    errors = values[origins[:, None] + np.arange(HORIZON)] - windows @ weights
    difference = windows[:, 1:] - windows[:, :-1]
    known = difference[:, season:] - difference[:, :-season]
    correlation = (known - known.mean(0)).T @ (errors - errors.mean(0)) / len(errors)
    assert np.abs(correlation).max() < 0.04 * known.std() * errors.std()


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.7), (0.7, 0.3)])
def test_the_parameters_of_a_long_series_are_found(a, b):
    model = fit_smoothing(rows_of(airline(4000, a, b)), 4, HORIZON, 100)
    assert model is not None
    assert (model.smoothing, model.seasonal_smoothing) == (a, b)
    assert model.lookback == 4 * 4 + HORIZON + 1


def test_with_a_trend_alone_it_is_the_smoothing_of_holt():
    """Holt's recursion with the parameters that have the same moving average."""
    a, b = 0.7, 0.95
    level_gain = 1 - a * b
    trend_gain = (1 - a) * (1 - b) / level_gain
    window = np.random.default_rng(4).normal(size=400).cumsum()
    level, trend = window[0], 0.0
    for value in window[1:]:
        before = level
        level = level_gain * value + (1 - level_gain) * (level + trend)
        trend = trend_gain * (level - before) + (1 - trend_gain) * trend
    found = window @ Smoothing(TREND, a, b, 400, 0.0).weights(HORIZON)
    assert np.allclose(found, level + trend * np.arange(1, HORIZON + 1), atol=1e-3)


def test_a_steady_trend_is_found_and_is_no_season():
    noise = np.random.default_rng(5).normal(size=600)
    rows = rows_of(np.arange(600.0) + noise.cumsum())
    season, trend, flat = (fit_smoothing(rows, s, HORIZON, 99) for s in (4, TREND, 0))
    assert (trend.smoothing, trend.seasonal_smoothing) in {(0.0, STEADY), (STEADY, 0.0)}
    assert trend.name == "smoothing with a trend"
    assert support(season, flat) > 0.9
    assert support(season, trend) < 0.01
    assert support_beside_regressions(rows, trend, 30) > 0.9


def test_the_evidence_tells_a_season_from_none():
    season = rows_of(airline(120, 0.5, 0.5, season=12))
    walk = rows_of(np.cumsum(np.random.default_rng(3).normal(size=120)))
    found = [
        support(fit_smoothing(rows, 12, HORIZON, 99), fit_smoothing(rows, 0, HORIZON, 99))
        for rows in (season, walk)
    ]
    assert found[0] > 0.99
    assert found[1] < 0.01


def test_a_random_walk_needs_no_parameter_and_a_noisy_level_or_a_steady_trend_does():
    def evidence(values):
        rows = rows_of(values)
        level, trend = fit_smoothing(rows, 0, HORIZON, 99), fit_smoothing(rows, TREND, HORIZON, 99)
        return support(random_walk(rows, level), min(level, trend, key=lambda m: m.criterion))

    noise = np.random.default_rng(5).normal(size=120)
    assert evidence(np.cumsum(noise)) > 0.5
    assert evidence(noise) < 0.01
    assert evidence(np.cumsum(noise + 1.5)) < 0.01
    rows = rows_of(np.cumsum(noise))
    steps = np.diff(rows.scores * rows.grid)
    criterion = 120 * np.log(np.sum(steps**2) / 119) + 2 + 4 / 118
    walk = random_walk(rows, fit_smoothing(rows, 0, HORIZON, 99))
    assert walk.criterion == pytest.approx(criterion)
    np.testing.assert_allclose(walk.weights(2)[-1], 1.0)


def test_series_share_parameters_and_short_ones_are_left_out():
    one, other = airline(500, 0.5, 0.3, seed=1), airline(500, 0.5, 0.3, seed=2)
    panel = rows_of(np.concatenate([one, other, np.ones(7)]), [0, 500, 1000, 1007])
    model = fit_smoothing(panel, 4, HORIZON, 99)
    assert model is not None
    assert (model.smoothing, model.seasonal_smoothing) == (0.5, 0.3)


def test_too_few_rows_or_too_short_a_window_give_nothing():
    assert fit_smoothing(rows_of(airline(17, 0.5, 0.3)), 4, HORIZON, 99) is None
    assert fit_smoothing(rows_of(airline(90, 0.5, 0.3)), 4, HORIZON, 6) is None


def autoregression(weights, rows=300, seed=0):
    generator = np.random.default_rng(seed)
    values = np.zeros(rows)
    for row in range(len(weights), rows):
        past = sum(w * values[row - k - 1] for k, w in enumerate(weights))
        values[row] = past + generator.normal()
    return values


def test_variances_of_autoregressions_are_those_of_the_normal_equations():
    covariances = np.array([4.0, 2.0, 1.5, -0.5])
    found = innovation_variances(covariances)
    for order in range(4):
        matrix = covariances[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        cross = covariances[1 : order + 1]
        expected = covariances[0] - cross @ np.linalg.solve(matrix, cross) if order else 4.0
        assert found[order] == pytest.approx(expected)


def test_a_series_that_swings_is_no_matter_of_flat_smoothing_and_a_random_walk_is():
    def support(values):
        rows = rows_of(values)
        return support_beside_regressions(rows, fit_smoothing(rows, 0, 4, 60), 30)

    assert support(autoregression([1.8, -0.9])) < 0.01
    assert support(np.cumsum(np.random.default_rng(2).normal(size=300))) > 0.9
    noisy_level = 5 + np.random.default_rng(3).normal(size=300)
    assert support(noisy_level) > 0.9
    assert support(np.full(50, 2.0)) == 1.0


@pytest.mark.parametrize("average", [[1.0], [1.0, -0.3], [1.0, -0.5, 0, 0, 0.85, -0.425]])
def test_innovations_are_those_of_the_filter(average):
    differences = np.random.default_rng(5).normal(size=50)
    found = innovations(differences, np.array(average))
    np.testing.assert_allclose(found, lfilter([1.0], average, differences), rtol=1e-12)
