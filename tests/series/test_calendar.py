import datetime
from math import cos, sin, tau

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.series.calendar import calendar_features
from tests.builders import hours

NAMES = (
    "hour_sin",
    "hour_cos",
    "dow_sin",
    "dow_cos",
    "doy_sin",
    "doy_cos",
    "month_sin",
    "month_cos",
)


def turns_by_datetime(moment: datetime.datetime) -> dict[str, float]:
    """Position in each cycle, from Python's own calendar."""
    day = (moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)) / datetime.timedelta(
        days=1
    )
    year = datetime.datetime(moment.year, 1, 1)
    length = datetime.datetime(moment.year + 1, 1, 1) - year
    return {
        "hour": day,
        "dow": (moment.weekday() + day) / 7,
        "doy": (moment - year) / length,
        "month": (moment.month - 1) / 12,
    }


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
def test_features_agree_with_the_calendar_of_python(moment):
    timestamp = (
        (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1) * 1000
    )
    turns = turns_by_datetime(moment)
    expected = [
        (sin if name.endswith("sin") else cos)(tau * turns[name.split("_")[0]]) for name in NAMES
    ]
    np.testing.assert_allclose(
        calendar_features(np.array([timestamp]), NAMES)[0], expected, atol=1e-9
    )


def test_six_in_the_morning_is_a_quarter_of_a_day():
    np.testing.assert_allclose(
        calendar_features(hours(7)[6:], ("hour_sin", "hour_cos")), [[1.0, 0.0]], atol=1e-12
    )


def test_columns_come_in_the_order_of_the_names():
    timestamps = hours(50)
    whole = calendar_features(timestamps, NAMES)
    assert whole.shape == (50, 8)
    np.testing.assert_array_equal(calendar_features(timestamps, NAMES[::-1]), whole[:, ::-1])


def test_no_names_give_no_columns():
    assert calendar_features(hours(5), ()).shape == (5, 0)


@pytest.mark.parametrize("cycle", ["hour", "dow", "doy", "month"])
def test_sine_and_cosine_lie_on_the_unit_circle(cycle):
    features = calendar_features(hours(24 * 400)[::7], (f"{cycle}_sin", f"{cycle}_cos"))
    np.testing.assert_allclose((features**2).sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("cycle", "largest_step"), [("hour", tau / 24), ("dow", tau / 168), ("doy", tau / (365 * 24))]
)
def test_the_position_moves_on_without_a_jump(cycle, largest_step):
    features = calendar_features(hours(24 * 800), (f"{cycle}_sin", f"{cycle}_cos"))
    steps = np.hypot(*np.diff(features, axis=0).T)
    assert steps.max() <= 1.0001 * largest_step
