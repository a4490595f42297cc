from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import UsageError
from spline_lstm.store.dates import dates_from, end_of
from tests.builders import HOUR, HOURLY, START

BERLIN = replace(HOURLY, zone="Europe/Berlin")
INDEX = Clock("index", anchor=0, step=10)


@pytest.mark.parametrize("clock", [HOURLY, BERLIN])
@pytest.mark.parametrize("date", ["2020-01-01", "2020-03-29", "2020-10-25", "1999-12-31"])
def test_a_date_ends_with_the_next_midnight_of_its_zone(clock, date):
    midnight = pd.Timestamp(date) + pd.Timedelta(days=1)
    expected = midnight.tz_localize(clock.zone or "UTC").as_unit("ns").value
    assert end_of(date, clock) == expected


def test_a_number_of_an_index_ends_with_the_next_one():
    assert end_of("120", INDEX) == 121
    assert dates_from("20", np.array([10, 30, 20, 30]), INDEX) == [("20", 21), ("30", 31)]


def test_dates_are_those_with_rows():
    instants = START + HOUR * np.array([0, 5, 49, 50])
    found = dates_from("2020-01-01", instants, HOURLY)
    assert found == [("2020-01-01", START + 24 * HOUR), ("2020-01-03", START + 72 * HOUR)]
    assert dates_from("2020-01-02", instants, HOURLY) == found[1:]
    # 23:00 UTC is the next day in Berlin.
    assert dates_from("2020-01-01", START + HOUR * np.array([23]), BERLIN)[0][0] == "2020-01-02"


@pytest.mark.parametrize(
    ("text", "clock", "message"),
    [
        ("1.3.2024", HOURLY, "'1.3.2024' is not a date such as 2024-03-01"),
        ("2024-03-01 12:00", HOURLY, "is not a date"),
        ("2024-03-01", INDEX, "'2024-03-01' is not a whole number"),
        ("2030-01-01", HOURLY, "no row of the data is from 2030-01-01 or later"),
    ],
)
def test_other_texts_and_dates_after_the_data_are_refused(text, clock, message):
    with pytest.raises(UsageError, match=message):
        dates_from(text, START + HOUR * np.arange(3), clock)
