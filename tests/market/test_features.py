"""The features against TA-Lib and pandas, and that none of them knows tomorrow."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.market.features import FEATURES, LONGEST, NAMES, daily_features
from tests.market.builders import make_bars

BARS = make_bars(days=400, seed=3)
OPEN, H, L, C, V = (getattr(BARS, name) for name in ("open", "high", "low", "close", "volume"))
MACD, SIGNAL, HISTOGRAM = talib.MACD(C, 12, 26, 9)
UPPER, MIDDLE, LOWER = talib.BBANDS(C, 20, 2.0, 2.0)
CLOSE, RETURN = pd.Series(C), pd.Series(C).pct_change()

ORACLES = {
    **{f"return_{days}": talib.ROCP(C, days) for days in (1, 2, 3, 5, 10, 20, 60)},
    **{f"volatility_{days}": RETURN.rolling(days).std(ddof=0).to_numpy() for days in (5, 20, 60)},
    "parkinson_20": (
        (pd.Series(np.log(H / L)) ** 2).rolling(20).mean() / (4 * np.log(2))
    ).to_numpy()
    ** 0.5,
    "garman_klass_20": (
        pd.Series(0.5 * np.log(H / L) ** 2 - (2 * np.log(2) - 1) * np.log(C / OPEN) ** 2)
        .rolling(20)
        .mean()
        .to_numpy()
        ** 0.5
    ),
    "rsi_14": talib.RSI(C, 14),
    "macd_12_26": MACD / C,
    "macd_signal_9": SIGNAL / C,
    "macd_histogram_9": HISTOGRAM / C,
    "bollinger_20": (C - MIDDLE) / (UPPER - MIDDLE),
    "atr_14": talib.ATR(H, L, C, 14) / C,
    "volume_ratio_5": V / talib.SMA(V, 5),
    "volume_ratio_20": V / talib.SMA(V, 20),
    "volume_trend_5_20": talib.SMA(V, 5) / talib.SMA(V, 20),
    "drawdown_20": C / talib.MAX(C, 20) - 1,
    "drawdown_60": C / talib.MAX(C, 60) - 1,
    "gap_1": (pd.Series(OPEN) / CLOSE.shift(1) - 1).to_numpy(),
    "range_1": H / L - 1,
    "range_position_1": (C - L) / (H - L),
    "range_position_20": talib.STOCHF(H, L, C, 20, 1)[0] / 100,
    "weekday_sin": np.sin(2 * np.pi * pd.DatetimeIndex(BARS.dates).day_of_week.to_numpy() / 7),
    "weekday_cos": np.cos(2 * np.pi * pd.DatetimeIndex(BARS.dates).day_of_week.to_numpy() / 7),
    "month_end": np.array(
        [
            len(pd.bdate_range(day + pd.Timedelta(days=1), day + pd.offsets.MonthEnd(0)))
            for day in pd.DatetimeIndex(BARS.dates)
        ]
    ),
}


def test_there_are_thirty_features_by_one_convention():
    assert len(NAMES) == 30
    assert set(ORACLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_is_what_its_formula_says(name):
    found = daily_features(BARS)[LONGEST:, NAMES.index(name)]
    np.testing.assert_allclose(found, ORACLES[name][LONGEST:], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_says_its_formula(name):
    function = FEATURES[name]
    inner = function.__closure__[1].cell_contents if function.__closure__ else function
    assert inner.__doc__


@settings(max_examples=25, deadline=None)
@given(st.integers(LONGEST + 1, 198), st.integers(0, 2**32 - 1))
def test_tomorrow_changes_no_bit(day, seed):
    bars = make_bars(days=200, seed=5)
    other = make_bars(days=200, seed=seed)
    fields = ("open", "high", "low", "close", "volume")
    changed = dataclasses.replace(
        bars,
        **{
            name: np.concatenate([getattr(bars, name)[: day + 1], getattr(other, name)[day + 1 :]])
            for name in fields
        },
    )
    before, after = daily_features(bars)[: day + 1], daily_features(changed)[: day + 1]
    np.testing.assert_array_equal(before, after)


@given(st.floats(0.01, 100.0))
@settings(max_examples=10, deadline=None)
def test_a_common_factor_on_the_prices_changes_nothing(factor):
    fields = ("open", "high", "low", "close")
    scaled = dataclasses.replace(BARS, **{name: getattr(BARS, name) * factor for name in fields})
    np.testing.assert_allclose(
        daily_features(scaled)[LONGEST:], daily_features(BARS)[LONGEST:], rtol=1e-8, atol=1e-10
    )


def test_prices_that_do_not_move_and_no_volume_give_the_neutral_values():
    days = 100
    flat = np.full(days, 7.0)
    bars = dataclasses.replace(
        make_bars(days=days, seed=0), open=flat, high=flat, low=flat, close=flat, volume=0 * flat
    )
    last = dict(zip(NAMES, daily_features(bars)[-1], strict=True))
    assert np.isfinite(list(last.values())).all()
    assert last["rsi_14"] == 50.0
    assert last["range_position_20"] == 0.5
    assert last["volume_ratio_20"] == 1.0


def test_fewer_days_than_the_longest_feature_are_all_nan():
    assert np.isnan(daily_features(make_bars(days=20, seed=0))).all()
