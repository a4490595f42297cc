import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.series.fills import (
    ALWAYS,
    delayed,
    fill_seasonal,
    hold,
    hold_then_zero,
    known_future,
    zero,
)
from spline_lstm.series.grid import NEVER, fill_column
from spline_lstm.series.placing import Grid, place

DATA = Path(os.environ.get("SPLINE_LSTM_DATA", Path(__file__).parents[2] / "../shared/data"))
ETTH1 = DATA / "ETTh1.csv"
NAN = np.nan


def whole(values):
    """Placement of one observation per row, and the row offsets of one series."""
    rows = len(values)
    return place(
        np.arange(rows, dtype=np.int64), Grid(Clock("fixed", step=1), 0, rows), 0.5
    ), np.array([0, rows])


def pchip(values, max_gap=6):
    placed, offsets = whole(values)
    present = np.asarray(values, float)
    return fill_column(
        placed, present, len(present), method="pchip", max_gap=max_gap, row_offsets=offsets
    )


def seasonal(values, season=24, max_gap=24):
    placed, offsets = whole(values)
    return fill_seasonal(
        placed, values, len(values), season=season, max_gap=max_gap, row_offsets=offsets
    )


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (1000.0, 0.0), (1.0, 1e6)])
@pytest.mark.parametrize("method", ["pchip", "akima", "cubic"])
def test_a_sampled_sine_is_filled_within_two_percent_in_any_unit(method, factor, offset):
    hours = np.arange(2000)
    truth = factor * np.sin(2 * np.pi * hours / 24) + offset
    values = np.where(np.random.default_rng(0).random(2000) < 0.05, NAN, truth)
    placed, offsets = whole(values)
    column = fill_column(placed, values, 2000, method=method, max_gap=24, row_offsets=offsets)
    inside = slice(24, -24)
    error = np.abs(column.filled - truth)[inside] / factor
    assert np.sqrt(np.mean(error[np.isnan(values[inside])] ** 2)) <= 0.02


def test_ends_are_never_extrapolated():
    column = pchip([NAN, 1, 2, NAN, 4, 5, NAN, 7, 8, NAN])
    assert len(column.filled) == 10
    assert np.isnan(column.filled).tolist() == [True, *[False] * 8, True]
    np.testing.assert_allclose(column.filled[1:-1], np.arange(1, 9))


def test_a_seasonal_gap_follows_the_profile_and_the_level_of_its_neighbours():
    season = np.array([0.0, 5.0, 1.0, 3.0])
    values = np.tile(season, 6) + 10.0
    values[12:] += 2
    values[13:15] = NAN
    column = seasonal(values, season=4, max_gap=4)
    # Both neighbours lie 2 above the profile, so the gap does too.
    np.testing.assert_allclose(column.filled[13:15], [17.0, 13.0])
    assert column.known_at[13:15].tolist() == [16, 16]


def test_a_trailing_gap_follows_the_season_instead_of_standing_still():
    values = np.tile([0.0, 5.0, 1.0, 3.0], 4)
    values[13:] = NAN
    column = seasonal(values, season=4, max_gap=4)
    np.testing.assert_allclose(column.causal[13:], [5.0, 1.0, 3.0])
    assert (column.known_at[13:] == NEVER).all()


def test_the_first_season_is_filled_by_pchip():
    values = np.sin(np.arange(40.0))
    values[[5, 6, 11]] = NAN
    np.testing.assert_array_equal(seasonal(values).filled[:24], pchip(values).filled[:24])


@pytest.mark.skipif(
    not ETTH1.is_file(), reason="no ETTh1.csv in the folder that SPLINE_LSTM_DATA names"
)
def test_blocks_removed_from_etth1_are_filled_within_the_limit():
    truth = pd.read_csv(ETTH1)["HUFL"].to_numpy(np.float64)
    truth = (truth - truth.mean()) / truth.std()
    errors = {"seasonal": [], "pchip": []}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        values = truth.copy()
        while np.isnan(values).mean() < 0.25:
            start = rng.integers(200, len(truth) - 200)
            values[start : start + rng.integers(6, 25)] = NAN
        filled = {"seasonal": seasonal(values), "pchip": pchip(values, max_gap=24)}
        scored = np.isnan(values) & ~np.isnan(filled["pchip"].filled)
        for name, column in filled.items():
            errors[name].append((column.filled - truth)[scored])
    rmse = {
        name: float(np.sqrt(np.mean(np.concatenate(part) ** 2))) for name, part in errors.items()
    }
    assert rmse["seasonal"] <= 0.60
    assert rmse["pchip"] == pytest.approx(1.04, rel=0.06)


def test_policies_by_hand():
    column = pchip([NAN, 4, NAN, NAN, 8], max_gap=1)
    np.testing.assert_array_equal(hold(column).filled, [NAN, 4, 4, 4, 8])
    np.testing.assert_array_equal(zero(column).filled, [0, 4, 0, 0, 8])
    np.testing.assert_array_equal(hold_then_zero(column).filled, [0, 4, 4, 4, 8])
    assert hold(column).known_at.tolist() == [NEVER, 1, 2, 3, 4]
    for policy in (zero, hold_then_zero):
        assert policy(column).known_at.tolist() == [0, 1, 2, 3, 4]
    ahead = known_future(hold(column), np.array([0, 5]))
    np.testing.assert_array_equal(ahead.filled, [4, 4, 4, 4, 8])
    assert (ahead.known_at == ALWAYS).all()


def known_at_origin(column, origin):
    """What an origin sees of each earlier row: the contract of the module, row by row."""
    return np.array(
        [
            column.filled[row] if column.known_at[row] < origin else column.causal[row]
            for row in range(origin)
        ]
    )


@pytest.mark.parametrize("delay", [1, 3, 40])
@pytest.mark.parametrize("fill", ["pchip", "seasonal", "hold", "hold_then_zero", "zero"])
def test_a_delayed_column_shows_what_was_known_the_delay_earlier(fill, delay):
    rng = np.random.default_rng(delay)
    values = np.where(rng.random(30) < 0.3, NAN, rng.normal(size=30).round(2))
    plain = {
        "pchip": pchip,
        "seasonal": lambda each: seasonal(each, season=4, max_gap=6),
        "hold": lambda each: hold(pchip(each)),
        "hold_then_zero": lambda each: hold_then_zero(pchip(each)),
        "zero": lambda each: zero(pchip(each)),
    }[fill](values)
    nothing = 0.0 if fill in ("zero", "hold_then_zero") else NAN
    late = delayed(plain, delay, np.array([0, 30]), nothing)
    np.testing.assert_array_equal(late.raw, plain.raw)
    for origin in range(1, 30):
        seen = known_at_origin(late, origin)
        # Final is what an origin as many rows earlier knew to be final; all else is held.
        final = np.flatnonzero(plain.known_at[:origin] < origin - delay)
        np.testing.assert_array_equal(
            seen[final], known_at_origin(plain, max(origin - delay, 0))[final]
        )
        held = np.array([plain.causal[i - delay] if i >= delay else nothing for i in range(origin)])
        open_yet = np.setdiff1d(np.arange(origin), final)
        np.testing.assert_array_equal(seen[open_yet], held[open_yet])


def test_a_delay_does_not_reach_into_the_next_series():
    values = np.arange(8.0)
    placed, _ = whole(values)
    offsets = np.array([0, 5, 8])
    column = fill_column(placed, values, 8, method="pchip", max_gap=6, row_offsets=offsets)
    late = delayed(column, 2, offsets, NAN)
    np.testing.assert_array_equal(late.causal, [NAN, NAN, 0, 1, 2, NAN, NAN, 5])
    np.testing.assert_array_equal(late.valid, [0, 0, 1, 1, 1, 0, 0, 1])
    np.testing.assert_array_equal(late.known_at, np.arange(8) + 2)


def test_what_is_never_known_stays_so_with_a_delay():
    late = delayed(pchip([1.0, *[NAN] * 9, 2.0], max_gap=3), 2, np.array([0, 11]), NAN)
    assert (late.known_at[1:10] == NEVER).all()
