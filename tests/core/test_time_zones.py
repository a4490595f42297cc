import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.time_zones import (
    find_repeated_hour,
    local_times,
    localize,
    parse_zone,
    to_instants,
)

HOUR = 3_600_000_000_000
# Summer time of an hour, of half an hour, over midnight, and none.
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Tokyo"]
INSTANTS = st.integers(1_483_228_800, 1_672_531_200)  # seconds, 2017 to 2022


def walls(*texts: str) -> np.ndarray:
    return pd.DatetimeIndex(texts).as_unit("ns").asi8


@given(
    st.sampled_from(ZONES),
    st.integers(0, 500),
    st.sampled_from([10, 15, 30, 60]),
    st.booleans(),
)
def test_a_year_of_a_wall_clock_becomes_the_instants_that_it_showed(zone, hours, minutes, falling):
    # Lord Howe repeats half an hour, which whole hours meet once.
    minutes = min(minutes, 30) if zone == "Australia/Lord_Howe" else minutes
    # From January on, so that no repeated hour is cut at the start or the end.
    start = (1_546_300_800 + 3600 * hours) * 10**9
    instants = start + np.arange(8760 * 60 // minutes) * minutes * HOUR // 60
    instants = instants[::-1].copy() if falling else instants
    found, problems = localize(local_times(instants, zone), zone)
    assert problems == ()
    assert (found == instants).all()


@given(st.sampled_from(ZONES), st.lists(INSTANTS, min_size=1, max_size=30))
def test_wall_clocks_come_back_from_their_instants(zone, seconds):
    shown = local_times(np.array(seconds) * 10**9, zone)
    assert (local_times(to_instants(shown, zone), zone) == shown).all()


def test_both_rows_of_a_repeated_hour_become_different_instants_in_each_series():
    shown = walls("2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 02:00", "2023-10-29 03:00")
    rows = np.array([0, 4, 1, 5, 2, 6, 3, 7])
    table, series = np.tile(shown, 2)[rows], np.repeat([0, 1], 4)[rows]
    instants, problems = localize(table, "Europe/Berlin", series)
    assert problems == ()
    for key in (0, 1):
        assert (np.diff(instants[series == key]) == HOUR).all()


def test_half_hours_of_a_repeated_hour_are_told_apart_where_the_clock_goes_back():
    shown = walls(*[f"2023-10-29 {each}" for each in ("02:00", "02:30", "02:00", "02:30")])
    instants, problems = localize(shown, "Europe/Berlin")
    assert problems == ()
    assert (np.diff(instants) == HOUR // 2).all()


def test_a_repeated_hour_that_occurs_once_is_ambiguous():
    shown = walls("2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 03:00")
    instants, (problem,) = localize(shown, "Europe/Berlin")
    assert (problem.rule, problem.rows, problem.wall) == ("ambiguous", (1,), "2023-10-29 02:00")
    assert "occurs once here" in problem.message
    assert (np.diff(instants) == [HOUR, 2 * HOUR]).all()
    later, problems = localize(shown, "Europe/Berlin", ambiguous="later")
    assert problems == ()
    assert (np.diff(later) == [2 * HOUR, HOUR]).all()


def test_an_hour_that_occurs_three_times_names_two_rows():
    shown = walls(*["2023-10-29 02:00"] * 3)
    _, (problem,) = localize(shown, "Europe/Berlin")
    assert (problem.rule, problem.rows) == ("ambiguous", (1, 2))
    assert "occurs 3 times here" in problem.message


def test_an_hour_that_is_left_out_does_not_exist():
    shown = walls("2023-03-26 01:00", "2023-03-26 02:00", "2023-03-26 03:00")
    _, (problem,) = localize(shown, "Europe/Berlin")
    assert (problem.rule, problem.rows) == ("nonexistent", (1,))
    assert "2023-03-26 02:00 does not exist in Europe/Berlin" in problem.message


@given(st.lists(INSTANTS, max_size=40), st.sampled_from(ZONES))
def test_any_wall_clocks_have_instants_or_problems(seconds, zone):
    shown = np.array(seconds, dtype=np.int64) * 10**9
    instants, problems = localize(shown, zone)
    absent = {row for each in problems if each.rule == "nonexistent" for row in each.rows}
    changed = np.flatnonzero(local_times(instants, zone) != shown)
    assert len(instants) == len(shown)
    assert bool(len(changed)) == bool(absent)


def test_a_repeated_hour_without_a_zone_names_both_rows():
    instants = np.arange(8760) * HOUR + 1_672_531_200 * 10**9
    shown = local_times(instants, "Europe/Berlin")
    problem = find_repeated_hour(shown)
    assert problem is not None
    assert [str(pd.Timestamp(each)) for each in shown[list(problem.rows)]] == [
        "2023-10-29 02:00:00"
    ] * 2
    assert problem.rule == "no_zone"
    assert "Europe/Berlin" in problem.message
    assert "set data.time_zone" in problem.message


@pytest.mark.parametrize(
    "shown",
    [
        ["2023-10-29 01:00", "2023-10-29 02:00", "2023-10-29 03:00"],
        ["2023-07-01 02:00", "2023-07-01 02:00"],
        ["2023-10-29 02:00", "2023-10-29 02:00", "2023-11-07 12:00", "2023-11-07 12:00"],
    ],
)
def test_other_repeats_are_not_a_change_of_clocks(shown):
    assert find_repeated_hour(walls(*shown)) is None


@pytest.mark.parametrize("text", ["Mars/Base", "", "+25:00", "Berlin"])
def test_what_is_not_a_time_zone_is_a_value_error(text):
    with pytest.raises(ValueError, match="is not a time zone; write a name such as Europe/Berlin"):
        parse_zone(text)
