import json
from dataclasses import replace

import holidays
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import observe
from spline_lstm.core.clock_params import parse_clock

DAY = 86_400_000_000_000
ZONES = [None, "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "+05:30"]
CALENDARS = [
    "D", "7D", "W-SUN", "2W-WED", "B", "MS", "ME", "2MS", "QS-OCT", "QE-DEC", "YS-JAN", "YE-JUN",
    "BME", "SMS-15", "B+16h", "MS+14D", "D+6h",
]  # fmt: skip
FIXED = ["1s", "5min", "1h", "24h", "1D"]
# From 1995 to 2033.
INSTANTS = st.integers(788_918_400 * 10**9, 1_988_150_400 * 10**9)


def ns(text: str, zone: str | None = None) -> int:
    return pd.Timestamp(text, tz=zone or "UTC").as_unit("ns").value


def dates(clock: Clock, start: str, n: int) -> list[str]:
    rows = clock.next(ns(start, clock.zone), n)
    return [str(each.date()) for each in pd.DatetimeIndex(clock.to_pandas(rows))]


@st.composite
def clocks(draw, kinds=("fixed", "calendar", "observed", "index")) -> Clock:
    kind, zone, first = draw(st.sampled_from(kinds)), draw(st.sampled_from(ZONES)), draw(INSTANTS)
    if kind == "index":
        return parse_clock(f"index {draw(st.integers(1, 1000))}").anchored(first % 10**6)
    if kind == "fixed":
        return parse_clock(draw(st.sampled_from(FIXED)), zone=zone).anchored(first)
    text = draw(st.sampled_from(CALENDARS))
    opening = {}
    if text[0] == "B":
        opening["holidays"] = draw(st.sampled_from([(), "NYSE", "DE-BY", "SA", ("2024-12-24",)]))
        opening["week_mask"] = draw(st.sampled_from([None, "Mon-Sat", "Sun-Thu", "Tue Thu"]))
    clock = parse_clock(text, zone=zone, **opening).anchored(first)
    if kind == "calendar":
        return clock
    kept = draw(st.lists(st.integers(0, 60), min_size=2, max_size=30, unique=True))
    return observe(clock.timestamps_of(np.array(kept)), parse_clock(f"observed {text}", zone=zone))


@given(clocks(), st.lists(st.integers(-200, 200), min_size=1, max_size=20))
def test_rows_come_back_from_their_timestamps(clock, rows):
    rows = np.array(rows)
    timestamps = clock.timestamps_of(rows)
    assert (clock.rows_of(timestamps) == rows).all()
    assert (clock.nearest(timestamps) == rows).all()


@given(clocks(), st.lists(INSTANTS, min_size=1, max_size=20))
def test_timestamps_come_back_from_their_rows(clock, instants):
    timestamps = np.array(instants)
    if clock.kind == "index":
        timestamps %= 10**6
    rows, after, length = clock.locate(timestamps)
    assert (clock.timestamps_of(rows) + after == timestamps).all()
    assert ((after >= 0) & (after < length)).all()
    assert (clock.timestamps_of(rows + 1) - clock.timestamps_of(rows) == length).all()
    # A position is a float: near row 1e9 of a second it tells 100 ns apart.
    positions = clock.rows_of(timestamps)
    apart = np.abs(clock.timestamps_of(positions) - timestamps)
    assert (apart <= np.spacing(np.abs(positions)) * length + 1).all()


@given(clocks(), st.lists(INSTANTS, min_size=2, max_size=20))
def test_positions_increase_with_time(clock, instants):
    timestamps = np.unique(np.array(instants) % 10**6 if clock.kind == "index" else instants)
    rows, after, _ = clock.locate(timestamps)
    assert ((np.diff(rows) > 0) | ((np.diff(rows) == 0) & (np.diff(after) > 0))).all()


@given(clocks(), INSTANTS, st.integers(0, 50))
def test_next_continues_after_a_timestamp_and_range_contains_it(clock, timestamp, n):
    timestamp = timestamp % 10**6 if clock.kind == "index" else timestamp
    rows = clock.next(timestamp, n)
    assert len(rows) == n
    assert (np.diff([timestamp, *rows]) > 0).all()
    if n:
        assert (clock.range(timestamp + 1, int(rows[-1])) == rows).all()
        assert (clock.range(timestamp + 1, int(rows[-1]) - 1) == rows[:-1]).all()


@given(clocks())
def test_a_clock_comes_back_from_json(clock):
    assert Clock.from_json(json.loads(json.dumps(clock.to_json()))) == clock


@given(clocks(), st.integers(-50, 50))
def test_anchoring_at_a_row_renumbers_the_rows_only(clock, row):
    first = int(clock.timestamps_of(np.array([row]))[0])
    moved = clock.anchored(first)
    assert moved.anchored(first) == moved
    if clock.kind != "observed":
        rows = np.arange(-20, 20)
        assert (moved.timestamps_of(rows) == clock.timestamps_of(rows + row)).all()


@given(clocks(("fixed", "calendar")))
def test_the_text_of_a_frequency_gives_the_same_rows(clock):
    opening = (
        {"holidays": clock.calendar.closed, "week_mask": clock.calendar.week_mask}
        if clock.calendar is not None and clock.calendar.unit in ("B", "BME")
        else {}
    )
    again = parse_clock(clock.frequency, zone=clock.zone, **opening).anchored(clock.anchor)
    rows = np.arange(-5, 50)
    assert (again.timestamps_of(rows) == clock.timestamps_of(rows)).all()


@pytest.mark.parametrize(
    "text", ["MS", "ME", "QS-OCT", "QE", "YS", "YE-JUN", "W-SUN", "BME", "SMS", "WOM-3FRI", "B"]
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_calendar_units_are_the_dates_of_pandas(text, zone):
    expected = pd.date_range("1999-12-01", periods=100, freq=text, tz=zone)
    clock = parse_clock(text, zone=zone).anchored(expected[0].as_unit("ns").value)
    found = pd.DatetimeIndex(clock.to_pandas(clock.timestamps_of(np.arange(100))))
    assert found.equals(expected.as_unit("ns"))


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/Santiago", "Africa/Cairo", "Asia/Beirut"]
)
def test_calendar_days_start_at_local_midnight_or_when_the_day_starts(zone):
    found = parse_clock("D", zone=zone).anchored(ns("2015-01-01", zone))
    expected = pd.date_range("2015-01-01", periods=4000, freq="D").tz_localize(
        zone, nonexistent="shift_forward", ambiguous=np.ones(4000, dtype=bool)
    )
    assert (
        found.timestamps_of(np.arange(4000)) == expected.tz_convert("UTC").as_unit("ns").asi8
    ).all()


@given(
    st.sampled_from([None, "Mon-Sat", "Sun-Thu"]),
    st.sampled_from(["NYSE", "US", "DE", "XSAU"]),
    INSTANTS,
)
def test_business_days_are_those_of_a_custom_business_day(week_mask, market, first):
    clock = parse_clock("B", holidays=market, week_mask=week_mask)
    start = pd.Timestamp(first).normalize()
    years = range(start.year - 1, start.year + 4)
    closed = (
        holidays.financial_holidays(market, years=years)
        if market in ("NYSE", "XSAU")
        else holidays.country_holidays(market, years=years)
    )
    mask = clock.calendar.week_mask if clock.calendar else ""
    oracle = pd.date_range(
        start, periods=200, freq=pd.offsets.CustomBusinessDay(weekmask=mask, holidays=[*closed])
    )
    rows = clock.range(start.as_unit("ns").value, oracle[-1].as_unit("ns").value)
    assert (rows == oracle.as_unit("ns").asi8).all()


@given(INSTANTS, st.sampled_from(["NYSE", "US-CA", "DE-BY"]))
def test_the_next_business_day_is_never_on_a_weekend_or_holiday(timestamp, market):
    clock = parse_clock("B", zone="America/New_York", holidays=market)
    found = pd.DatetimeIndex(clock.to_pandas(clock.next(timestamp, 30)))
    country, _, part = market.partition("-")
    closed = (
        holidays.financial_holidays(market)
        if market == "NYSE"
        else holidays.country_holidays(country, subdiv=part)
    )
    assert (found.day_of_week < 5).all()
    assert not any(day in closed for day in found.date)
    assert (found.hour == 0).all()


def test_after_the_end_of_january_come_the_ends_of_february_and_march():
    assert dates(parse_clock("ME"), "2024-01-31", 3) == ["2024-02-29", "2024-03-31", "2024-04-30"]
    assert dates(parse_clock("MS"), "2024-01-01", 3) == ["2024-02-01", "2024-03-01", "2024-04-01"]


def test_trading_days_skip_a_weekend_with_a_holiday():
    clock = parse_clock("B", holidays="NYSE")
    # 2024-03-29 was Good Friday.
    assert dates(clock, "2024-03-28", 2) == ["2024-04-01", "2024-04-02"]
    assert dates(parse_clock("B"), "2024-03-28", 2) == ["2024-03-29", "2024-04-01"]


def test_a_week_of_six_days_works_on_saturdays():
    clock = parse_clock("B", week_mask="Mon-Sat", holidays=["2023-12-25"])
    assert dates(clock, "2023-12-22", 2) == ["2023-12-23", "2023-12-26"]
    assert clock.season == 6


def test_hours_go_on_through_a_change_of_clocks():
    clock = parse_clock("1h", zone="Europe/Berlin").anchored(ns("2023-10-28", "Europe/Berlin"))
    rows = clock.next(ns("2023-10-29 01:00", "Europe/Berlin"), 3)
    hours = [str(each)[11:] for each in clock.to_pandas(rows)]
    assert hours == ["02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00"]


def test_an_observation_on_saturday_noon_lies_half_way_between_friday_and_monday():
    clock = parse_clock("B").anchored(ns("2024-01-05"))
    assert clock.rows_of(np.array([ns("2024-01-06 12:00")])).tolist() == [0.5]


def test_an_index_counts_in_its_step():
    clock = parse_clock("index 10").anchored(0)
    assert clock.next(4990, 2).tolist() == [5000, 5010]
    assert clock.to_pandas(np.array([5000])).tolist() == [5000]
    assert clock.text_of(5000) == "5000"
    assert (clock.seasons(), clock.season) == ({}, 1)


def test_an_observed_clock_has_the_dates_of_the_data_and_then_its_rule():
    days = np.array([ns(day) for day in ("2024-01-03", "2024-01-04", "2024-01-09", "2024-01-12")])
    clock = observe(days, parse_clock("observed B"))
    assert clock.rows_of(days).tolist() == [0, 1, 2, 3]
    assert dates(clock, "2024-01-04", 3) == ["2024-01-09", "2024-01-12", "2024-01-15"]
    assert clock.rows_of(np.array([ns("2024-01-02")])).tolist() == [-1]
    assert clock.note() == "the grid is the dates that occur in the data; after them it follows B"
    later = clock.extended(np.array([ns("2024-01-05"), ns("2024-01-17")]))
    assert dates(later, "2024-01-12", 2) == ["2024-01-17", "2024-01-18"]


def test_an_observed_clock_without_data_has_no_rows():
    with pytest.raises(ValueError, match="before it has seen data"):
        parse_clock("observed 1h").timestamps_of(np.array([0]))


@pytest.mark.parametrize(
    ("text", "seasons"),
    [
        ("5min", {"day": 288, "week": 2016}),
        ("1h", {"day": 24, "week": 168}),
        ("D", {"week": 7}),
        ("B", {"week": 5}),
        ("W-SUN", {"year": 52}),
        ("MS", {"year": 12}),
        ("2MS", {"year": 6}),
        ("QE", {"year": 4}),
        ("YE", {}),
    ],
)
def test_seasons_follow_the_clock(text, seasons):
    assert parse_clock(text).seasons() == seasons
    assert parse_clock(text, zone="Europe/Berlin").seasons() == seasons


def test_fixed_rows_are_those_of_whole_number_arithmetic():
    clock = parse_clock("5min").anchored(7)
    timestamps = np.array([7, 8, 6, 300_000_000_007])
    assert [each.tolist() for each in clock.locate(timestamps)] == [
        [0, 0, -1, 1],
        [0, 1, 299_999_999_999, 0],
        [300_000_000_000] * 4,
    ]


@pytest.mark.parametrize("row", [10**6, -(10**6), 10**12])
def test_rows_beyond_the_years_of_int64_are_refused(row):
    with pytest.raises(ValueError, match="leave the years 1678 to 2261"):
        parse_clock("MS").timestamps_of(np.array([row]))


@pytest.mark.parametrize("text", ["1677-12-01", "2262-02-01"])
def test_timestamps_beyond_the_years_of_int64_are_refused(text):
    with pytest.raises(ValueError, match="years 1678 to 2261"):
        parse_clock("MS").rows_of(np.array([ns(text)]))


@pytest.mark.parametrize("text", ["1h", "B", "D", "ME", "observed B", "index 3"])
def test_no_timestamps_have_no_rows(text):
    clock = parse_clock(text, zone="Europe/Berlin")
    none = np.zeros(0, dtype=np.int64)
    if clock.kind == "observed":
        clock = observe(np.array([0, DAY]), clock)
    assert len(clock.rows_of(none)) == len(clock.timestamps_of(none)) == len(clock.next(0, 0)) == 0


def test_a_holiday_that_becomes_known_later_does_not_stop_a_stored_clock():
    clock = parse_clock("B").anchored(ns("2024-12-24"))
    assert clock.calendar is not None
    changed = replace(clock, calendar=replace(clock.calendar, closed=("2024-12-24",)))
    assert changed.rows_of(np.array([ns("2024-12-25")])).tolist() == [0]
