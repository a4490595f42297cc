"""How timestamps are written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.scaffold.timestamp_formats import timestamp_forms
from tests.scaffold.tables import SECOND

FORMS = [
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%Y/%m/%d %H:%M",
    "%d-%b-%Y %H:%M",
]


FORMS += [
    "%m/%d/%Y %I:%M %p",
    "%Y%m%d%H%M",
    "%d.%m.%y %H:%M",
    "%Y-%m-%dT%H:%M:%SZ",
    "%b %d, %Y %H:%M",
]


@given(
    form=st.sampled_from(FORMS),
    start=st.datetimes(min_value=pd.Timestamp("1990-01-01"), max_value=pd.Timestamp("2030-01-01")),
    step=st.sampled_from(["5min", "1h", "7h", "1D"]),
)
@settings(max_examples=25)
def test_the_form_of_timestamps_is_found_or_known_to_be_ambiguous(form, start, step):
    timestamps = pd.date_range(start.replace(second=0, microsecond=0), periods=60, freq=step)
    column = pd.Series(timestamps.strftime(form), name="time", dtype="str")
    found = timestamp_forms(column)
    truth = timestamps.as_unit("ns").asi8
    assert any(np.array_equal(each.timestamps, truth) for each in found)
    if len(found) > 1:
        assert all(day <= 12 for day in timestamps.day), [each.form for each in found]


@pytest.mark.parametrize(("unit", "form"), [(1, "unix_s"), (1000, "unix_ms")])
def test_unix_time_is_found(unit, form):
    column = pd.Series([str((1_700_000_000 + 60 * k) * unit) for k in range(10)], name="ts")
    (found,) = timestamp_forms(column)
    assert found.form == form
    assert found.timestamps[1] - found.timestamps[0] == 60 * SECOND


@given(st.lists(st.integers(-(10**6), 10**9), min_size=3))
def test_plain_numbers_are_no_timestamps(numbers):
    assert (
        timestamp_forms(pd.Series([str(n) for n in numbers], name="load")) == []
        or sorted(numbers) == numbers
    )


def test_equal_day_and_month_are_not_ambiguous():
    column = pd.Series([f"05/05/2021 {hour:02d}:00" for hour in range(24)], name="t")
    assert len(timestamp_forms(column)) == 1
