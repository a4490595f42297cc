import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import DataContractError, MissingCovariateError, SplineLstmError
from spline_lstm.core.reading import Reading
from spline_lstm.tables.duplicates import merge_duplicates
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from tests.builders import HOUR, hours, make_schema, mutate

GOOD = "time,y\n2020-01-01 00:00,1\n2020-01-01 01:00,\n2020-01-01 02:00,-2.5e-3\n"


def read(text: str | bytes, *, sort: bool = False, duplicates: str = "error", **schema) -> RawTable:
    content = text if isinstance(text, bytes) else text.encode("utf-8")
    return read_raw_table(
        content,
        make_schema(**schema),
        where="raw.csv",
        reading=Reading(sort=sort, duplicates=duplicates),
    )


def refusal(text: str | bytes, error: type[SplineLstmError] = DataContractError, **options) -> str:
    with pytest.raises(SplineLstmError) as caught:
        read(text, **options)
    assert type(caught.value) is error
    message = str(caught.value)
    assert message.startswith("raw.csv")
    assert "\n" not in message
    assert len(message) < 1000
    return message


def rows(*lines: str, header: str = "time,y") -> str:
    return "\n".join((header, *lines, ""))


def timestamps_of(*texts: str, form: str = "ISO8601") -> list[int]:
    text = rows(*(f"{text},1" for text in texts))
    return read(text, table_format={"timestamp_format": form}).timestamps.tolist()


# --- what is read --------------------------------------------------------------------------------


def test_timestamps_and_values_are_read():
    table = read(GOOD)
    np.testing.assert_array_equal(table.timestamps, hours(3))
    np.testing.assert_array_equal(table.values, [[1.0], [np.nan], [-2.5e-3]])
    assert (table.timestamps.dtype, table.values.dtype) == (np.int64, np.float64)
    assert (table.columns, table.series_names, table.series_offsets.tolist()) == (
        ("y",),
        ("",),
        [0, 3],
    )
    assert (table.duplicates, table.unknown_columns) == (0, ())


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        GOOD.rstrip("\n").encode(),
        (GOOD + "\n\n").encode(),
        GOOD.replace("2020-01-01 00:00,1", '"2020-01-01 00:00","1"').encode(),
        GOOD.replace(",1", ", 1 ").encode(),
        GOOD.replace("time,y", '"time","y"').encode(),
    ],
    ids=[
        "BOM",
        "CRLF",
        "CR",
        "no last line end",
        "blank lines at the end",
        "quotes",
        "spaces",
        "quoted header",
    ],
)
def test_harmless_variants_of_a_file_give_the_same_table(content):
    table = read(content)
    np.testing.assert_array_equal(table.timestamps, hours(3))
    np.testing.assert_array_equal(table.values, [[1.0], [np.nan], [-2.5e-3]])


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_the_declared_separator_is_used(separator):
    text = rows("2020-01-01,1.5").replace(",", separator)
    assert read(text, table_format={"separator": separator}).values.tolist() == [[1.5]]


def test_the_declared_decimal_mark_is_used():
    text = rows(
        "2020-01-01;1,5", "2020-01-02;-2", "2020-01-03;2,5e3", "2020-01-04;", header="time;y"
    )
    values = read(text, table_format={"separator": ";", "decimal": ","}).values
    np.testing.assert_array_equal(values[:, 0], [1.5, -2.0, 2500.0, np.nan])


@pytest.mark.parametrize("cell", ["1.500", "1.5"])
def test_a_point_is_no_number_where_the_decimal_mark_is_a_comma(cell):
    """1.500 means one thousand five hundred there; it must not be read as one and a half."""
    text = rows(f"2020-01-01;{cell}", "2020-01-02;2,5", header="time;y")
    message = refusal(text, table_format={"separator": ";", "decimal": ","})
    assert "raw.csv row 2" in message
    assert cell in message


@settings(max_examples=50)
@given(
    st.lists(st.floats(-1e30, 1e30, exclude_min=True, exclude_max=True), min_size=1, max_size=20)
)
def test_floats_are_read_bit_by_bit(values):
    text = rows(
        *(
            f"{day},{value!r}"
            for day, value in zip(np.datetime64("2020-01-01") + np.arange(20), values, strict=False)
        )
    )
    assert [value.hex() for value in read(text).values[:, 0].tolist()] == [
        value.hex() for value in values
    ]


def test_integers_beyond_53_bits_become_the_nearest_float():
    text = rows(
        "2020-01-01,9007199254740993",
        "2020-01-02,18446744073709551615",
        "2020-01-03,123456789012345678901234567890",
    )
    assert read(text).values[:, 0].tolist() == [2.0**53, 2.0**64, 1.2345678901234568e29]


def test_declared_markers_mean_no_value():
    text = rows("2020-01-01,nil", "2020-01-02,-999", "2020-01-03, nil", "2020-01-04,4")
    values = read(text, table_format={"missing_markers": ["nil", "-999"]}).values
    np.testing.assert_array_equal(values[:, 0], [np.nan, np.nan, np.nan, 4.0])


def test_columns_come_targets_first_and_unknown_ones_are_named():
    text = rows("9,1,2020-01-01,2,3,x", header="b,y,time,a,z,note")
    table = read(text, target_cols=["z", "y"], dynamic_covariates=[{"name": "a"}, {"name": "b"}])
    assert table.columns == ("z", "y", "a", "b")
    assert table.values.tolist() == [[3.0, 1.0, 2.0, 9.0]]
    assert table.unknown_columns == ("note",)


def test_an_optional_covariate_may_be_absent():
    table = read(GOOD, dynamic_covariates=[{"name": "price", "required": False}])
    assert table.columns == ("y",)


# --- timestamps ----------------------------------------------------------------------------------


def test_iso_timestamps_are_read_to_the_nanosecond():
    assert timestamps_of("2020-01-01T00:00:00.123456789") == [hours(1)[0] + 123_456_789]


def test_timestamps_of_different_length_may_stand_in_one_column():
    assert (
        timestamps_of(
            "2020-01-01", "2020-01-01 01:00", "2020-01-01T02:00:00", "2020-01-01T03:00:00.000"
        )
        == hours(4).tolist()
    )


def test_aware_timestamps_become_utc():
    assert (
        timestamps_of("2020-01-01T01:00+01:00", "2020-01-01T01:00Z", "2019-12-31T22:00:00-0400")
        == hours(3).tolist()
    )


@settings(max_examples=50)
@given(
    st.lists(
        st.datetimes(datetime.datetime(1960, 1, 1), datetime.datetime(2250, 1, 1)),
        min_size=1,
        max_size=5,
        unique=True,
    )
)
def test_timestamps_agree_with_the_calendar_of_python(moments):
    moments = sorted(moments)
    epoch = datetime.datetime(1970, 1, 1)
    expected = [(moment - epoch) // datetime.timedelta(microseconds=1) * 1000 for moment in moments]
    assert timestamps_of(*(moment.isoformat() for moment in moments)) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2020-01-01T00:00Z", "2020-01-01T01:00"),
        ("2020-01-01T00:00", "2020-01-01T01:00+01:00"),
        ("2020-01-01", "2020-01-01T03:00+01:00"),
        ("2020-01-01 00:00-05", "2020-01-02"),
    ],
)
def test_timestamps_with_and_without_a_zone_are_never_mixed(first, second):
    message = refusal(rows(f"{first},1", f"{second},1"))
    assert "raw.csv row 3" in message
    assert "time zone" in message


def test_a_declared_pattern_reads_the_day_first():
    assert timestamps_of("01.02.2020 13:30", form="%d.%m.%Y %H:%M") == [
        pd.Timestamp("2020-02-01 13:30").value
    ]


@pytest.mark.parametrize(
    ("form", "text", "timestamp"),
    [
        ("%d%m%Y", "01022020", "2020-02-01"),
        ("%Y.%m", "2020.10", "2020-10-01"),
        ("%H%M%d%m%Y", "000003042020", "2020-04-03"),
        ("%Y%m%d", "20200304", "2020-03-04"),
    ],
)
def test_a_timestamp_that_looks_like_a_number_keeps_its_zeros(form, text, timestamp):
    assert timestamps_of(text, form=form) == [pd.Timestamp(timestamp).value]


def test_a_declared_pattern_with_a_zone_gives_utc():
    assert timestamps_of("2020-01-01 02:00 +0200", form="%Y-%m-%d %H:%M %z") == [hours(1)[0]]


@pytest.mark.parametrize(
    ("form", "text", "nanoseconds"),
    [
        ("unix_s", "1577836800", 0),
        ("unix_s", "1577836800.1", 100_000_000),
        ("unix_s", "1577836800.000001", 1_000),
        ("unix_ms", "1577836800000", 0),
        ("unix_ms", "1577836800000.5", 500_000),
        ("unix_s", "-0.5", -500_000_000 - 1_577_836_800_000_000_000),
    ],
)
def test_unix_timestamps_are_exact_to_the_microsecond(form, text, nanoseconds):
    assert timestamps_of(text, form=form) == [hours(1)[0] + nanoseconds]


def test_unix_timestamps_may_have_the_declared_decimal_mark():
    text = rows("1577836800,5;1", header="time;y")
    timestamps = read(
        text, table_format={"separator": ";", "decimal": ",", "timestamp_format": "unix_s"}
    ).timestamps
    assert timestamps.tolist() == [hours(1)[0] + 500_000_000]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "today",
        "NaT",
        "nan",
        "yesterday",
        "2020-13-01",
        "2020-02-30",
        "2020-01-01T24:00",
        "1.5",
        "Monday",
        "0",
    ],
)
def test_a_text_that_is_no_timestamp_is_refused_with_its_row(text):
    assert "raw.csv row 3" in refusal(rows("2020-01-01 00:00,1", f"{text},1"))


@pytest.mark.parametrize("text", ["", "abc", "inf", "nan", "1e30", "True", "2020-01-01"])
def test_a_text_that_is_no_unix_timestamp_is_refused_with_its_row(text):
    message = refusal(
        rows("1577836800,1", f"{text},1"), table_format={"timestamp_format": "unix_s"}
    )
    assert "raw.csv row 3" in message


@pytest.mark.parametrize(
    "text",
    ["9999-01-01", "9999-12-31T23:59:59.999999999", "0001-01-01", "1500-06-01", "2262-12-31"],
)
def test_a_timestamp_outside_the_range_of_nanoseconds_is_refused(text):
    assert "raw.csv" in refusal(rows(f"{text},1"))


@pytest.mark.parametrize("form", ["%Q", "%", "mixed", "%d.%m.%Y"])
def test_a_pattern_that_does_not_fit_ends_with_an_error_for_users(form):
    with pytest.raises(SplineLstmError):
        read(rows("2020-01-01,1"), table_format={"timestamp_format": form})


# --- series --------------------------------------------------------------------------------------

PANEL = rows(
    "2020-01-01 00:00,b,1",
    "2020-01-01 00:00,a,2",
    "2020-01-01 01:00,b,3",
    "2020-01-01 01:00,a,4",
    header="time,store,y",
)


def test_series_are_sorted_by_name_and_keep_their_rows():
    table = read(PANEL, series_col="store")
    assert table.series_names == ("a", "b")
    assert table.series_offsets.tolist() == [0, 2, 4]
    assert table.values[:, 0].tolist() == [2.0, 4.0, 1.0, 3.0]
    np.testing.assert_array_equal(table.timestamps, np.tile(hours(2), 2))


@pytest.mark.parametrize(
    "names", [("1", "01"), ("1.1", "1.10"), ("1e3", "1000"), ("true", "True"), ("NA", "None")]
)
def test_series_names_that_differ_as_text_are_different_series(names):
    text = rows(*(f"2020-01-01,{name},1" for name in names), header="time,store,y")
    assert read(text, series_col="store").series_names == tuple(sorted(names))


def test_a_series_key_that_is_missing_is_refused_with_its_row():
    assert "raw.csv row 3" in refusal(
        rows("2020-01-01,a,1", "2020-01-02,,1", header="time,store,y"), series_col="store"
    )


# --- order and duplicates ------------------------------------------------------------------------

UNSORTED = rows("2020-01-01 02:00,3", "2020-01-01 00:00,1", "2020-01-01 01:00,2")
TWICE = rows("2020-01-01 00:00,1", "2020-01-01 00:00,", "2020-01-01 00:00,4", "2020-01-01 01:00,9")


def test_rows_out_of_order_are_refused_with_row_and_remedy():
    message = refusal(UNSORTED)
    assert (
        "raw.csv row 3: timestamp 2020-01-01 00:00:00 is earlier than 2020-01-01 02:00:00"
        in message
    )
    assert "data.sort: true" in message


@pytest.mark.parametrize("shops", [2, 3])
def test_series_below_each_other_are_not_to_be_sorted(shops):
    """Sorting would mix them; what tells them apart is missing in the schema."""
    table = [f"2020-01-01 {hour:02d}:00,{shop}" for shop in range(shops) for hour in range(4)]
    message = refusal(rows(*table))
    assert "raw.csv row 6: timestamp 2020-01-01 00:00:00 is earlier than" in message
    assert "name the column that tells the series apart as series_col" in message
    assert "sort" not in message.lower()
    named = "time,shop,y\n" + "\n".join(f"2020-01-01 {hour:02d}:00,a,1" for hour in (0, 1, 0, 1))
    assert "data.sort: true" in refusal(named + "\n", series_col="shop")


def test_a_span_of_three_centuries_is_in_order():
    """Its length in ns does not fit into 64 bits."""
    np.testing.assert_array_equal(
        read(rows("1700-01-01,1", "2020-01-01,2")).values[:, 0], [1.0, 2.0]
    )


def test_rows_out_of_order_are_sorted_on_request():
    table = read(UNSORTED, sort=True)
    np.testing.assert_array_equal(table.timestamps, hours(3))
    assert table.values[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_the_row_of_a_disorder_inside_a_panel_is_that_of_the_file():
    text = PANEL + "2019-12-31 23:00,a,5\n"
    assert "raw.csv row 6" in refusal(text, series_col="store")


def test_one_timestamp_in_two_series_is_no_duplicate():
    assert read(PANEL, series_col="store", duplicates="error").duplicates == 0


def test_a_timestamp_that_stands_twice_is_refused_with_row_and_remedy():
    message = refusal(TWICE)
    assert "raw.csv row 3: timestamp 2020-01-01 00:00:00 appears twice" in message
    assert "data.duplicates" in message


@pytest.mark.parametrize(("policy", "value"), [("first", 1.0), ("last", 4.0), ("mean", 2.5)])
def test_rows_with_one_timestamp_are_merged_by_the_policy(policy, value):
    table = read(TWICE, duplicates=policy)
    np.testing.assert_array_equal(table.timestamps, hours(2))
    assert table.values[:, 0].tolist() == [value, 9.0]
    assert table.duplicates == 2


def test_first_and_last_are_those_of_the_file_also_after_sorting():
    text = rows("2020-01-01 01:00,9", "2020-01-01 00:00,1", "2020-01-01 00:00,2")
    assert read(text, sort=True, duplicates="first").values[:, 0].tolist() == [1.0, 9.0]
    assert read(text, sort=True, duplicates="last").values[:, 0].tolist() == [2.0, 9.0]


def test_the_mean_of_missing_values_is_missing():
    values = merge_duplicates(np.array([0, 0]), np.full((2, 1), np.nan), np.array([0, 0]), "mean")[
        1
    ]
    np.testing.assert_array_equal(values, [[np.nan]])


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4), st.none() | st.integers(-9, 9)),
        min_size=1,
        max_size=20,
    )
)
def test_the_mean_policy_agrees_with_groupby(cells):
    cells = sorted(cells, key=lambda cell: cell[:2])
    frame = pd.DataFrame(cells, columns=["series", "timestamp", "y"]).astype({"y": float})
    timestamps, keys = frame["timestamp"].to_numpy(np.int64), frame["series"].to_numpy(np.int64)
    merged = merge_duplicates(timestamps, frame[["y"]].to_numpy(), keys, "mean")
    expected = frame.groupby(["series", "timestamp"], as_index=False)["y"].mean()
    np.testing.assert_array_equal(merged[0], expected["timestamp"])
    np.testing.assert_array_equal(merged[2], expected["series"])
    np.testing.assert_allclose(merged[1][:, 0], expected["y"], rtol=1e-15)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "NA",
        "nan",
        "NaN",
        "nil",
        "null",
        "-",
        "?",
        "1_000",
        "0x10",
        "1d5",
        "1.5.2",
        "1 2",
        "True",
        "١٢",
    ],
)
def test_a_cell_that_is_no_number_is_named_with_row_and_column(cell):
    message = refusal(rows("2020-01-01,1", "2020-01-02,2", f"2020-01-03,{cell}"))
    assert f"raw.csv row 4: column 'y' contains {cell!r}" in message
    assert "missing_markers" in message


def test_a_column_of_booleans_is_refused():
    assert "raw.csv row 2: column 'y'" in refusal(rows("2020-01-01,True", "2020-01-02,False"))


def test_thousands_separators_are_refused():
    assert "'1,000'" in refusal(rows('2020-01-01,"1,000"'))


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e999", "-1e400"])
def test_infinite_values_are_refused_with_row_and_column(cell):
    message = refusal(rows("2020-01-01,1", f"2020-01-02,{cell}"))
    assert "raw.csv row 3: column 'y' is infinite" in message


def test_a_number_of_thousands_of_digits_is_refused():
    refusal(rows("2020-01-01," + "9" * 5000))


@pytest.mark.parametrize("cell", ["x" * 100_000, "9" * 100_000, '"' + "a\n" * 50_000 + '"'])
def test_a_very_long_cell_does_not_flood_the_message(cell):
    assert "raw.csv row 2" in refusal(rows(f"2020-01-01,{cell}"))


@pytest.mark.parametrize(
    "lines", [("2020-01-01,1,9", "2020-01-02,2"), ("2020-01-01,1", "2020-01-02,2,9")]
)
def test_a_row_with_too_many_cells_is_refused(lines):
    assert "as many cells as the header" in refusal(rows(*lines))


@pytest.mark.parametrize(
    "lines",
    [("2020-01-01,1", "2020-01-02", "2020-01-03,3"), ("2020-01-01,1", "2020-01-02,2", "2020-01-0")],
)
def test_a_row_with_too_few_cells_is_refused(lines):
    """A cut file must not pass as one with missing values."""
    assert "as many cells as the header" in refusal(rows(*lines))


def test_a_lone_carriage_return_cannot_cut_a_row_in_two():
    assert "raw.csv" in refusal(rows("2020-01-01,1\r2", "2020-01-02,3"))


@pytest.mark.parametrize("header", ["time,y,y", "time,y,time", "y,time,y.1,y"])
def test_a_column_name_that_stands_twice_is_refused(header):
    """pandas would rename the second one and read the first."""
    cells = ",".join(["2020-01-01" if name == "time" else "1" for name in header.split(",")])
    message = refusal(rows(cells, header=header))
    assert "twice" in message


@pytest.mark.parametrize(
    ("column", "schema"),
    [("y", {}), ("time", {"timestamp_col": "when"}), ("s", {"series_col": "s"})],
)
def test_a_column_of_the_schema_that_is_not_there_is_named_with_those_that_are(column, schema):
    text = GOOD.replace("time,y", "time,x") if column == "y" else GOOD
    message = refusal(text, **schema)
    assert "columns: time" in message


def test_a_wrong_separator_is_suspected_where_no_column_is_found():
    assert "table_format.separator" in refusal(GOOD.replace(",", ";"))


def test_a_required_covariate_that_is_not_there_has_its_own_error():
    message = refusal(GOOD, error=MissingCovariateError, dynamic_covariates=[{"name": "price"}])
    assert "'price'" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\t\n",
        b"time,y\n",
        b"time,y",
        b"\xef\xbb\xbf",
        b"time,y\n\0\0",
        GOOD.encode("utf-16-le"),
        b"\x1f\x8b\x08\0\0",
        b'time,y\n"2020-01-01,1\n',
        b"\x89PNG\r\n\x1a\n\0",
        b"PK\x03\x04",
        b"\n\n\n",
        b",\n,\n",
        b'"',
        b"\r",
    ],
)
def test_what_is_no_table_is_refused(content):
    assert "raw.csv" in refusal(content)


@pytest.mark.parametrize("filler", [0, 3, 50_000])
def test_the_row_of_a_byte_that_is_no_utf8_is_that_of_the_file(filler):
    lines = [b"%d,1" % (1577836800 + index) for index in range(filler)]
    content = b"\n".join([b"time,y", *lines, b"1999999999,\xff", b""])
    assert f"raw.csv row {filler + 2}:" in refusal(
        content, table_format={"timestamp_format": "unix_s"}
    )


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (rows("2020-01-01,1", "", "", "2020-01-02,x"), 5),
        ('time,y,note\n2020-01-01,1,"a\nb"\n2020-01-02,x,c\n', 4),
        (rows("2020-01-01,1", "2020-01-02,x").replace("\n", "\r\n"), 3),
        (rows("2020-01-01,1", "2020-01-02,x").replace("\n", "\r"), 3),
        (rows("2020-01-01,1", "", "nonsense,2"), 4),
        (rows("2020-01-02,1", "", "2020-01-01,2"), 4),
    ],
    ids=[
        "blank lines",
        "quoted line end",
        "CRLF",
        "CR",
        "blank line before a timestamp",
        "blank line before a disorder",
    ],
)
def test_the_row_in_a_message_is_the_line_of_the_file(text, row):
    assert f"raw.csv row {row}:" in refusal(text)


@settings(max_examples=50)
@given(
    st.integers(0, 30),
    st.integers(0, 30),
    st.sampled_from(["bad timestamp", "bad value", "infinite", "disorder", "missing timestamp"]),
)
def test_the_first_offending_row_is_named(before, after, kind):
    days = np.datetime64("2020-01-01") + np.arange(before + after + 2)
    lines = [f"{day},1" for day in days]
    lines[before + 1] = {
        "bad timestamp": "x,1",
        "bad value": f"{days[before + 1]},x",
        "infinite": f"{days[before + 1]},inf",
        "disorder": "2019-01-01,1",
        "missing timestamp": ",1",
    }[kind]
    assert f"raw.csv row {before + 3}:" in refusal(rows(*lines))


# --- other kinds of columns ----------------------------------------------------------------------


def typed(*cells: str, dtype: str, **covariate) -> RawTable:
    text = rows(
        *(f"2020-01-{day:02d},1,{cell}" for day, cell in enumerate(cells, start=1)),
        header="time,y,x",
    )
    return read(text, dynamic_covariates=[{"name": "x", "dtype": dtype, **covariate}])


def test_booleans_are_zero_one_true_and_false_in_any_case():
    values = typed("0", "1", "true", "FALSE", "", "True", " 1 ", dtype="boolean").values[:, 1]
    np.testing.assert_array_equal(values, [0, 1, 1, 0, np.nan, 1, 1])


@pytest.mark.parametrize(
    ("dtype", "cell"),
    [("boolean", "2"), ("boolean", "yes"), ("int", "1.5"), ("int", "x"), ("int", "-0.25")],
)
def test_a_cell_that_does_not_fit_its_dtype_is_named(dtype, cell):
    with pytest.raises(DataContractError) as caught:
        typed("1", cell, dtype=dtype)
    assert f"raw.csv row 3: column 'x' contains {cell!r}" in str(caught.value)


def test_whole_numbers_may_have_a_point_and_an_exponent():
    assert typed("1", "2.0", "3e2", dtype="int").values[:, 1].tolist() == [1.0, 2.0, 300.0]


def test_categories_are_positions_among_their_sorted_texts():
    table = typed("rain", "01", "", "1", "sun", "rain", dtype="categorical")
    assert table.categories == {"x": ("01", "1", "rain", "sun")}
    np.testing.assert_array_equal(table.values[:, 1], [2, 0, np.nan, 1, 3, 2])


def test_a_category_has_no_mean_the_last_row_counts():
    text = rows("2020-01-01,1,0", "2020-01-01,3,1", header="time,y,x")
    table = read(text, duplicates="mean", dynamic_covariates=[{"name": "x", "dtype": "boolean"}])
    assert table.values.tolist() == [[2.0, 1.0]]


def test_statics_are_read_once_per_series():
    text = rows(
        "2020-01-01,b,1,",
        "2020-01-02,b,1,south",
        "2020-01-01,a,1,north",
        header="time,store,y,region",
    )
    table = read(text, series_col="store", static_covariates=[{"name": "region", "dim": 2}])
    assert table.series_names == ("a", "b")
    assert table.statics == {"region": ("north", "south")}
    assert table.unknown_columns == ()


def test_a_static_that_changes_within_its_series_is_refused():
    text = rows("2020-01-01,a,1,north", "2020-01-02,a,1,south", header="time,store,y,region")
    message = refusal(text, series_col="store", static_covariates=[{"name": "region", "dim": 2}])
    assert "raw.csv row 3" in message
    assert "'region'" in message


def test_all_broken_rules_are_told_at_once_each_with_its_rows():
    text = rows("2020-01-01,x,1", "nonsense,2,inf", "2020-01-03,y,1", ",4,1", header="time,y,z")
    with pytest.raises(DataContractError) as caught:
        read(text, target_cols=["y", "z"])
    lines = caught.value.lines
    assert len(lines) == 4
    assert any(
        "row 2" in line and "'y' contains 'x'" in line and "2 rows: also 4" in line
        for line in lines
    )
    assert any("row 3" in line and "'nonsense'" in line for line in lines)
    assert any("row 3" in line and "'z' is infinite" in line for line in lines)
    assert any("row 5" in line and "timestamp is missing" in line for line in lines)


def test_a_file_full_of_faults_does_not_flood_the_messages():
    text = rows(*(f"2020-01-01,{'x' * 500}" for _ in range(5000)))
    with pytest.raises(DataContractError) as caught:
        read(text)
    assert len(caught.value.lines) <= 20
    assert max(len(line) for line in caught.value.lines) < 1000


# --- anything at all -----------------------------------------------------------------------------

WIDE = (
    "time,store,y,price\n2020-01-01 00:00,a,1,2.5\n"
    "2020-01-01 01:00,a,,nil\n2020-01-01 00:00,b,-3e2,0\n"
    '2020-01-01 01:00,b,4,"7"\n2020-01-01 02:00,b,5,8\n'
)
SNIPPETS = st.sampled_from(
    [
        ",",
        ";",
        "\n",
        "\r",
        "\r\n",
        '"',
        "'",
        " ",
        "\t",
        "\0",
        "nan",
        "inf",
        "NA",
        "1e999",
        "-",
        "2020-01-01",
        "Z",
        "+01:00",
        "9999-12-31",
        "now",
        "True",
        "ä",
        "\ufeff",
        "\u2028",
        "0x1",
        "1,5",
        "#",
        "\\",
        "time",
        "9" * 400,
    ]
)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), SNIPPETS | st.text(max_size=4)), max_size=4
)
FORMATS = st.fixed_dictionaries(
    {},
    optional={
        "separator": st.sampled_from([",", ",", ",", ";", " ", "\t", '"', "§"]),
        "decimal": st.sampled_from([".", ".", ",", "-", "§"]),
        "missing_markers": st.lists(
            st.sampled_from(["nil", "1", "2020-01-01", "a", "", "nan", "-3e2"]), max_size=2
        ),
        "timestamp_format": st.sampled_from(
            [
                "ISO8601",
                "ISO8601",
                "ISO8601",
                "%Y-%m-%d %H:%M",
                "%Y-%m-%d %H:%M",
                "unix_s",
                "unix_ms",
                "%d",
                "%Q",
                "mixed",
            ]
        ),
    },
)


def must_end_well(content: bytes, **options) -> None:
    """Success or an error for users; -W error turns a warning into a failure."""
    try:
        table = read(content, **options)
    except SplineLstmError:
        return
    assert np.isfinite(table.values[~np.isnan(table.values)]).all()
    for start, end in zip(table.series_offsets[:-1], table.series_offsets[1:], strict=True):
        assert (np.diff(table.timestamps[start:end]) > 0).all()


@settings(max_examples=500)
@given(EDITS, FORMATS, st.booleans(), st.sampled_from(["error", "first", "last", "mean"]))
def test_a_mutated_table_is_read_or_refused(edits, table_format, sort, duplicates):
    schema = {
        "series_col": "store",
        "dynamic_covariates": [{"name": "price", "required": False}],
        "table_format": {"missing_markers": ["nil"], **table_format},
    }
    must_end_well(
        mutate(WIDE, edits).encode("utf-8", "surrogatepass"),
        sort=sort,
        duplicates=duplicates,
        **schema,
    )


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(content):
    must_end_well(b"time,y\n" + content)
    must_end_well(content)


def test_rows_of_a_long_file_keep_their_place():
    """Parsers read long files in blocks."""
    count = 60_000
    lines = "".join(f"{1577836800 + 3600 * index},{index}\n" for index in range(count))
    table = read("time,y\n" + lines, table_format={"timestamp_format": "unix_s"})
    np.testing.assert_array_equal(table.values[:, 0], np.arange(count))
    np.testing.assert_array_equal(np.diff(table.timestamps), HOUR)


def test_a_bad_timestamp_hides_neither_order_nor_repeats():
    text = rows(
        "2020-01-01 00:00,1",
        "yesterday,2",
        "2020-01-01 02:00,3",
        "2020-01-01 01:00,4",
        "2020-01-01 01:00,5",
    )
    with pytest.raises(DataContractError) as caught:
        read(text)
    bad, order, repeat = caught.value.lines
    assert bad.startswith("raw.csv row 3: timestamp 'yesterday' does not have the form")
    assert order.startswith("raw.csv row 5: timestamp 2020-01-01 01:00:00 is earlier than")
    assert repeat.startswith("raw.csv row 6: ")
    assert "rows 5 and 6" in repeat


def test_of_a_table_without_any_timestamp_only_that_is_said():
    with pytest.raises(DataContractError) as caught:
        read(rows("a,1", "b,2"))
    (line,) = caught.value.lines
    assert "does not have the form" in line


def test_a_form_that_is_declared_is_not_asked_for():
    day = {"timestamp_format": "%d.%m.%Y"}
    declared = refusal(rows("31.01.2020,1", "x,2"), table_format=day)
    assert "does not have the form %d.%m.%Y, which table_format.timestamp_format" in declared
    assert "declare the form" not in declared
    assert "declare the form" in refusal(rows("2020-01-31,1", "x,2"))


def test_a_single_bad_timestamp_is_a_mistake_of_its_cell():
    days = [f"2020-01-{day:02d},1" for day in range(1, 12)]
    few = refusal(rows(*days, "x,2"))
    assert "which most others have; fix the cell or remove the row" in few
    assert "declare" not in few
    assert "declare" not in refusal(rows(*days, "12,2"))
    assert "declare the form" in refusal(rows(*days[:2], "x,2", "y,3"))


def test_an_encoding_that_is_declared_is_not_asked_for():
    text = refusal(b"time,y\n2020-01-01,\x81\n", table_format={"encoding": "cp1252"})
    assert "as its byte order mark or table_format.encoding of the schema declares" in text
    assert "set table_format.encoding" not in text
