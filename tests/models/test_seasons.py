import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.models.seasons import autocorrelation, find_seasons, moving_mean

HOURS = np.arange(24 * 7 * 8)
DAY = np.sin(2 * np.pi * HOURS / 24)
WEEK = np.where(HOURS // 24 % 7 < 5, 1.0, -1.0)


def noisy(values, size=0.3, seed=0):
    return values + size * np.random.default_rng(seed).normal(size=len(values))


@pytest.mark.parametrize(
    ("values", "season"),
    [(DAY, 24), (DAY + HOURS / 100, 24), (WEEK, 168), (DAY + WEEK, 24), (DAY + WEEK, 168)],
)
def test_the_seasons_of_a_clock_are_found(values, season):
    assert season in find_seasons([noisy(values)], [168, 36, 24])


def test_a_period_that_does_not_repeat_is_not_a_season():
    assert 36 not in find_seasons([noisy(DAY)], [36, 24])


def test_without_a_season_the_shortest_candidate_is_kept():
    assert find_seasons([noisy(np.zeros(600), 1.0)], [12, 100]) == (12,)


def test_a_short_series_has_none():
    assert find_seasons([noisy(np.zeros(30))], [12]) == ()


def test_a_panel_follows_what_most_of_its_series_follow():
    ten, fourteen = (noisy(np.sin(2 * np.pi * HOURS / season)) for season in (10, 14))
    assert find_seasons([ten, ten, fourteen], [10, 14]) == (10,)
    assert find_seasons([ten, fourteen, fourteen], [10, 14]) == (14,)


def test_missing_rows_do_not_hide_a_season():
    values = noisy(DAY)
    values[np.random.default_rng(1).random(len(values)) < 0.3] = np.nan
    assert 24 in find_seasons([values], [24, 168])


@given(st.integers(1, 30), st.integers(30, 60))
def test_the_moving_mean_is_that_of_pandas_inside(width, rows):
    values = np.random.default_rng(rows).normal(size=rows)
    # pandas centres an even width to the left of the middle.
    expected = pd.Series(values).rolling(width).mean().to_numpy()[width - 1 :]
    inside = moving_mean(values, width)[width // 2 : rows - (width - 1 - width // 2)]
    assert np.allclose(inside, expected)


def test_autocorrelation_is_that_of_pandas():
    values = noisy(DAY)
    values[5:50] = np.nan
    assert autocorrelation(values, 24) == pytest.approx(pd.Series(values).autocorr(24))


def test_a_constant_has_no_autocorrelation():
    assert autocorrelation(np.ones(100), 3) == 0.0
