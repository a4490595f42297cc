"""Seasons of an index, which has no calendar to tell them."""

import numpy as np
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.scaffold.column_roles import Panel
from spline_lstm.scaffold.extent import find_season, with_index_season

INDEX = Clock("index", step=10)
ROWS = 400


def panel_of(*series):
    """Series of equal length on an index with step 10."""
    length = len(series[0])
    return Panel(
        np.tile(10 * np.arange(length), len(series)),
        np.repeat(np.arange(len(series)), length),
        tuple("abc"[: len(series)]),
        {"y": np.concatenate(series)},
    )


def season_of(*series, rows=280):
    return with_index_season(panel_of(*series), INDEX, rows).index_season


def noise(seed, size=ROWS):
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize("season", [4, 7, 12, 24])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_season_of_an_index_is_found(season, seed):
    wave = np.sin(2 * np.pi * np.arange(ROWS) / season)
    assert season_of(3 + wave + 0.02 * noise(seed)) == season
    # With a trend and gaps.
    values = wave + 0.02 * np.arange(ROWS) + 0.02 * noise(seed)
    values[[5, *range(40, 47), 111]] = np.nan
    assert season_of(values) == season


def test_the_shortest_of_multiples_is_the_season():
    week = np.array([5.0, 7, 9, 4, 3, 8, 6])
    assert season_of(week[np.arange(ROWS) % 7] + 0.2 * noise(3)) == 7


@pytest.mark.parametrize("seed", range(12))
def test_noise_walks_and_slow_courses_have_no_season(seed):
    assert season_of(noise(seed)) == 0
    assert season_of(noise(seed).cumsum()) == 0
    assert season_of(np.linspace(0, 1, ROWS) ** 2 + 0.01 * noise(seed)) == 0


def test_only_the_training_split_and_series_that_vary_count():
    wave = np.sin(2 * np.pi * np.arange(ROWS) / 12)
    early = np.where(np.arange(ROWS) < 280, noise(0), 100 * wave)
    assert season_of(early) == 0
    assert season_of(np.full(ROWS, 5e10), wave + 0.1 * noise(1)) == 12
    assert season_of(np.full(ROWS, 7.0)) == 0


def test_a_constant_series_does_not_hide_the_season_of_the_others():
    clock = Clock("fixed", step=24 * 3_600 * 10**9)
    rows = np.arange(ROWS)
    wave = np.sin(2 * np.pi * rows / 7) + 0.1 * noise(2)
    panel = panel_of(np.ones(ROWS), wave)
    panel = Panel(panel.instants // 10 * clock.step, panel.keys, panel.names, panel.targets)
    assert find_season(panel, clock, 280) == (7, "week, found in the data")
