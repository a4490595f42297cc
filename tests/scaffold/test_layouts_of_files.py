"""Tables as real files have them: composed timestamps, wide tables, clocks, zones, copies."""

import re

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.open_days import closed_days
from spline_lstm.core.schema import load_schema
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.write_folder import scaffold
from tests.scaffold.tables import HOURS, WAVE, asked, csv_of, decided, look, refused

DAYS = pd.date_range("2022-01-01", periods=400, freq="D")
WEEK = 20 + 5 * np.sin(np.arange(400) * 2 * np.pi / 7)


def table(separator: str = ",", **columns) -> bytes:
    frame = pd.DataFrame(columns)
    return frame.to_csv(index=False, sep=separator, float_format="%.4f").encode()


def between(first: str, last: str, **clock) -> pd.DatetimeIndex:
    """All rows of a clock of business days."""
    bounds = (pd.Timestamp(text).as_unit("ns").value for text in (first, last))
    return pd.DatetimeIndex(parse_clock("B", **clock).range(*bounds).view("datetime64[ns]"))


def dates(index: pd.DatetimeIndex, **columns) -> bytes:
    values = columns or {"y": 5 + np.sin(np.arange(len(index)) * 2 * np.pi / 5)}
    return csv_of(index, form="%Y-%m-%d", **values)


def test_series_without_a_common_timestamp_are_asked_about():
    mondays, fridays = (
        pd.date_range(day, periods=100, freq="7D") for day in ("2018-01-01", "2018-01-05")
    )
    content = table(
        s=np.repeat(["a", "b"], 100),
        d=[*mondays.strftime("%Y-%m-%d"), *fridays.strftime("%Y-%m-%d")],
        y=WAVE[:200],
    )
    message = refused(content)
    assert "within each 's' the timestamps increase" in message
    assert "--series s" in message
    assert "different cadences" in refused(content, series="s")
    header, *rows = content.decode().splitlines()
    in_order = sorted(rows, key=lambda row: row.split(",")[1])
    one = look("\n".join([header, *in_order]).encode(), frequency="D", max_missing=1.0)
    assert "series_col" not in one.schema


def test_phases_of_one_series_are_no_series():
    content = csv_of(phase=np.repeat(["heat", "cool"], 200), y=WAVE)
    assert "series_col" not in look(content).schema


# --- forms that are given ---


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("%G-W%V", "%G.*must be used with.*2024-01-29, the Monday, for 2024-W05"),
        ("%Y-W%W", "Cannot use '%W'.*write dates"),
        ("YYYY-ww", "a pattern such as %d.%m.%Y.*write dates"),
        ("%YQ%q", "bad directive.*2024-04-01 for 2024-Q2"),
        ("%Y %Y", "has a directive twice"),
    ],
)
def test_a_pattern_that_reads_nothing_is_refused_in_one_line(form, words):
    message = refused(csv_of(), timestamp_format=form)
    assert re.search(words, message)
    assert message.startswith(f"--timestamp-format {form}: ")
    assert "\n" not in message


# --- composed timestamps ---


def test_a_date_beside_an_hour_is_one_timestamp_and_no_series_key():
    kept = np.delete(np.arange(400), [7, 120, 121])
    content = table(
        dteday=HOURS.strftime("%Y-%m-%d")[kept],
        mnth=HOURS.month[kept],
        hr=HOURS.hour[kept],
        temp=np.round(np.cos(kept), 3),
        cnt=WAVE[kept],
    )
    found = look(content, targets=("cnt",))
    assert found.schema["timestamp_col"] == ["dteday", "hr"]
    assert found.schema["table_format"]["timestamp_format"] == "%Y-%m-%d %H"
    assert "series_col" not in found.schema
    assert [each["name"] for each in found.schema["dynamic_covariates"]] == ["temp"]
    assert found.values["preprocess.frequency"] == "1h"
    assert found.found.extent.grid_rows == 400
    again = look(content, targets=("cnt",), timestamp="dteday+hr")
    assert again.schema == found.schema


def test_numbers_that_look_like_times_of_the_day_do_not_take_the_place_of_hours():
    kept = np.delete(np.arange(400), [7, 120, 121])
    content = table(
        dteday=HOURS.strftime("%Y-%m-%d")[kept],
        hr=HOURS.hour[kept],
        temp=[f"0.{20 + row % 7}" for row in kept],
        cnt=WAVE[kept],
    )
    assert look(content, targets=("cnt",)).schema["timestamp_col"] == ["dteday", "hr"]


def test_numbers_0_to_23_under_another_name_are_asked_about_with_both_readings():
    content = table(day=HOURS[:384].strftime("%Y-%m-%d"), slot=HOURS.hour[:384], y=WAVE[:384])
    message = refused(content)
    assert "--timestamp day+slot (one timestamp)" in message
    assert "--timestamp day --series slot (one series for each 'slot')" in message
    assert look(content, timestamp="day+slot").values["preprocess.frequency"] == "1h"


def test_a_store_number_from_0_to_23_is_a_key_if_the_user_says_so():
    days = pd.date_range("2022-01-01", periods=60, freq="D")
    content = table(
        day=np.repeat(days.strftime("%Y-%m-%d"), 24),
        store=np.tile(np.arange(24), 60),
        y=np.random.default_rng(0).normal(size=1440),
    )
    found = look(content, timestamp="day", series="store")
    assert found.schema["series_col"] == "store"
    assert found.values["preprocess.frequency"] == "1D"


def test_more_keys_than_hours_are_no_hours():
    days = pd.date_range("2022-01-01", periods=60, freq="D")
    content = table(
        day=np.repeat(days.strftime("%Y-%m-%d"), 30),
        store=np.tile(np.arange(30), 60),
        y=np.random.default_rng(0).normal(size=1800),
    )
    assert look(content).schema["series_col"] == "store"


@pytest.mark.parametrize("months", [HOURS.month, HOURS.strftime("%b")])
def test_year_month_day_and_hour_are_one_timestamp(months):
    content = table(
        No=np.arange(1, 401),
        year=HOURS.year,
        month=months,
        day=HOURS.day,
        hour=HOURS.hour,
        pm=WAVE,
        wind=np.cos(np.arange(400)),
    )
    found = look(content, targets=("pm",))
    assert found.schema["timestamp_col"] == ["year", "month", "day", "hour"]
    assert "'No' (counts the rows)" in decided(content, targets=("pm",))["left out"]
    form = "%b" if months[0] == "Jan" else "%m"
    assert found.schema["table_format"]["timestamp_format"] == f"%Y {form} %d %H"
    assert found.found.extent.span[0] == HOURS[0].as_unit("ns").value


@pytest.mark.parametrize(("clock", "form"), [("%H:%M:%S", "%H:%M:%S"), ("%I:%M %p", "%I:%M %p")])
def test_a_date_beside_a_time_of_day_is_one_timestamp(clock, form):
    content = table(";", Date=HOURS.strftime("%d/%m/%Y"), Time=HOURS.strftime(clock), power=WAVE)
    found = look(content)
    assert found.schema["timestamp_col"] == ["Date", "Time"]
    assert found.schema["table_format"]["timestamp_format"] == f"%d/%m/%Y {form}"


def test_a_panel_with_hours_gets_both_a_composed_timestamp_and_its_key():
    content = table(
        site=np.repeat(["a", "b"], 400),
        day=np.tile(HOURS.strftime("%Y-%m-%d"), 2),
        hour=np.tile(HOURS.hour, 2),
        y=np.tile(WAVE, 2),
    )
    found = look(content)
    assert found.schema["timestamp_col"] == ["day", "hour"]
    assert found.schema["series_col"] == "site"


QUARTERS = pd.period_range("1960Q1", periods=120, freq="Q")
WEEKS = pd.date_range("2018-01-01", periods=200, freq="W-MON").isocalendar()
WITH_QUARTERS = {"year": QUARTERS.year, "quarter": QUARTERS.quarter, "y": WAVE[:120]}
WITH_WEEKS = {"yr": WEEKS.year, "wk": WEEKS.week, "y": WAVE[:200]}


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (WITH_QUARTERS, "'year' and 'quarter'"),
        ({**WITH_QUARTERS, "quarter": [f"Q{q}" for q in QUARTERS.quarter]}, "'year' and 'quarter'"),
        (WITH_WEEKS, "'yr' and 'wk'"),
        ({"year": WEEKS.year, "week": WEEKS.week, "y": WAVE[:200]}, "'year' and 'week'"),
    ],
)
def test_a_year_beside_a_quarter_or_week_is_one_timestamp_that_is_asked_for_as_dates(
    columns, names
):
    message = refused(table(**columns))
    assert f"{names} are one timestamp" in message
    assert "2024-04-01 for 2024-Q2" in message
    assert "the Monday" in message


def test_quarters_are_never_read_as_months_and_are_series_only_by_name():
    content = table(**WITH_QUARTERS)
    for said in ({"timestamp": "year+quarter"}, {"timestamp": "year"}):
        assert "are one timestamp" in refused(content, **said)
    long = table(
        year=np.repeat(np.arange(1900, 1960), 4), quarter=np.tile([1, 2, 3, 4], 60), y=WAVE[:240]
    )
    assert look(long, series="quarter").schema["series_col"] == "quarter"
    unnamed = table(year=QUARTERS.year, part=QUARTERS.quarter, y=WAVE[:120])
    assert "'part' would be read as months" in refused(unnamed, timestamp="year+part")


def test_year_and_month_by_their_short_names_are_one_timestamp():
    months = pd.date_range("1975-01-01", periods=200, freq="MS")
    found = look(table(yr=months.year, mth=months.month, y=WAVE[:200]))
    assert found.schema["timestamp_col"] == ["yr", "mth"]
    assert found.values["preprocess.frequency"] == "MS"


def test_year_and_day_of_the_year_are_one_timestamp():
    found = look(table(year=DAYS.year, doy=DAYS.day_of_year, y=WEEK))
    assert found.schema["timestamp_col"] == ["year", "doy"]
    assert found.schema["table_format"]["timestamp_format"] == "%Y %j"
    assert found.found.extent.span[1] == DAYS[-1].as_unit("ns").value
    assert look(table(year=DAYS.year, doy=DAYS.day_of_year, y=WEEK), timestamp="year+doy")


def test_an_hour_beside_complete_timestamps_is_a_covariate():
    found = look(csv_of(hour=HOURS.hour, y=WAVE), targets=("y",))
    assert found.schema["timestamp_col"] == "time"
    assert [each["name"] for each in found.schema["dynamic_covariates"]] == ["hour"]


@pytest.mark.parametrize(("name", "last"), [("hour", 24), ("SETTLEMENT_PERIOD", 48), ("x", 24)])
def test_parts_of_a_day_that_no_form_reads_are_no_series_key_in_silence(name, last):
    days = pd.date_range("2022-01-01", periods=60, freq="D").strftime("%Y-%m-%d")
    count = 60 * last
    columns = {name: np.tile(np.arange(1, last + 1), 60), "y": np.sin(np.arange(count) / 5)}
    content = table(day=np.repeat(days, last), **columns)
    message = refused(content)
    assert f"the numbers 1 to {last}, which may be parts of a day or names of series" in message
    assert f"--timestamp day --series {name}" in message
    assert look(content, timestamp="day", series=name).schema["series_col"] == name


@pytest.mark.parametrize("day", [HOURS.date, HOURS.normalize(), HOURS.strftime("%Y-%m-%d")])
def test_columns_of_parquet_are_composed_too(day, root):
    frame = pd.DataFrame({"day": day, "hour": HOURS.hour.astype("int8"), "y": WAVE})
    frame.to_parquet(root / "t.parquet")
    scaffold("mine", root / "t.parquet", Options(), root)
    schema = load_schema(root / "pipelines/mine/schema.json")
    assert schema.timestamp_col == ("day", "hour")


def test_a_midnight_in_the_date_is_no_time_of_day():
    content = table(Date=HOURS.strftime("%Y-%m-%d 00:00:00"), Time=HOURS.strftime("%H:%M"), y=WAVE)
    found = look(content)
    assert found.schema["table_format"]["timestamp_format"] == "%Y-%m-%d 00:00:00 %H:%M"
    assert found.values["preprocess.frequency"] == "1h"


# --- index ---


def test_whole_numbers_that_count_are_an_index_with_its_step():
    wave = np.sin(2 * np.pi * np.arange(500) / 12)
    found = look(table(step=10 * np.arange(500), value=wave.round(4)))
    assert found.schema["table_format"]["timestamp_format"] == "index"
    assert found.schema["calendar_features"] == {"enabled": False, "features": []}
    assert found.values["preprocess.frequency"] == "index 10"
    assert found.values["evaluate.season"] == found.values["preprocess.season"] == 12
    assert decided(table(step=10 * np.arange(500), value=wave.round(4)))["season"] == (
        "12 rows (season, found in the data)"
    )
    plain = look(table(step=10 * np.arange(500), value=np.random.default_rng(0).normal(size=500)))
    assert plain.values["evaluate.season"] == 1
    assert "preprocess.season" not in plain.values


def test_gaps_of_an_index_are_found():
    kept = np.delete(np.arange(500), [*range(100, 107), 300])
    found = look(table(step=kept, value=np.sin(kept / 2)))
    assert found.values["preprocess.frequency"] == "index 1"
    assert found.found.extent.absent == pytest.approx(8 / 500)


def test_without_timestamps_the_user_is_asked_and_rows_can_be_counted():
    content = table(y=WAVE, z=np.cos(np.arange(400)))
    assert "--timestamp none" in refused(content, targets=("y",))
    found = look(content, targets=("y",), timestamp="none")
    assert found.schema["timestamp_col"] is None
    assert found.values["preprocess.frequency"] == "index 1"


def test_a_table_of_one_column_can_be_counted():
    content = table(rate=WAVE)
    assert "--timestamp none" in refused(content)
    assert look(content, timestamp="none").schema["target_cols"] == ["rate"]


def test_numbers_that_may_be_unix_time_or_an_index_are_asked_about():
    content = table(x=1_700_000_000 + 60 * np.arange(400), y=WAVE)
    message = refused(content)
    assert "unix_s (2023-11-14 22:13)" in message
    assert "index (counted from 1700000000)" in message
    assert look(content, timestamp_format="unix_s").values["preprocess.frequency"] == "1min"


def test_days_of_a_spreadsheet_are_asked_about():
    content = table(date=44_197 + np.arange(400), y=WEEK)
    message = refused(content)
    assert "the days of a spreadsheet (2021-01-01)" in message
    found = look(content, timestamp_format="index")
    assert found.values["preprocess.frequency"] == "index 1"


# --- wide tables ---


def test_columns_of_numbers_are_asked_about_and_wide_makes_each_a_series():
    rates = {name: WEEK * (k + 1) for k, name in enumerate(("USD", "GBP", "JPY"))}
    rates["JPY"] = np.where(np.arange(400) < 100, np.nan, rates["JPY"])
    content = dates(DAYS, **rates, none="", fixed=7)
    message = refused(content)
    for way in ("--target USD (", "--target USD --target GBP ...", "--layout wide"):
        assert way in message
    found = look(content, layout="wide")
    columns = ["USD", "GBP", "JPY", "none", "fixed"]
    assert found.schema["wide"] == {"columns": columns, "value": "value", "series": "series"}
    assert found.schema["target_cols"] == ["value"]
    assert found.schema["series_col"] == "series"
    # The blanks before the first value are no gap.
    assert found.found.extent.absent == 0
    assert found.found.extent.grid_rows == 3 * 400 + 300
    assert "without values: 'none'" in asked(content, layout="wide")


def test_targets_of_a_wide_table_are_its_series_and_the_rest_is_left_out():
    content = dates(DAYS, a=WEEK, b=2 * WEEK, c=3 * WEEK)
    options = {"layout": "wide", "targets": ("a", "c")}
    assert look(content, **options).schema["wide"]["columns"] == ["a", "c"]
    assert "'b' (not among the --target columns)" in decided(content, **options)["left out"]


def test_wide_names_do_not_collide_with_columns():
    found = look(dates(DAYS, value=WEEK, other=WEEK + 1), layout="wide")
    assert found.schema["wide"]["value"] == "value_"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"series": "a"}, "leave one of them out"),
        ({"targets": ("a",)}, "2 columns"),
        ({"targets": ("a", "word")}, "'word' contains text"),
    ],
)
def test_a_wide_layout_that_does_not_fit_is_refused(options, words):
    content = dates(DAYS, a=WEEK, b=WEEK + 1, word="x")
    assert words in refused(content, layout="wide", **options)


# --- clocks ---


def test_names_of_columns_may_be_numbers():
    content = dates(DAYS, **{str(k): WEEK + k for k in range(4)})
    found = look(content, layout="wide")
    assert found.schema["wide"]["columns"] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("frequency", "season"),
    [("ME", 12), ("MS", 12), ("QE-DEC", 4), ("QS-JAN", 4), ("W-SUN", 52), ("YE-DEC", 1)],
)
def test_calendar_units_are_found_and_their_season_follows(frequency, season):
    index = pd.date_range("1960-01-03", periods=200, freq=frequency)
    found = look(dates(index, y=np.sin(np.arange(200) * 2 * np.pi / max(season, 2))))
    assert found.values["preprocess.frequency"] == frequency
    assert found.values["evaluate.season"] == season
    assert found.found.extent.absent == 0


def test_holidays_are_named_as_the_only_absent_days():
    index = pd.bdate_range("2019-01-01", "2022-12-30")
    absent = index[[5, 200, 411, 700, 903, 990]]
    content = dates(index.difference(absent))
    found = look(content)
    assert found.values["preprocess.frequency"] == "B"
    assert found.values["evaluate.season"] == 5
    assert "preprocess.holidays" not in found.values
    clock = decided(content)["clock"]
    assert f"the only absent days are 6 of {len(index)} open days (0.6%: 2019-01-08" in clock


def test_a_calendar_is_proposed_if_exactly_its_holidays_are_absent():
    index = between("2019-01-02", "2022-12-30", holidays="NYSE")
    assert look(dates(index)).values["preprocess.holidays"] == ["NYSE"]
    # One more absent day, and it is proved no more.
    found = look(dates(index.delete(77)))
    assert "preprocess.holidays" not in found.values
    given = look(dates(index.delete(77)), holidays=("NYSE",))
    assert given.values["preprocess.holidays"] == ["NYSE"]
    assert given.found.extent.absent == pytest.approx(1 / len(index))


def test_the_proposed_calendar_closes_no_day_with_a_row():
    index = between("2019-01-02", "2022-12-30", holidays="NYSE")
    closed, _ = closed_days(("NYSE",), 2019, 2022)
    assert not np.isin(index.to_numpy().astype("datetime64[D]"), closed).any()


def test_a_week_of_six_days_is_found_and_another_can_be_given():
    found = look(dates(between("2020-01-01", "2021-06-30", week_mask="Mon-Sat")))
    assert found.values["preprocess.week_mask"] == "Mon Tue Wed Thu Fri Sat"
    assert found.values["evaluate.season"] == 6
    given = look(dates(DAYS), week_mask="Mon-Sat", max_missing=0.5)
    assert given.values["preprocess.frequency"] == "B"
    assert given.values["preprocess.week_mask"] == "Mon Tue Wed Thu Fri Sat"


def test_holidays_without_days_are_refused():
    assert "leave them out" in refused(csv_of(), holidays=("NYSE",))
    assert "neither a date" in refused(dates(DAYS), holidays=("Mars",))


def test_series_of_different_cadences_are_refused_with_the_cadence_of_each():
    parts = {"hourly": ("h", 300), "daily": ("D", 100), "monthly": ("MS", 60)}
    frames = [
        pd.DataFrame(
            {"id": name, "t": pd.date_range("2020-01-01", periods=count, freq=step), "y": 1.0}
        )
        for name, (step, count) in parts.items()
    ]
    frame = pd.concat(frames).assign(y=lambda all_rows: np.sin(np.arange(len(all_rows))))
    message = refused(frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M").encode())
    for text in ("1h: hourly", "1D: daily", "MS: monthly", "one pipeline for each"):
        assert text in message


def test_a_grid_that_is_mostly_empty_needs_the_word_of_the_user():
    content = dates(pd.date_range("2020-01-05", periods=60, freq="W-SUN"))
    message = refused(content, frequency="D")
    assert "86% of the 414 rows of the grid 1D have no target" in message
    assert "--max-missing 0.9" in message
    assert look(content, frequency="D", max_missing=0.9).values["preprocess.max_missing"] == 0.9


def test_dates_without_a_rule_are_asked_about_and_may_be_the_grid():
    rng = np.random.default_rng(0)
    index = pd.DatetimeIndex(DAYS[np.sort(rng.choice(400, 150, replace=False))])
    message = refused(dates(index))
    assert "--frequency 'observed" in message
    found = look(dates(index), frequency="observed D")
    assert found.values["preprocess.frequency"] == "observed 1D"
    assert found.found.extent.absent == 0
    assert (
        "the grid is the dates that occur" in decided(dates(index), frequency="observed D")["clock"]
    )


@pytest.mark.parametrize("frequency", ["index 2", "index"])
def test_an_index_is_no_clock_of_dates(frequency):
    assert "does not count" in refused(csv_of(), frequency=frequency)
    assert "does not count" in refused(table(step=np.arange(400), y=WAVE), frequency="1h")


# --- time zones ---

BERLIN = pd.date_range("2023-10-20", periods=400, freq="h", tz="Europe/Berlin")


def test_a_repeated_hour_without_a_zone_names_both_lines_and_the_option():
    content = csv_of(BERLIN)
    lines = content.decode().splitlines()
    # Line 1 is the header.
    both = [row + 1 for row, line in enumerate(lines) if line.startswith("2023-10-29 02:00")]
    message = refused(content)
    assert f"lines {both[0]} and {both[1]}: 2023-10-29 02:00 occurs twice" in message
    assert "give the zone of the wall clock with --time-zone, or --time-zone UTC" in message
    found = look(content, time_zone="Europe/Berlin")
    assert found.values["data.time_zone"] == "Europe/Berlin"
    assert found.values["data.duplicates"] == "error"
    assert found.found.extent.absent == 0
    np.testing.assert_array_equal(found.found.panel.instants, BERLIN.as_unit("ns").asi8)


def test_an_hour_that_does_not_exist_is_named():
    content = csv_of(pd.date_range("2023-03-20", periods=400, freq="h"))
    message = refused(content, time_zone="Europe/Berlin")
    assert "2023-03-26 02:00 does not exist in Europe/Berlin" in message


def test_local_midnights_with_offsets_are_days_of_the_zone():
    midnights = pd.date_range("2022-01-01", periods=400, freq="D", tz="Europe/Berlin")
    texts = [timestamp.isoformat() for timestamp in midnights]
    content = table(day=texts, y=WEEK)
    assert "--time-zone Europe/Berlin" in refused(content)
    found = look(content, time_zone="Europe/Berlin")
    assert found.values["preprocess.frequency"] == "D"
    assert found.values["evaluate.season"] == 7
    assert found.found.extent.absent == 0
    ahead = found.found.clock.clock.next(int(midnights[-1].as_unit("ns").value), 400)
    expected = pd.date_range(midnights[-1], periods=401, freq="D")[1:]
    np.testing.assert_array_equal(ahead, expected.as_unit("ns").asi8)


def test_one_offset_in_all_rows_is_the_zone():
    texts = HOURS.strftime("%Y-%m-%dT%H:%M:%S+05:30")
    assert look(table(t=texts, y=WAVE)).values["data.time_zone"] == "+05:30"
    utc = look(table(t=HOURS.strftime("%Y-%m-%dT%H:%M:%SZ"), y=WAVE))
    assert "data.time_zone" not in utc.values


def test_several_offsets_of_hours_are_remarked():
    content = table(t=[each.isoformat() for each in BERLIN], y=WAVE)
    assert "offsets +01:00 and +02:00" in asked(content)
    assert "offsets" not in asked(content, time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"time_zone": "Mars/North"}, "not a time zone"), ({"time_zone": "tzlocal()"}, "not a time")],
)
def test_unknown_zones_are_refused(options, words):
    assert words in refused(csv_of(), **options)


def test_whole_numbers_have_no_zone():
    assert "no time zone" in refused(table(step=np.arange(400), y=WAVE), time_zone="UTC")


# --- copies and contradictions ---


def panel(*more: tuple[str, int, float]) -> bytes:
    rows = [(name, day, WEEK[day]) for name in ("north", "west") for day in range(100)]
    frame = pd.DataFrame([*rows, *more], columns=["region", "day", "visits"])
    frame = frame.sort_values(["region", "day"], kind="stable")
    return table(
        region=frame["region"], date=DAYS[frame["day"]].strftime("%Y-%m-%d"), visits=frame["visits"]
    )


def test_exact_copies_are_told_from_contradictions():
    copies = panel(("north", 10, WEEK[10]), ("west", 11, WEEK[11]))
    assert look(copies).values["data.duplicates"] == "copies"
    assert "2 exact copies of" in asked(copies)
    message = refused(panel(("north", 10, WEEK[10]), ("west", 50, WEEK[50] + 7)))
    for text in (
        "lines 153 and 154",
        "'visits' of series 'west' is",
        "2022-02-20",
        "1 row contradicts",
        "beside 1 exact copy)",
        "--duplicates",
    ):
        assert text in message


@pytest.mark.parametrize("policy", ["first", "last", "mean", "sum"])
def test_a_declared_policy_answers_for_contradictions(policy):
    content = panel(("west", 50, WEEK[50] + 7))
    assert look(content, duplicates=policy).values["data.duplicates"] == policy
    assert "1 contradiction of" in asked(content, duplicates=policy)


def test_two_missing_values_are_equal():
    (row,) = [line for line in panel().splitlines() if line.startswith(b"north,2022-01-05")]
    blank = b"north,2022-01-05,"
    assert look(panel().replace(row, blank + b"\n" + blank)).found.repeats.copies == 1
    assert "no value and 17.83" in refused(panel().replace(row, blank + b"\n" + row))
