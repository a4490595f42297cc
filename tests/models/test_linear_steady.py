import numpy as np
import pytest
from scipy.signal import lfilter

from spline_lstm.models.linear_fit import fit_linear
from spline_lstm.models.linear_moments import Rows, Series, fit_scale
from spline_lstm.models.linear_smoothing import Smoothing, fit_smoothing, support
from spline_lstm.models.linear_steady import fit_steady, steady_squares

HORIZON, SEASON = 5, 4
PROFILE = np.array([3.0, -1.0, 0.5, -2.5])


def rows_of(values, offsets=None):
    offsets = np.array([0, len(values)] if offsets is None else offsets)
    series = Series(np.asarray(values, float), offsets, np.ones(len(values), dtype=bool))
    return Rows.of(series, fit_scale(series, log=False))


def seasonal(rows, change=0.0, seed=0):
    """A slow level, noise, and a profile that changes by `change` each season."""
    generator = np.random.default_rng(seed)
    moves = generator.normal(size=(rows // SEASON + 1, SEASON)).cumsum(axis=0) * change
    level = generator.normal(size=rows).cumsum() * 0.1
    return (PROFILE + moves).ravel()[:rows] + level + generator.normal(size=rows) * 0.5


@pytest.mark.parametrize("a", [0.0, 0.3, 0.95])
def test_the_innovations_are_those_of_least_squares_on_the_filtered_phases(a):
    values = seasonal(50)
    rows = len(values) - 1
    phases = np.arange(rows)[:, None] % SEASON == np.arange(SEASON)
    shock = (np.arange(rows) == 0)[:, None]  # the one before the first row, up to its size
    inputs = lfilter([1], [1, -a], np.hstack([phases, shock]).astype(float), axis=0)
    shocks = lfilter([1], [1, -a], np.diff(values))
    found = np.linalg.lstsq(inputs, shocks, rcond=None)[0]
    expected = np.square(shocks - inputs @ found).sum()
    assert steady_squares(values, SEASON, a) == pytest.approx(expected)


@pytest.mark.parametrize(("a", "lookback"), [(0.3, 21), (0.7, 18), (0.95, 13)])
def test_it_is_the_best_unbiased_forecast_whatever_profile_and_drift(a, lookback):
    """By the equations of universal kriging for the differences."""
    rows = lookback - 1 + HORIZON
    covariance = np.eye(rows) * (1 + a * a) - (np.eye(rows, k=1) + np.eye(rows, k=-1)) * a
    means = (np.arange(rows)[:, None] % SEASON == np.arange(SEASON)).astype(float)
    seen, sums = slice(0, lookback - 1), np.triu(np.ones((HORIZON, HORIZON)))
    wanted, zero = slice(lookback - 1, None), np.zeros((SEASON, SEASON))
    system = np.block([[covariance[seen, seen], means[seen]], [means[seen].T, zero]])
    right = np.vstack([covariance[seen, wanted] @ sums, means[wanted].T @ sums])
    weights = np.linalg.solve(system, right)[: lookback - 1]
    expected = np.zeros((lookback, HORIZON))
    expected[1:] += weights
    expected[:-1] -= weights
    expected[-1] += 1
    found = Smoothing(SEASON, a, 1.0, lookback, 0.0).weights(HORIZON)
    assert np.allclose(found, expected, atol=1e-5)


def test_a_profile_with_a_drift_is_continued_from_every_phase():
    values = np.tile(PROFILE, 12) + 0.25 * np.arange(48)
    weights = Smoothing(SEASON, 0.7, 1.0, 4 * SEASON + 1, 0.0).weights(HORIZON)
    for origin in range(20, 24):
        window = values[origin - len(weights) : origin]
        assert np.allclose(window @ weights, values[origin : origin + HORIZON], atol=1e-4)


def test_the_evidence_tells_a_season_that_never_changes_from_one_that_does():
    steady, moving = rows_of(seasonal(120)), rows_of(seasonal(120, change=0.8))
    found = [
        support(fit_steady(rows, SEASON, HORIZON, 99), fit_smoothing(rows, SEASON, HORIZON, 99))
        for rows in (steady, moving)
    ]
    assert found[0] > 0.9
    assert found[1] < 0.01


def test_series_share_the_smoothing_and_short_ones_are_left_out():
    one, other = seasonal(500, seed=1), seasonal(500, seed=2) + 30
    panel = rows_of(np.concatenate([one, other, np.ones(17)]), [0, 500, 1000, 1017])
    model = fit_steady(panel, SEASON, HORIZON, 99)
    assert model is not None
    assert model.smoothing == 0.85
    assert (model.lookback, model.name) == (4 * SEASON + HORIZON + 1, "steady season 4")


def test_too_few_rows_or_too_short_a_window_give_nothing():
    assert fit_steady(rows_of(seasonal(17)), SEASON, HORIZON, 99) is None
    assert fit_steady(rows_of(seasonal(90)), SEASON, HORIZON, 2 * SEASON - 1) is None


def test_with_few_validation_windows_it_counts_as_far_as_the_season_is_steady():
    weights = []
    for change in (0.0, 0.8):
        values = seasonal(120, change, seed=4)
        few = Series(values, np.array([0, 120]), np.arange(120) < 80)
        fitted = fit_linear(
            few, np.arange(16, 77), np.arange(84, 97), horizon=4, lookback=16, seasons=[SEASON]
        )
        found = [(name, weight) for name, weight in fitted.members if "steady" in name]
        weights.append(sum(weight for _, weight in found))
    assert weights[0] > 0.15
    assert weights[1] < 0.01
