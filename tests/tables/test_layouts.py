"""Files as people have them: layouts, encodings, marks, wall clocks, copies."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from spline_lstm.core.errors import DataContractError, SchemaError
from spline_lstm.core.reading import Reading
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from tests.builders import HOUR, make_schema

BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str | bytes, reading: Reading | None = None, **schema) -> RawTable:
    content = text if isinstance(text, bytes) else text.encode()
    return read_raw_table(
        content, make_schema(**schema), where="raw.csv", reading=reading or Reading()
    )


def refusal(text: str | bytes, reading: Reading | None = None, **schema) -> list[str]:
    with pytest.raises(DataContractError) as caught:
        read(text, reading, **schema)
    assert all(line.startswith("raw.csv") and "\n" not in line for line in caught.value.lines)
    return list(caught.value.lines)


def utc_ns(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 10**9


def wall_hours(start: datetime, count: int, zone: ZoneInfo = BERLIN) -> str:
    """Hours on the wall clock of a zone, with their number as value."""
    moments = [(start + timedelta(hours=row)).astimezone(zone) for row in range(count)]
    rows = (f"{moment:%Y-%m-%d %H:%M},{row}" for row, moment in enumerate(moments))
    return "\n".join(("time,y", *rows, ""))


# --- wall clocks ---------------------------------------------------------------------------------

AUTUMN, SPRING = datetime(2023, 10, 28, 22, tzinfo=UTC), datetime(2023, 3, 25, 22, tzinfo=UTC)


@pytest.mark.parametrize("start", [AUTUMN, SPRING])
def test_wall_clocks_of_a_declared_zone_are_instants_without_gap_or_repeat(start):
    table = read(wall_hours(start, 8), Reading(time_zone="Europe/Berlin"))
    first = int(start.timestamp()) * 10**9
    np.testing.assert_array_equal(table.timestamps, first + HOUR * np.arange(8))
    np.testing.assert_array_equal(table.values[:, 0], np.arange(8))
    assert table.duplicates == 0


@pytest.mark.parametrize("policy", ["error", "copies", "first", "last", "mean", "sum"])
def test_a_repeated_hour_without_a_zone_names_both_rows_and_the_key(policy):
    (line,) = refusal(wall_hours(AUTUMN, 8), Reading(duplicates=policy))
    assert line.startswith("raw.csv row 4: 2023-10-29 02:00 occurs twice")
    assert "data.time_zone" in line
    assert line.endswith("(2 rows: also 5)")


def test_a_repeated_hour_of_which_one_row_is_there_is_refused_or_declared():
    text = wall_hours(AUTUMN + timedelta(hours=3, minutes=30), 2)
    zone = {"time_zone": "Europe/Berlin"}
    (line,) = refusal(text, Reading(**zone))
    assert line.startswith("raw.csv row 2: 2023-10-29 02:30 is in the hour that occurs twice")
    for choice, first in (("earlier", 0), ("later", 1)):
        table = read(text, Reading(**zone, ambiguous_hour=choice))
        assert table.timestamps[0] == utc_ns(2023, 10, 29, first, 30)


def test_an_hour_that_does_not_exist_is_refused_with_its_row():
    text = "time,y\n2023-03-26 01:00,1\n2023-03-26 02:30,2\n2023-03-26 03:00,3\n"
    (line,) = refusal(text, Reading(time_zone="Europe/Berlin"))
    assert line.startswith("raw.csv row 3: 2023-03-26 02:30 does not exist in Europe/Berlin")


def test_the_order_within_each_series_tells_a_repeated_hour():
    """Rows of two series take turns."""
    rows = [line.split(",") for line in wall_hours(AUTUMN, 6).splitlines()[1:]]
    text = "\n".join(["site,time,y", *(f"{site},{t},{y}" for t, y in rows for site in "ab"), ""])
    table = read(text, Reading(time_zone="Europe/Berlin"), series_col="site")
    hours = int(AUTUMN.timestamp()) * 10**9 + HOUR * np.arange(6)
    np.testing.assert_array_equal(table.timestamps, np.tile(hours, 2))


def test_dates_are_the_start_of_their_day_even_if_midnight_does_not_exist():
    """On 2018-11-04 the clocks of São Paulo went from 00:00 to 01:00."""
    text = "time,y\n2018-11-03,1\n2018-11-04,2\n2018-11-05,3\n"
    table = read(text, Reading(time_zone="America/Sao_Paulo"))
    assert np.diff(table.timestamps).tolist() == [24 * HOUR, 23 * HOUR]


def test_timestamps_with_offsets_are_instants_in_any_zone():
    text = "time,y\n2023-10-29T02:00+02:00,1\n2023-10-29T02:00+01:00,2\n"
    expected = [utc_ns(2023, 10, 29, 0), utc_ns(2023, 10, 29, 1)]
    for zone in (None, "Asia/Tokyo"):
        assert read(text, Reading(time_zone=zone)).timestamps.tolist() == expected


def test_contradictions_at_another_hour_are_not_taken_for_a_change_of_clocks():
    text = "time,y\n2023-10-28 02:00,1\n2023-10-28 02:00,2\n"
    assert read(text, Reading(duplicates="last")).values.tolist() == [[2.0]]


def test_messages_show_the_wall_clock_of_the_declared_zone():
    text = "time,y\n2023-06-01 02:00,1\n2023-06-01 01:00,2\n"
    (line,) = refusal(text, Reading(time_zone="Europe/Berlin"))
    assert "timestamp 2023-06-01 01:00:00+02:00 is earlier than" in line


# --- composed timestamps -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "cells", "form"),
    [
        (["dteday", "hr"], ["2011-01-01,0", "2011-01-01,13", "2011-01-02,5"], None),
        (["hr", "dteday"], ["0,2011-01-01", "13,2011-01-01", "5,2011-01-02"], None),
        (["Date", "no"], ["20110101,0", "20110101,13", "20110102,05"], None),
        (["Date", "Time"], ["2011-01-01,00:00", "2011-01-01,13:00:00", "2011-01-02,5:00"], None),
        (["Date", "Time"], ["01/01/2011,0.00", "01/01/2011,13.00", "02/01/2011,5.00"],
         "%d/%m/%Y %H.%M"),
        (["year", "month", "day", "hour"], ["2011,1,1,0", "2011,1,1,13", "2011,1,2,5"], None),
        (["Yr", "Mnth", "Day", "Hr"], ["2011,01,01,00", "2011,01,01,13", "2011,01,02,05"], None),
        (["y", "d", "h"], ["2011,1,0", "2011,1,13", "2011,2,5"], "%Y %j %H"),
    ],
)  # fmt: skip
def test_a_timestamp_is_composed_of_its_columns(columns, cells, form):
    rows = "\n".join(f"{cell},{number}" for number, cell in enumerate(cells))
    table_format = {} if form is None else {"timestamp_format": form}
    table = read(
        f"{','.join(columns)},v\n{rows}\n",
        timestamp_col=columns,
        target_cols=["v"],
        table_format=table_format,
    )
    start = utc_ns(2011, 1, 1)
    assert ((table.timestamps - start) // HOUR).tolist() == [0, 13, 29]
    assert table.unknown_columns == ()


@pytest.mark.parametrize(
    ("columns", "cells", "starts"),
    [
        (["year", "month"], ["2023,12", "2024,2"], [(2023, 12, 1), (2024, 2, 1)]),
        (["year", "quarter"], ["2023,4", "2024,2"], [(2023, 10, 1), (2024, 4, 1)]),
    ],
)
def test_months_and_quarters_are_their_first_day(columns, cells, starts):
    text = f"{','.join(columns)},y\n" + "".join(f"{cell},1\n" for cell in cells)
    assert read(text, timestamp_col=columns).timestamps.tolist() == [utc_ns(*s) for s in starts]


@pytest.mark.parametrize(
    ("columns", "cells", "form", "expected"),
    [
        (["d", "hr"], "2011-01-01,24", None, "row 3: column 'hr' contains '24'"),
        (["d", "hr"], "2011-01-01,1.5", None, "row 3: column 'hr' contains '1.5'"),
        (["d", "hr"], "2011-01-01,", None, "row 3: the timestamp is missing"),
        (["d", "hr"], "1.1.2011,3", None, "row 3: column 'd' contains '1.1.2011'"),
        (["d", "hr"], "2011-01-01 05:00,3", None, "row 3: column 'd' contains"),
        (["year", "month", "day"], "2023,13,1", None, "row 3: column 'month' contains '13'"),
        (["year", "month", "day"], "2023,2,30", None, "row 3: column 'day' contains '30', a day"),
        (["d", "t"], "2011-01-01,xx", "%Y-%m-%d %H:%M", "row 3: column 't' contains 'xx'"),
        (["year", "month", "day"], "2023,2,30", "%Y %m %d", "row 3: timestamp '2023 2 30'"),
    ],
)
def test_the_cell_of_the_column_is_named(columns, cells, form, expected):
    good = {2: "2011-01-01,04:00" if columns[1] == "t" else "2011-01-01,4", 3: "2023,1,31"}
    text = f"{','.join(columns)},y\n{good[len(columns)]},1\n{cells},2\n"
    table_format = {} if form is None else {"timestamp_format": form}
    (line,) = refusal(text, timestamp_col=columns, table_format=table_format)
    assert expected in line


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        (["a", "b"], "x1,2"),
        (["date", "b"], "2011-01-01,north1"),
        (["date", "other"], "2011-01-01,2011-01-01"),
        (["year", "hour"], "2011,3"),
        (["month", "day"], "1,2"),
        (["year", "day"], "2011,1"),
        (["date", "minute"], "2011-01-01,5"),
        (["date", "month"], "2011-01-01,5"),
    ],
)
def test_columns_that_are_no_timestamp_together_ask_for_a_pattern(columns, cells):
    (line,) = refusal(f"{','.join(columns)},y\n{cells},1\n", timestamp_col=columns)
    assert "table_format.timestamp_format" in line


def test_a_composed_wall_clock_is_read_in_its_zone():
    rows = [line.split(" ") for line in wall_hours(AUTUMN, 6).splitlines()[1:]]
    text = "\n".join(["Date,Time,y", *(f"{date},{rest}" for date, rest in rows), ""])
    columns = ["Date", "Time"]
    table = read(text, Reading(time_zone="Europe/Berlin"), timestamp_col=columns)
    assert set(np.diff(table.timestamps)) == {HOUR}
    assert "data.time_zone" in refusal(text, timestamp_col=columns)[0]


# --- an index ------------------------------------------------------------------------------------


def test_whole_numbers_are_an_index_and_gaps_stay():
    text = "step,y\n-10,1\n0,2\n30,3\n"
    table = read(text, timestamp_col="step", table_format={"timestamp_format": "index"})
    assert table.timestamps.tolist() == [-10, 0, 30]


def test_whole_numbers_that_are_not_declared_ask_for_their_form():
    (line,) = refusal("step,y\n0,1\n10,2\n4990,3\n", timestamp_col="step")
    assert line.startswith("raw.csv row 2: timestamp '0' does not have the form ISO8601")
    assert "declare index" in line


@pytest.mark.parametrize("cell", ["1.5", "x", "1e300", "99999999999999999999"])
def test_a_cell_that_is_no_whole_number_is_named(cell):
    (line,) = refusal(
        f"step,y\n1,1\n{cell},2\n", timestamp_col="step",
        table_format={"timestamp_format": "index"},
    )  # fmt: skip
    assert line.startswith(f"raw.csv row 3: the timestamp {cell!r} is not a whole number")


def test_messages_show_an_index_as_a_number():
    (line,) = refusal(
        "step,y\n20,1\n10,2\n", timestamp_col="step", table_format={"timestamp_format": "index"}
    )
    assert "timestamp 10 is earlier than 20 before it" in line


def test_row_numbers_count_within_each_series():
    table = read("s,y\na,1\nb,2\na,3\nb,4\nb,5\n", timestamp_col=None, series_col="s")
    assert table.timestamps.tolist() == [0, 1, 0, 1, 2]
    assert table.values[:, 0].tolist() == [1.0, 3.0, 2.0, 4.0, 5.0]


# --- a column per series -------------------------------------------------------------------------

WIDE = {
    "series_col": "shop",
    "wide": {"columns": ["b", "a", "short", "empty"], "value": "y", "series": "shop"},
    "dynamic_covariates": [{"name": "promo", "dtype": "boolean"}],
}
WIDE_TEXT = """time,a,b,short,empty,promo,note
2024-01-01,1,,,,0,x
2024-01-02,,5,,,1,x
2024-01-03,3,6,7,,0,x
2024-01-04,4,,,,1,x
"""


def test_a_column_per_series_becomes_rows_and_blanks_at_its_ends_are_not_rows():
    table = read(WIDE_TEXT, **WIDE)
    assert table.series_names == ("a", "b", "short")
    assert table.blank_series == ("empty",)
    assert table.unknown_columns == ("note",)
    assert table.columns == ("y", "promo")
    assert np.diff(table.series_offsets).tolist() == [4, 2, 1]
    np.testing.assert_array_equal(
        table.values,
        [[1, 0], [math.nan, 1], [3, 0], [4, 1], [5, 1], [6, 0], [7, 0]],
    )
    days = (table.timestamps - utc_ns(2024, 1, 1)) // (24 * HOUR)
    assert days.tolist() == [0, 1, 2, 3, 1, 2, 2]


def test_a_wide_table_out_of_order_is_sorted_before_its_ends_are_found():
    lines = WIDE_TEXT.splitlines()
    text = "\n".join([lines[0], *reversed(lines[1:]), ""])
    sorted_table = read(text, Reading(sort=True), **WIDE)
    np.testing.assert_array_equal(sorted_table.values, read(WIDE_TEXT, **WIDE).values)


def test_a_cell_of_a_wide_table_is_named_by_its_column():
    (line,) = refusal(WIDE_TEXT.replace("3,6,7", "3,6,x7"), **WIDE)
    assert line.startswith("raw.csv row 4: column 'short' contains 'x7', which is not a number")


def test_shared_covariates_are_reported_once_for_all_series():
    (line,) = refusal(WIDE_TEXT.replace("7,,0,x", "7,,maybe,x"), **WIDE)
    assert line.startswith("raw.csv row 4: column 'promo' contains 'maybe'")
    assert "rows:" not in line


def test_a_column_of_a_series_that_is_not_there_is_named():
    (line,) = refusal(WIDE_TEXT.replace(",short,", ",other,"), **WIDE)
    assert "column 'short' of the schema is not in the table" in line


def test_a_wide_table_without_any_value_is_refused():
    assert "no column of a series has a value" in refusal("time,a,b,short,empty,promo\n1,,,,,0\n"
        .replace("1,", "2024-01-01,"), **WIDE)[0]  # fmt: skip


def test_row_numbers_of_a_wide_table_are_those_of_the_file():
    wide = {"columns": ["a", "b"], "value": "y", "series": "s"}
    table = read("a,b\n1,\n2,5\n,6\n", timestamp_col=None, series_col="s", wide=wide)
    assert table.timestamps.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"target_cols": ["z"]}, "target_cols must be ['y']"),
        ({"series_col": None}, "series_col must be 'shop'"),
        ({"static_covariates": [{"name": "region", "dim": 2}]}, "static covariate 'region'"),
        ({"dynamic_covariates": [{"name": "a"}]}, "duplicated: a"),
        (
            {"timestamp_col": None, "dynamic_covariates": [{"name": "p", "known_future": True}]},
            "future rows of a wide table need timestamps",
        ),
    ],
)
def test_a_wide_layout_that_does_not_fit_the_schema_is_refused(changes, rule):
    with pytest.raises(SchemaError) as caught:
        make_schema(**(WIDE | changes))
    assert rule in str(caught.value)


# --- lines, encodings, marks ---------------------------------------------------------------------

EXPORT = """Zeit (MEZ);Zähler Süd
Datum/Uhrzeit;kWh
01.01.2024 00:00;1.234,56
01.01.2024 01:00;987,5

"""
DECLARED = {
    "separator": ";",
    "decimal": ",",
    "thousands": ".",
    "unit_row": True,
    "timestamp_format": "%d.%m.%Y %H:%M",
}
COLUMNS = {"timestamp_col": "Zeit (MEZ)", "target_cols": ["Zähler Süd"]}


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("utf-16-le", "utf-16-le"),
        ("cp1252", "cp1252"),
        ("latin-1", "ISO-8859-1"),
    ],
)
def test_a_spreadsheet_export_is_read_as_declared(encoding, declared):
    table_format = DECLARED | ({} if declared is None else {"encoding": declared})
    table = read(EXPORT.encode(encoding), **COLUMNS, table_format=table_format)
    assert table.values[:, 0].tolist() == [1234.56, 987.5]


def test_units_and_marks_that_are_not_declared_are_both_named():
    lines = refusal(EXPORT, **COLUMNS, table_format={**DECLARED, "decimal": ".", "thousands": None,
                                                     "unit_row": False})  # fmt: skip
    assert len(lines) == 2
    assert lines[0].startswith("raw.csv row 2: the cells 'Datum/Uhrzeit', 'kWh' look like units")
    assert "table_format.unit_row" in lines[0]
    assert lines[1].startswith("raw.csv row 3: column 'Zähler Süd' contains '1.234,56'")
    assert 'set table_format.decimal to "," and table_format.thousands to "."' in lines[1]


def test_text_in_another_encoding_names_the_row_the_word_and_the_key():
    content = EXPORT.replace("987,5", "987,5;für").encode("cp1252")
    (line,) = refusal(content, **COLUMNS, table_format=DECLARED)
    assert line.startswith(
        "raw.csv row 1: not UTF-8 text (byte 0xE4; in cp1252 the text is 'Zähler"
    )
    assert "table_format.encoding" in line


def test_utf16_without_a_mark_names_the_encoding():
    for name in ("utf-16-le", "utf-16-be"):
        (line,) = refusal("time,y\n2024-01-01,1\n".encode(name))
        assert f"set table_format.encoding of the schema to {name}" in line


def test_text_that_is_not_of_the_declared_encoding_is_refused():
    content = "time,y\n2024-01-01,1\n".encode("utf-16-le") + b"\0"
    (line,) = refusal(content, table_format={"encoding": "utf-16-le"})
    assert "raw.csv row 3: not utf-16-le text" in line


@pytest.mark.parametrize("content", [b"PK\x03\x04abc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0"])
def test_a_workbook_says_how_to_save_it(content):
    assert "save the sheet as CSV UTF-8" in refusal(content)[0]


def test_lines_before_the_header_are_skipped_as_declared_and_rows_keep_their_lines():
    text = 'Report; "open\nby me\ntime,y\n2024-01-01,1\n2024-01-02,x\n'
    (line,) = refusal(text, table_format={"skip_lines": 2})
    assert line.startswith("raw.csv row 5: column 'y' contains 'x'")
    line = refusal(text.replace("x", "2"))[0]
    assert "row 3 has it: set table_format.skip_lines of the schema to 2" in line


def test_more_lines_to_skip_than_the_file_has_leave_no_table():
    assert "no table" in refusal("time,y\n2024-01-01,1\n", table_format={"skip_lines": 9})[0]


@pytest.mark.parametrize(
    ("thousands", "decimal", "cell", "value"),
    [
        (".", ",", "1.234.567,5", 1234567.5),
        (".", ",", "-12", -12.0),
        (",", ".", '"12,34,567.5"', 1234567.5),
        ("'", ".", "1'234", 1234.0),
        (" ", ",", "1 234,5", 1234.5),
        ("\u202f", ",", "1\u202f234,5", 1234.5),
    ],
)
def test_groups_of_digits_are_read_with_the_declared_mark(thousands, decimal, cell, value):
    separator = "," if decimal == "." else ";"
    table = read(
        f"time{separator}y\n2024-01-01{separator}{cell}\n",
        table_format={"separator": separator, "decimal": decimal, "thousands": thousands},
    )
    assert table.values.tolist() == [[value]]


@pytest.mark.parametrize("cell", ["1.23", "12.3456", "1..234", ".123", "1.234.56"])
def test_a_mark_that_does_not_group_by_three_is_not_dropped(cell):
    table_format = {"separator": ";", "decimal": ",", "thousands": "."}
    (line,) = refusal(f"time;y\n2024-01-01;{cell}\n2024-01-02;1,5\n", table_format=table_format)
    assert f"row 2: column 'y' contains {cell!r}" in line


@pytest.mark.parametrize(
    ("cells", "declared", "advice"),
    [
        (["1,5", "2"], {"separator": ";"}, 'set table_format.decimal to ","'),
        (["1 234", "2"], {}, 'set table_format.thousands to " "'),
        (["1'234.5", "2"], {}, 'set table_format.thousands to "\'"'),
        (["1.5"], {"separator": ";", "decimal": ","}, 'set table_format.decimal to "."'),
        (
            ["1.234"],
            {"separator": ";", "decimal": ","},
            'set table_format.decimal to "." (then it is 1.234) or table_format.thousands to "." '
            "(then it is 1234)",
        ),
    ],
)
def test_the_marks_that_read_a_number_are_proposed_all_of_them(cells, declared, advice):
    separator = declared.get("separator", ",")
    rows = "".join(f"2024-01-0{day}{separator}{cell}\n" for day, cell in enumerate(cells, 1))
    (line,) = refusal(f"time{separator}y\n{rows}", table_format=declared)
    assert advice in line


def test_marks_that_would_break_other_cells_are_not_proposed():
    (line,) = refusal("time;y\n2024-01-01;1,5\n2024-01-02;2.5\n", table_format={"separator": ";"})
    assert "table_format.decimal" not in line


def test_words_beside_other_marks_are_a_line_of_their_own():
    lines = refusal("time;y\n2024-01-01;1,5\n2024-01-02;n/a\n", table_format={"separator": ";"})
    assert len(lines) == 2
    assert "'1,5'" in lines[0]
    assert "'n/a'" in lines[1]
    assert "missing_markers" in lines[1]


# --- copies and contradictions -------------------------------------------------------------------

PANEL = {"series_col": "region"}
REPEATS = """region,time,y
north,2023-01-01,1
north,2023-01-02,2
south,2023-01-01,3
south,2023-01-01,3
south,2023-01-02,4
west,2023-01-01,5
west,2023-01-01,8
west,2023-01-01,5
west,2023-01-02,
west,2023-01-02,
"""


def test_copies_and_contradictions_are_told_apart_with_series_timestamps_and_rows():
    copies, contradictions = refusal(REPEATS, **PANEL)
    assert copies.startswith(
        "raw.csv row 5: timestamp 2023-01-01 00:00:00 of series 'south' appears twice "
        "(rows 4 and 5)"
    )
    assert "timestamp 2023-01-02 00:00:00 of series 'west' appears twice (rows 10 and 11)" in copies
    assert "data.duplicates to copies" in copies
    assert copies.endswith("(3 rows: also 9, 11)")
    assert contradictions.startswith(
        "raw.csv row 8: timestamp 2023-01-01 00:00:00 of series 'west' appears twice "
        "(rows 7 and 8: y 5 and 8)"
    )
    assert "data.duplicates to first, last, mean or sum" in contradictions


def test_the_policy_copies_drops_copies_and_refuses_contradictions():
    (line,) = refusal(REPEATS, Reading(duplicates="copies"), **PANEL)
    assert "with different values" in line
    table = read(REPEATS.replace("west,2023-01-01,8\n", ""), Reading(duplicates="copies"), **PANEL)
    assert (table.duplicates, table.copies) == (3, 3)


@pytest.mark.parametrize(
    ("policy", "south", "west"),
    [("first", 3.0, 5.0), ("last", 3.0, 5.0), ("mean", 3.0, 6.0), ("sum", 6.0, 18.0)],
)
def test_a_policy_is_applied_within_a_series_and_counted(policy, south, west):
    table = read(REPEATS, Reading(duplicates=policy), **PANEL)
    np.testing.assert_array_equal(table.values[:, 0], [1.0, 2.0, south, 4.0, west, math.nan])
    assert (table.duplicates, table.copies) == (4, 3)


def test_a_copy_has_the_same_covariates_too():
    text = "time,y,price\n2023-01-01,1,2\n2023-01-01,1,3\n"
    schema = {"dynamic_covariates": [{"name": "price"}]}
    (line,) = refusal(text, **schema)
    assert "price 2 and 3" in line
