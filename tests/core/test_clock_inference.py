import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.cadences import describe, find_cadence
from spline_lstm.core.clock_inference import infer_clock, observe
from spline_lstm.core.clock_params import parse_clock

HOUR = 3_600_000_000_000
START = 1_577_836_800_000_000_000  # 2020-01-01 00:00 UTC, a Wednesday


def dates(frequency, n: int = 120, start: str = "2020-01-01", zone: str = "UTC") -> np.ndarray:
    found = pd.date_range(start, periods=n, freq=frequency, tz=zone)
    return found.tz_convert("UTC").as_unit("ns").asi8


UNITS = [
    "5min", "90min", "1h", "6h", "1D", "2D", "B", "W-SUN", "2W-WED", "MS", "ME", "2MS", "QS-JAN",
    "QS-FEB", "QE-DEC", "QE-NOV", "YS-JAN", "YE-JUN", "BME", "BMS", "MS+14D", "B+16h", "YS-APR",
]  # fmt: skip


@given(st.sampled_from(UNITS), st.sets(st.integers(1, 118), max_size=25))
def test_the_clock_is_found_again_with_gaps(text, gaps):
    clock = parse_clock(text).anchored(START)
    kept = np.array([row for row in range(120) if row not in gaps])
    found = infer_clock(clock.timestamps_of(kept))
    assert found.clock is not None, found.problem
    assert found.clock.frequency == text
    assert found.clock.rows_of(clock.timestamps_of(kept)).tolist() == kept.tolist()
    assert found.present == len(kept) / 120


@pytest.mark.parametrize("unit", ["D", "B", "W-SUN", "MS", "ME", "QS-JAN"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
def test_local_midnights_are_a_calendar_of_the_zone_once_it_is_declared(unit, zone):
    timestamps = dates(unit, 400, zone=zone)
    found = infer_clock(timestamps, zone=zone)
    assert found.clock is not None
    assert found.clock.frequency == unit
    assert found.present == 1.0
    unknown = infer_clock(timestamps)
    assert unknown.clock is None
    assert "set data.time_zone" in unknown.problem


@pytest.mark.parametrize("mask", ["Mon Tue Wed Thu Fri Sat", "Mon Tue Wed Thu Sun", "Mon Wed Fri"])
def test_weekdays_that_never_occur_are_closed(mask):
    timestamps = dates(pd.offsets.CustomBusinessDay(weekmask=mask), 200)
    found = infer_clock(timestamps)
    assert found.clock is not None
    assert describe(found.clock) == f"B ({mask})"
    assert found.present == 1.0


def test_a_week_of_business_days_may_be_days():
    found = infer_clock(dates("B", 5, "2024-01-01"))
    assert found.clock is None
    assert [each.frequency for each in found.candidates] == ["B", "1D"]
    assert "fit B or 1D equally well" in found.problem


def test_jittering_timestamps_have_the_usual_step():
    jitter = np.random.default_rng(0).integers(-(10**9), 10**9, 500)
    found = infer_clock(START + np.arange(500) * 300 * 10**9 + jitter)
    assert found.clock is not None
    assert found.clock.frequency == "5min"


def test_sessions_of_a_few_hours_may_be_observed():
    sessions = (dates("B", 60)[:, None] + np.arange(78) * 300 * 10**9).ravel()
    found = infer_clock(sessions)
    assert found.clock is None
    assert [each.frequency for each in found.candidates] == ["observed 5min", "5min"]
    assert "of the rows of 5min have a timestamp" in found.problem


def test_random_instants_follow_no_clock():
    timestamps = np.random.default_rng(1).integers(START, START + 10**17, 300)
    found = infer_clock(timestamps)
    assert found.clock is None
    assert "neither a fixed step nor a calendar" in found.problem
    assert "observed" in found.problem


def test_a_panel_of_different_cadences_names_the_series_of_each():
    parts = [dates("h", 500), dates("D", 100), dates("D", 90), dates("MS", 40)]
    series = np.repeat(np.arange(4), [len(each) for each in parts])
    found = infer_clock(np.concatenate(parts), series, names=["a", "b", "c", "d"])
    assert found.clock is None
    assert found.cadences == (("1D", (1, 2)), ("1h", (0,)), ("MS", (3,)))
    assert "1D: b, c; 1h: a; MS: d" in found.problem


def test_a_series_with_gaps_and_series_of_other_phases_share_the_clock_of_a_panel():
    parts = [dates("h", 100), dates("2h", 50), dates("h", 100) + HOUR // 2]
    series = np.repeat(np.arange(3), [len(each) for each in parts])
    found = infer_clock(np.concatenate(parts), series)
    assert found.clock is not None
    assert found.clock.frequency == "1h"
    assert found.clock.anchor == START


def test_a_short_series_does_not_decide():
    parts = [dates("MS", 50), dates("D", 2)]
    found = infer_clock(np.concatenate(parts), np.repeat([0, 1], [50, 2]))
    assert found.clock is not None
    assert found.clock.frequency == "MS"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_timestamps_are_a_problem(n):
    found = infer_clock(dates("D", n) if n else np.zeros(0, dtype=np.int64))
    assert found.clock is None
    assert "no series has 3 different timestamps" in found.problem


@given(
    st.integers(1, 100),
    st.integers(-1000, 1000),
    st.sets(st.integers(1, 98), max_size=20),
)
def test_an_index_has_its_most_frequent_step(step, first, gaps):
    rows = np.array([row for row in range(100) if row not in gaps])
    found = infer_clock(first + step * rows, index=True)
    assert found.clock is not None
    assert (found.clock.frequency, found.clock.anchor) == (f"index {step}", first)
    assert found.present == len(rows) / 100


@pytest.mark.parametrize(
    ("unit", "rule"), [("B", "B"), ("MS", "MS"), ("h", "1h"), ("W-SUN", "W-SUN")]
)
def test_an_observed_clock_continues_by_the_nearest_rule(unit, rule):
    days = dates(unit, 60)
    clock = observe(np.delete(days, [7, 8, 30]), parse_clock("observed"))
    assert clock.frequency == f"observed {rule}"
    assert clock.next(int(days[-1]), 3).tolist() == dates(unit, 63)[60:].tolist()


def test_the_order_and_repeats_of_timestamps_do_not_matter():
    days = dates("B", 100)
    mixed = np.random.default_rng(0).permutation(np.tile(days, 2))
    assert find_cadence(mixed) == find_cadence(days)
