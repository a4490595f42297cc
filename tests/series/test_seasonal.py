import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from spline_lstm.series.seasonal import causal_profile, detect_season, fit_profile

DATA = Path(os.environ.get("SPLINE_LSTM_DATA", Path(__file__).parents[2] / "../shared/data"))
ETTH1 = DATA / "ETTh1.csv"


def daily(n, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    values = np.sin(2 * np.pi * np.arange(n) / 24) + 0.2 * rng.normal(size=n)
    values[rng.random(n) < missing] = np.nan
    return values


def test_profile_is_the_weighted_mean_of_the_phase_s_past():
    values, season, half_life = daily(300), 24, 3.0
    expected = np.full(300, np.nan)
    for i in range(300):
        past = values[i - season :: -season] if i >= season else np.empty(0)
        weights = 0.5 ** (np.arange(len(past)) / half_life)
        known = ~np.isnan(past)
        if known.any():
            expected[i] = np.average(past[known], weights=weights[known])
    np.testing.assert_allclose(
        causal_profile(values, season, half_life=half_life), expected, rtol=1e-12
    )


@given(st.integers(0, 199), st.integers(1, 50), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_row_changes_no_profile_before_the_same_phase_of_the_next_season(row, season, seed):
    values = daily(200, seed, missing=0.3)
    later = values.copy()
    later[row:] = np.random.default_rng(seed).choice([np.nan, 1e9, -3.0], 200 - row)
    before, after = (causal_profile(x, season)[: row + season] for x in (values, later))
    assert before.tobytes() == after.tobytes()


@given(st.floats(1e-6, 1e6), st.booleans(), st.floats(-1e3, 1e3))
@settings(max_examples=30, deadline=None)
def test_profile_follows_the_unit(factor, negative, offset):
    factor, values = -factor if negative else factor, daily(200)
    expected = factor * (causal_profile(values, 24) + offset)
    profile = causal_profile(factor * (values + offset), 24)
    np.testing.assert_allclose(
        profile, expected, rtol=0, atol=1e-12 * abs(factor) * (10 + abs(offset))
    )


def test_profile_of_a_long_unseen_phase_is_unknown_and_never_wrong():
    values = np.full(3000, np.nan)
    values[0] = 7.0
    profile = causal_profile(values, 1, half_life=1.0)
    assert np.nanmin(profile) == np.nanmax(profile) == 7.0
    assert np.isnan(profile[-1])


@pytest.mark.parametrize("values", [np.empty(0), np.full(5, np.nan), np.arange(3.0)])
def test_profile_of_a_first_season_is_unknown(values):
    np.testing.assert_array_equal(causal_profile(values, 24), np.full(len(values), np.nan))


@pytest.mark.parametrize(("season", "half_life"), [(0, 1.0), (24, 0.0), (24, float("nan"))])
def test_senseless_settings_are_refused(season, half_life):
    with pytest.raises(ValueError, match="at least 1"):
        causal_profile(np.zeros(9), season, half_life=half_life)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_fitted_profile_is_the_statistic_per_phase(statistic):
    values, phases = daily(500), np.arange(500) % 24
    frame = pd.Series(values).groupby(phases)
    expected = frame.mean() if statistic == "mean" else frame.median()
    profile = fit_profile(phases, values, 24, statistic=statistic)
    np.testing.assert_allclose(profile, expected.to_numpy(), rtol=1e-12)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_an_unseen_phase_lies_between_its_neighbours_around_the_circle(statistic):
    phases = np.array([1, 1, 2, 4])
    profile = fit_profile(phases, np.array([1.0, 3.0, np.nan, 8.0]), 6, statistic=statistic)
    # Seen: 2 at phase 1 and 8 at phase 4; from 4 over 5 and 0 back to 1 it falls by 2 a step.
    np.testing.assert_allclose(profile, [4, 2, 4, 6, 8, 6])


def test_fitted_profile_of_nothing_is_unknown():
    assert np.isnan(fit_profile(np.array([0, 1]), np.array([np.nan, np.nan]), 3)).all()
    assert np.isnan(fit_profile(np.empty(0, int), np.empty(0), 3)).all()


def test_fitted_profile_follows_the_unit():
    values, phases = daily(500), np.arange(500) % 24
    for statistic in ("mean", "median"):
        expected = -40 * fit_profile(phases, values, 24, statistic=statistic) + 3
        np.testing.assert_allclose(
            fit_profile(phases, -40 * values + 3, 24, statistic=statistic), expected
        )


@pytest.mark.parametrize("phase", [-1, 24])
def test_phases_outside_the_season_are_refused(phase):
    with pytest.raises(ValueError, match="0 to 23"):
        fit_profile(np.array([0, phase]), np.zeros(2), 24)


def weekly(n):
    hours = np.arange(n)
    return daily(n, missing=0.0) * np.where(hours // 24 % 7 > 4, 0.2, 1.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (daily(2000), 24),
        (daily(2000) + np.linspace(0, 100, 2000), 24),
        (weekly(4000), 168),
        (np.random.default_rng(0).normal(size=2000), None),
        (np.cumsum(np.random.default_rng(1).normal(size=2000)), None),
        (np.sin(2 * np.pi * np.arange(2000) / 30), None),
        (np.full(2000, 3.0), None),
        (np.full(2000, np.nan), None),
        (daily(90), None),
        (np.empty(0), None),
    ],
    ids=[
        "daily",
        "trend",
        "weekly",
        "noise",
        "walk",
        "other period",
        "constant",
        "missing",
        "short",
        "empty",
    ],
)
def test_the_season_is_found_where_there_is_one(values, expected):
    assert detect_season(values, ~np.isnan(values), (24, 168)) == expected


@pytest.mark.parametrize("cycles", [40, 100])
@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_week_of_days_is_found_in_noise_of_its_size_and_not_in_a_walk(cycles, seed):
    rows = np.arange(7 * cycles)
    noise = np.random.default_rng(seed).normal(size=(2, len(rows)))
    week, seen = 1.5 * np.sin(2 * np.pi * rows / 7), np.ones(len(rows), bool)
    assert detect_season(week + noise[0], seen, (7, 365)) == 7
    assert detect_season(week + np.cumsum(noise[1]), seen, (7, 365)) == 7
    assert detect_season(noise[0], seen, (7, 365)) is None
    assert detect_season(np.cumsum(noise[1]), seen, (7, 365)) is None


def test_the_shortest_of_equal_seasons_is_taken():
    values = daily(4000)
    assert detect_season(values, ~np.isnan(values), (48, 24, 72)) == 24


def test_outliers_do_not_hide_the_season():
    values = daily(2000)
    values[::101] = 8.0
    assert detect_season(values, ~np.isnan(values), (24, 168)) == 24


def test_values_that_are_not_observed_do_not_count():
    values = daily(2000, missing=0.0)
    observed = np.arange(2000) % 7 > 0
    values[~observed] = 1e6
    assert detect_season(values, observed, (24, 168)) == 24


def test_detection_does_not_depend_on_the_unit():
    for factor in (-1e-4, 1e5):
        assert detect_season(factor * (weekly(4000) + 5), np.ones(4000, bool), (24, 168)) == 168


def with_blocks_removed(n, seed):
    """Observed rows after blocks of 6 to 24 rows are taken out at random, a quarter of all rows."""
    rng = np.random.default_rng(seed)
    observed = np.ones(n, bool)
    while observed.mean() > 0.75:
        start = rng.integers(200, n - 200)
        observed[start : start + rng.integers(6, 25)] = False
    return observed


def gap_lengths(observed):
    rows = np.arange(len(observed))
    left = np.maximum.accumulate(np.where(observed, rows, -1))
    right = np.minimum.accumulate(np.where(observed, rows, len(rows))[::-1])[::-1]
    return right - left - 1


def filled(values, observed, profile):
    """Profile plus PCHIP of the residual."""
    rows = np.arange(len(values))
    return profile + PchipInterpolator(rows[observed], (values - profile)[observed])(rows)


def fill_rmse(values, profile_of, rounds=10):
    errors = []
    for seed in range(rounds):
        observed = with_blocks_removed(len(values), seed)
        scored = ~observed & (gap_lengths(observed) <= 24)
        seen = np.where(observed, values, np.nan)
        errors.append((filled(values, observed, profile_of(seen)) - values)[scored])
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


needs_etth1 = pytest.mark.skipif(
    not ETTH1.is_file(), reason="no ETTh1.csv in the folder that SPLINE_LSTM_DATA names"
)


def etth1(column, scale_rows):
    values = pd.read_csv(ETTH1)[column].to_numpy(np.float64)
    return (values - values[:scale_rows].mean()) / values[:scale_rows].std()


@needs_etth1
@pytest.mark.parametrize(("column", "pchip", "limit"), [("HUFL", 1.04, 0.60), ("OT", 0.21, 0.19)])
def test_causal_profile_fills_gaps_of_etth1(column, pchip, limit):
    # z-scores of the whole series, the unit in which PCHIP has 1.04.
    values = etth1(column, None)
    assert fill_rmse(values, np.zeros_like) == pytest.approx(pchip, rel=0.05)
    assert fill_rmse(values, lambda seen: np.nan_to_num(causal_profile(seen, 24))) <= limit


@needs_etth1
@pytest.mark.parametrize("column", ["HUFL", "OT"])
def test_the_day_is_found_in_etth1(column):
    train = etth1(column, 8640)[:8640]
    assert detect_season(train, np.ones(8640, bool), (24, 168)) == 24
