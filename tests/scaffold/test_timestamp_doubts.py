"""Columns that only look like timestamps of a known form."""

import numpy as np
import pandas as pd
import pytest

from tests.scaffold.tables import HOURS, WAVE, asked, csv_of, look, refused

DAYS = pd.date_range("2023-01-01", periods=400, freq="D")
MONTHS = pd.date_range("2015-01-01", periods=120, freq="MS")


def numbers(name: str, values, **columns) -> bytes:
    return pd.DataFrame({name: values, **columns}).to_csv(index=False).encode()


def mangled(form: str, exchanged: str) -> list[str]:
    """Dates of which a spreadsheet has exchanged those that it could read."""
    return [day.strftime(exchanged if day.day <= 12 else form) for day in DAYS]


def test_dates_with_days_and_months_in_both_orders_are_asked_about():
    content = numbers("date", mangled("%d/%m/%Y", "%m/%d/%Y"), y=WAVE)
    message = refused(content)
    assert "'date' seems to have the day first in some dates" in message
    assert "line 14 (13/01/2023) is before line 13 (01/12/2023)" in message
    accepted = look(content, timestamp_format="%d/%m/%Y", max_missing=1.0)
    remarks = asked(content, timestamp_format="%d/%m/%Y", max_missing=1.0)
    assert "not in chronological order" in remarks
    assert accepted.schema["table_format"]["timestamp_format"] == "%d/%m/%Y"


@pytest.mark.parametrize("order", ["sorted", "newest first", "shuffled"])
def test_dates_in_one_form_are_not_doubted_in_any_order(order):
    places = {
        "sorted": np.arange(400),
        "newest first": np.arange(400)[::-1],
        "shuffled": np.random.default_rng(0).permutation(400),
    }[order]
    content = csv_of(DAYS[places], form="%d/%m/%Y", y=WAVE[places])
    assert look(content).values["preprocess.frequency"] == "1D"


@pytest.mark.parametrize("name", ["ym", "date", "period"])
@pytest.mark.parametrize("is_named", [False, True])
def test_numbers_of_months_are_asked_about(name, is_named):
    content = numbers(name, MONTHS.strftime("%Y%m"), y=WAVE[:120])
    message = refused(content, timestamp=name if is_named else None)
    assert f"{name!r}, such as 201501, may have months (2015-01)" in message
    assert "--timestamp-format %Y%m" in message
    found = look(content, timestamp=name, timestamp_format="%Y%m")
    assert found.values["preprocess.frequency"] == "MS"


def test_a_panel_of_months_as_numbers_is_asked_about():
    frame = pd.DataFrame(
        {
            "shop": np.repeat(["a", "b"], 120),
            "ym": np.tile(MONTHS.strftime("%Y%m"), 2),
            "y": WAVE[:240],
        }
    )
    assert "--timestamp-format %Y%m" in refused(frame.to_csv(index=False).encode())


def test_numbers_that_are_no_months_stay_an_index():
    content = numbers("step", np.arange(201501, 201501 + 400), y=WAVE)
    assert look(content).schema["table_format"]["timestamp_format"] == "index"


def late_hours() -> list[str]:
    """Hours by their end, the last of a day as 24:00."""
    ends = HOURS + pd.Timedelta(hours=1)
    return [
        f"{start:%Y-%m-%d} 24:00" if end.hour == 0 else f"{end:%Y-%m-%d %H:%M}"
        for start, end in zip(HOURS, ends, strict=True)
    ]


def test_the_hour_24_is_the_next_midnight():
    one = numbers("t", late_hours(), y=WAVE)
    cells = pd.Series(late_hours(), dtype="str").str.split(" ", expand=True)
    two = pd.DataFrame({"day": cells[0], "clock": cells[1], "y": WAVE}).to_csv(index=False).encode()
    for content in (one, two):
        message = refused(content)
        assert "line 25 '2024-01-01 24:00': 24:00 means 00:00 of the next day" in message
        assert "(16 rows)" in message


@pytest.mark.parametrize("cell", ["{:.1f}%", "${:.2f}", "{:.1f} kWh"])
def test_numbers_with_signs_are_shown(cell):
    content = csv_of(y=[cell.format(value) for value in WAVE])
    assert f"'y' contains '{cell.format(WAVE[0])}'" in refused(content)
    assert f"'y' contains text, such as '{cell.format(WAVE[0])}'" in refused(
        content, targets=("y",)
    )


@pytest.mark.parametrize("form", ["{0}Q{1}", "{0}-Q{1}", "Q{1} {0}", "{0}-W{1:02d}"])
def test_texts_of_quarters_and_weeks_are_named_with_the_dates_to_write(form):
    content = numbers(
        "at", [form.format(1990 + k // 4, k % 4 + 1) for k in range(100)], y=WAVE[:100]
    )
    for said in ({}, {"timestamp": "at"}):
        message = refused(content, **said)
        assert f"'at' contains '{form.format(1990, 1)}'" in message
        assert "2024-04-01 for 2024-Q2" in message


@pytest.mark.parametrize(
    "form",
    ["%B %Y", "%b %Y", "%b-%y", "%b/%Y", "%Y-%b", "%Y %B", "%d. %B %Y", "%d-%B-%Y", "%d/%b/%Y"],
)
def test_english_names_of_months_are_read(form):
    found = look(csv_of(MONTHS, form=form, y=WAVE[:120]))
    assert found.values["preprocess.frequency"] == "MS"
    assert found.schema["table_format"]["timestamp_format"] == form
    upper = [text.upper() for text in MONTHS.strftime(form)]
    assert look(numbers("month", upper, y=WAVE[:120])).values["preprocess.frequency"] == "MS"


def test_days_without_a_year_are_not_taken_for_years():
    days = pd.date_range("2023-01-01", periods=200, freq="D")
    message = refused(csv_of(days, form="%b-%d", y=WAVE[:200]))
    assert "such as 'Jan-01', has years as %b-%y, but seems to have days without a year" in message
    # As a spreadsheet shows them.
    message = refused(numbers("day", days.strftime("%d-%b"), y=WAVE[:200]))
    assert "contains '01-Jan', which may be a day without a year or a month of a year" in message
    # Years of one month are years.
    yearly = pd.date_range("1970-01-01", periods=60, freq="YS")
    assert look(csv_of(yearly, form="%b-%y", y=WAVE[:60]))


@pytest.mark.parametrize("name", ["month", "Monat"])
def test_names_of_months_in_other_languages_name_the_way_out(name):
    german = ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
              "Oktober", "November", "Dezember"]  # fmt: skip
    texts = [f"{german[day.month - 1]} {day.year}" for day in MONTHS]
    message = refused(numbers(name, texts, y=WAVE[:120]))
    assert "contains 'Januar 2015': names of months are read in English" in message
    assert "names of months are read in English" in refused(
        numbers(name, texts, y=WAVE[:120]), timestamp=name
    )


@pytest.mark.parametrize("part", ["quarter", "week"])
def test_the_pattern_of_years_does_not_skip_the_question_of_a_part(part):
    count = {"quarter": 4, "week": 52}[part]
    rows = np.arange(240)
    content = numbers("year", 1990 + rows // count, **{part: 1 + rows % count}, y=WAVE[:240])
    for timestamp in ("year", None):
        message = refused(content, timestamp=timestamp, timestamp_format="%Y")
        assert f"'year' and {part!r} are one timestamp" in message
    # Each year once: the other column is no part of it.
    once = numbers("year", 1900 + rows[:100], **{part: 1 + rows[:100] % count}, y=WAVE[:100])
    assert look(once, timestamp="year", timestamp_format="%Y", targets=("y",))
