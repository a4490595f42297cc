import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.timestamps import parse_duration, parse_instant

UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "D": 86400 * 10**9,
}


@given(st.integers(1, 10_000), st.sampled_from(sorted(UNITS)))
def test_a_number_and_a_unit_give_their_product(number, unit):
    assert parse_duration(f"{number}{unit}") == number * UNITS[unit]


def test_units_may_be_combined():
    assert parse_duration("1h30min") == 90 * UNITS["min"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h1",
        "month",
        "1M",
        "1y",
        "nan",
        "NaT",
        "0s",
        "-5min",
        "0.1ns",
        "1e400h",
        "99999999999D",
        "five minutes",
    ],
)
def test_what_is_no_positive_duration_is_a_value_error(text):
    with pytest.raises(ValueError, match="fixed, positive duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["5", "300000000000"])
def test_a_number_without_a_unit_is_a_value_error(text):
    with pytest.raises(ValueError, match="fixed, positive duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["1H", "1d", "1w", "1MS", "1S", "1T", "1L", "1U", "1N", "1 Day", "1 H"]
)
def test_old_spellings_of_pandas_cause_no_warning(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(ValueError):
            assert parse_duration(text) > 0


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text):
    message = "a fixed, positive duration"
    try:
        assert parse_duration(text) > 0
    except ValueError as error:
        message = str(error)
    assert "fixed, positive duration" in message


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("1970-01-02", 24),
        ("1970-01-01 06:00", 6),
        ("1970-01-01T06:00+01:00", 5),
        ("1969-12-31 23:00", -1),
    ],
)
def test_an_instant_is_utc_unless_it_names_a_zone(text, hours):
    assert parse_instant(text) == hours * UNITS["h"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-07-01", "2024-06-30 22:00"),
        ("2024-07-01 00:00+00:00", "2024-07-01"),
        # Clocks are set back at 03:00 and an hour occurs twice; set forward, one does not occur.
        ("2024-10-27 02:30", "2024-10-27 00:30"),
        ("2024-03-31 02:30", "2024-03-31 01:00"),
    ],
)
def test_an_instant_without_an_offset_is_on_the_wall_clock_of_the_zone(text, instant):
    assert parse_instant(text, "Europe/Berlin") == parse_instant(instant)


@pytest.mark.parametrize(
    "text", ["", "NaT", "x", "2024-13-01", "now", "today", "9999-01-01", "1e400", "5"]
)
def test_what_is_no_instant_is_a_value_error(text):
    with pytest.raises(ValueError, match="must be a date"):
        parse_instant(text)


@given(st.text(max_size=12))
def test_any_text_is_an_instant_or_a_value_error(text):
    message = "must be a date"
    try:
        parse_instant(text)
    except ValueError as error:
        message = str(error)
    assert "must be a date" in message
