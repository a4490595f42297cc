import datetime

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import TooLittleDataError, UsageError
from spline_lstm.inference.start import forecast_origins, instant_of
from tests.builders import HOUR, HOURLY, START, hours, make_table

NAN = float("nan")


def table(*series):
    """Hourly series from START on, each with one target."""
    names = "abcdef"
    return make_table(
        {
            names[index]: (hours(len(values)), np.array(values, dtype=float))
            for index, values in enumerate(series)
        }
    )


def origins(start, *series, clock=HOURLY):
    found = forecast_origins(table(*series), 1, clock, start, "h.csv")
    return found.rows.tolist(), found.notes


def test_a_forecast_follows_the_last_row_without_a_note():
    for start in ("last-observed", "end"):
        assert origins(start, [1, NAN, 3], [4, 5, 6]) == ([3, 3], ())


def test_series_that_end_at_different_rows_have_a_note():
    for start in ("last-observed", "end"):
        rows, (note,) = origins(start, [1, NAN, 3], [4, 5], [1, 2, 3], [1], [1], [1])
        assert rows == [3, 2, 3, 1, 1, 1]
        assert note == (
            "the series end at different rows: 2 forecasts start at 2020-01-01T03:00:00Z, 'b' at "
            "2020-01-01T02:00:00Z, 'd' at 2020-01-01T01:00:00Z, 'e' at 2020-01-01T01:00:00Z and 1 "
            "more"
        )


def test_blanks_at_the_end_are_forecast_unless_the_end_is_asked_for():
    rows, notes = origins("last-observed", [1, 2, NAN, NAN])
    assert rows == [2]
    assert notes == (
        "the forecast starts at 2020-01-01T02:00:00Z, after the last observed target: later rows "
        "of h.csv have none",
    )
    assert origins("end", [1, 2, NAN, NAN]) == ([4], ())


def test_series_with_blanks_are_named():
    series = [1, NAN], [1, 2], [NAN, 2, NAN], [1, NAN], [1, NAN]
    rows, (note, _) = origins("last-observed", *series)
    assert rows == [1, 2, 2, 1, 1]
    assert "'a' at 2020-01-01T01:00:00Z, 'c' at 2020-01-01T02:00:00Z, 'd' at" in note
    assert "and 1 more" in note
    assert "'b'" not in note


@pytest.mark.parametrize(
    "start",
    [
        "2020-01-01 02:00",
        "2020-01-01T03:00:00+01:00",
        pd.Timestamp(START + 2 * HOUR),
        datetime.datetime(2020, 1, 1, 2, tzinfo=datetime.UTC),
    ],
)
def test_a_timestamp_is_the_origin_of_every_series(start):
    rows, notes = origins(start, [1, 2, 3, 4], [1, 2])
    assert rows == [2, 2]
    assert notes == (
        "the forecast starts at 2020-01-01T02:00:00Z, as asked: of the targets in h.csv, none from "
        "there on is used",
    )
    assert origins("2020-01-01 01:30", [1, 2, 3, 4])[0] == [2]


def test_a_timestamp_is_in_the_zone_of_the_clock_and_an_index_is_a_number():
    berlin = Clock("fixed", anchor=START, step=HOUR, zone="Europe/Berlin")
    assert instant_of("2020-01-01 03:00", berlin) == START + 2 * HOUR
    index = Clock("index", anchor=0, step=10)
    assert instant_of(5000, index) == instant_of("5000", index) == 5000


@pytest.mark.parametrize(
    ("start", "clock"),
    [("last", HOURLY), ("now", HOURLY), ("", HOURLY), ("2020-01-01", Clock("index", step=10))],
)
def test_other_words_are_refused(start, clock):
    with pytest.raises(UsageError, match="a forecast cannot start at .*; give last-observed, end"):
        instant_of(start, clock)


def test_a_series_without_any_target_has_no_origin():
    with pytest.raises(TooLittleDataError) as caught:
        origins("last-observed", [1, 2], [NAN, NAN])
    assert caught.value.lines == (
        "h.csv, series 'b': no target was observed; give rows with values",
    )
    assert origins("end", [1, 2], [NAN, NAN])[0] == [2, 2]
