import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.clock_params import RULE, parse_clock
from spline_lstm.core.open_days import parse_closed, parse_week_mask


@pytest.mark.parametrize(
    ("text", "zone", "kind", "frequency", "name"),
    [
        ("5min", None, "fixed", "5min", "5min"),
        ("24h", "Europe/Berlin", "fixed", "24h", "1D"),
        ("1D", None, "fixed", "1D", "1D"),
        ("D", "UTC", "fixed", "1D", "1D"),
        ("1D", "Europe/Berlin", "calendar", "D", "day"),
        ("1w", "Europe/Berlin", "calendar", "7D", "7 days"),
        ("W", None, "fixed", "7D", "7D"),
        ("W-WED", None, "calendar", "W-WED", "week"),
        ("1MS", None, "calendar", "MS", "month"),
        ("1ms", None, "fixed", "1ms", "1ms"),
        ("QS", None, "calendar", "QS-JAN", "quarter"),
        ("2YE-JUN", None, "calendar", "2YE-JUN", "2 years"),
        ("B+16h", "America/New_York", "calendar", "B+16h", "business day"),
        ("observed", None, "observed", "observed", "date"),
        ("observed ME", None, "observed", "observed ME", "date"),
        ("index 10", None, "index", "index 10", "step"),
    ],
)
def test_a_text_gives_its_clock(text, zone, kind, frequency, name):
    clock = parse_clock(text, zone=zone)
    assert (clock.kind, clock.frequency, clock.step_name) == (kind, frequency, name)
    assert parse_clock(clock.frequency, zone=zone) == clock


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "index", "index 0", "index -1", "bh", "M", "month", "-1D", "0D", "0W", "B+", "B+x",
        "W-XYZ", "observed index 1",
    ],
)  # fmt: skip
def test_other_texts_are_a_value_error(text):
    with pytest.raises(ValueError, match="a fixed, positive duration such as 5min"):
        parse_clock(text)


@given(st.text(max_size=12), st.sampled_from([None, "Europe/Berlin"]))
def test_any_text_is_a_clock_or_a_value_error_without_a_warning(text, zone):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = RULE
        try:
            clock = parse_clock(text, zone=zone)
            assert parse_clock(clock.frequency, zone=zone) == clock
        except ValueError as error:
            message = str(error)
    assert message == RULE


def test_holidays_bring_the_weekend_of_their_country():
    clock = parse_clock("B", holidays="SA")
    assert clock.calendar is not None
    assert clock.calendar.week_mask == "Mon Tue Wed Thu Sun"


@pytest.mark.parametrize("text", ["1h", "D", "MS", "observed 1h", "index 2"])
def test_holidays_without_open_days_are_refused(text):
    with pytest.raises(ValueError, match="set it to B"):
        parse_clock(text, holidays="NYSE")


def test_holidays_of_an_observed_clock_are_those_of_its_rule():
    clock = parse_clock("observed B", holidays="NYSE")
    assert clock.rule == parse_clock("B", holidays="NYSE")


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("Mon-Sat", "Mon Tue Wed Thu Fri Sat"),
        ("sun-thu", "Mon Tue Wed Thu Sun"),
        ("Fri, Mon", "Mon Fri"),
        ("Mon\N{EN DASH}Tue", "Mon Tue"),
    ],
)
def test_a_week_mask_is_a_list_or_a_range(text, mask):
    assert parse_week_mask(text) == mask


@pytest.mark.parametrize("text", ["", "Monday", "Mon-", "1111100"])
def test_what_is_not_a_week_mask_is_a_value_error(text):
    with pytest.raises(ValueError, match="Mon-Sat"):
        parse_week_mask(text)


@pytest.mark.parametrize("name", ["Mars", "2024-13-01", "2024", "US-XX", ""])
def test_what_is_neither_a_date_nor_a_calendar_is_a_value_error(name):
    with pytest.raises(ValueError, match="is neither a date"):
        parse_closed([name])
