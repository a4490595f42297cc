"""Thirty features of a trading day, from the bars up to that day.

Names are ``WHAT_DAYS``: ``return_5`` is the return over 5 days, ``volatility_20`` looks at 20 days.
In the formulas O, H, L, C are the adjusted prices of day t, V is its volume, C_k is the close k
days before, r = C / C_1 - 1, and mean_n, std_n, min_n, max_n go over the last n days, t included.
All are ratios: a common factor on the prices changes none of them.

Where a ratio has a denominator of 0 (prices that do not move, no volume) it has the neutral value
that is named with its formula.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from spline_lstm.market.bars import Bars
from spline_lstm.market.indicators import (
    Days,
    exponential_mean,
    ratio,
    shifted,
    trailing,
    wilder_mean,
)

LOG_2 = float(np.log(2.0))
WEEK = 7
# Days before a day that its longest feature looks at.
LONGEST = 60
Feature = Callable[[Bars], Days]


def simple_return(bars: Bars, days: int) -> Days:
    """C / C_days - 1."""
    return bars.close / shifted(bars.close, days) - 1.0


def volatility(bars: Bars, days: int) -> Days:
    """std_days(r), of the population: close to close."""
    return trailing(simple_return(bars, 1), days, "std")


def parkinson(bars: Bars, days: int) -> Days:
    """sqrt(mean_days(ln(H / L)^2) / (4 ln 2)): volatility by the daily range (Parkinson 1980)."""
    squares = np.log(bars.high / bars.low) ** 2
    return np.sqrt(trailing(squares, days, "mean") / (4.0 * LOG_2))


def garman_klass(bars: Bars, days: int) -> Days:
    """sqrt(mean_days(ln(H / L)^2 / 2 - (2 ln 2 - 1) ln(C / O)^2)), 0 if negative.

    Volatility by range and open-to-close move (Garman & Klass 1980).
    """
    high_low, close_open = np.log(bars.high / bars.low), np.log(bars.close / bars.open)
    daily = high_low**2 / 2.0 - (2.0 * LOG_2 - 1.0) * close_open**2
    return np.sqrt(np.maximum(trailing(daily, days, "mean"), 0.0))


def relative_strength(bars: Bars, days: int) -> Days:
    """100 U / (U + D), 50 if neither moves (Wilder 1978).

    U and D are Wilder's means of max(C - C_1, 0) and max(C_1 - C, 0) over `days`.
    """
    change = np.diff(bars.close, prepend=np.nan)
    up = wilder_mean(np.maximum(change, 0.0), days, first=days)
    down = wilder_mean(np.maximum(-change, 0.0), days, first=days)
    return 100.0 * ratio(up, up + down, 0.5)


def _macd(bars: Bars) -> tuple[Days, Days]:
    """Difference of the exponential means over 12 and 26 days, and its mean over 9 days."""
    fast, slow = (exponential_mean(bars.close, days, first=25) for days in (12, 26))
    line = fast - slow
    signal = np.full(len(bars), np.nan)
    signal[25:] = exponential_mean(line[25:], 9, first=8)
    return line, signal


def macd(bars: Bars) -> Days:
    """(E12 - E26) / C, with E_n the exponential mean of the close over n days (Appel)."""
    return _macd(bars)[0] / bars.close


def macd_signal(bars: Bars) -> Days:
    """Exponential mean over 9 days of E12 - E26, / C."""
    return _macd(bars)[1] / bars.close


def macd_histogram(bars: Bars) -> Days:
    """`macd` - `macd_signal`."""
    line, signal = _macd(bars)
    return (line - signal) / bars.close


def bollinger(bars: Bars, days: int) -> Days:
    """(C - mean_days(C)) / (2 std_days(C)), 0 if nothing moves: 1 is the upper band."""
    middle, spread = trailing(bars.close, days, "mean"), trailing(bars.close, days, "std")
    return ratio(bars.close - middle, 2.0 * spread, 0.0)


def average_true_range(bars: Bars, days: int) -> Days:
    """Wilder's mean over `days` of max(H, C_1) - min(L, C_1), / C (Wilder 1978)."""
    before = shifted(bars.close, 1)
    true_range = np.maximum(bars.high, before) - np.minimum(bars.low, before)
    return wilder_mean(true_range, days, first=days) / bars.close


def volume_ratio(bars: Bars, days: int) -> Days:
    """V / mean_days(V), 1 without volume."""
    return ratio(bars.volume, trailing(bars.volume, days, "mean"), 1.0)


def volume_trend(bars: Bars, short: int, long: int) -> Days:
    """mean_short(V) / mean_long(V), 1 without volume."""
    above, below = (trailing(bars.volume, days, "mean") for days in (short, long))
    return ratio(above, below, 1.0)


def drawdown(bars: Bars, days: int) -> Days:
    """C / max_days(C) - 1."""
    return bars.close / trailing(bars.close, days, "max") - 1.0


def gap(bars: Bars) -> Days:
    """O / C_1 - 1."""
    return bars.open / shifted(bars.close, 1) - 1.0


def day_range(bars: Bars) -> Days:
    """H / L - 1."""
    return bars.high / bars.low - 1.0


def range_position(bars: Bars, days: int) -> Days:
    """(C - min_days(L)) / (max_days(H) - min_days(L)), 0.5 if nothing moves: 1 is the highest."""
    low, high = trailing(bars.low, days, "min"), trailing(bars.high, days, "max")
    return ratio(bars.close - low, high - low, 0.5)


def weekday(bars: Bars, function: Callable[[np.ndarray], np.ndarray]) -> Days:
    """function(2 pi w / 7), w the day of the week, Monday 0."""
    number = (bars.dates.astype(np.int64) + 3) % WEEK
    return function(2.0 * np.pi * number / WEEK)


def month_end(bars: Bars) -> Days:
    """Days from Monday to Friday after t up to the end of its month: known ahead, as a calendar."""
    after = bars.dates + np.timedelta64(1, "D")
    next_month = (bars.dates.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return np.busday_count(after, next_month).astype(np.float64)


def _over(function: Callable[..., Days], *arguments: object) -> Feature:
    return lambda bars: function(bars, *arguments)


FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        **{f"return_{days}": _over(simple_return, days) for days in (1, 2, 3, 5, 10, 20, 60)},
        **{f"volatility_{days}": _over(volatility, days) for days in (5, 20, 60)},
        "parkinson_20": _over(parkinson, 20),
        "garman_klass_20": _over(garman_klass, 20),
        "rsi_14": _over(relative_strength, 14),
        "macd_12_26": macd,
        "macd_signal_9": macd_signal,
        "macd_histogram_9": macd_histogram,
        "bollinger_20": _over(bollinger, 20),
        "atr_14": _over(average_true_range, 14),
        "volume_ratio_5": _over(volume_ratio, 5),
        "volume_ratio_20": _over(volume_ratio, 20),
        "volume_trend_5_20": _over(volume_trend, 5, 20),
        "drawdown_20": _over(drawdown, 20),
        "drawdown_60": _over(drawdown, 60),
        "gap_1": gap,
        "range_1": day_range,
        "range_position_1": _over(range_position, 1),
        "range_position_20": _over(range_position, 20),
        "weekday_sin": _over(weekday, np.sin),
        "weekday_cos": _over(weekday, np.cos),
        "month_end": month_end,
    }
)
NAMES = tuple(FEATURES)


def daily_features(bars: Bars) -> Float[np.ndarray, "days features"]:
    """All features of each day, in the order of `NAMES`; NaN in the first `LONGEST` days."""
    # Divisions by a price that is not there yet are NaN, and meant.
    with np.errstate(invalid="ignore"):
        features = np.stack([feature(bars) for feature in FEATURES.values()], axis=1)
    features[:LONGEST] = np.nan
    return features
