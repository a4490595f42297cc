"""Parquet files: the oracle is the same table as CSV text, or the Python values it was made of."""

import datetime
import decimal
import io
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.reading import Reading
from spline_lstm.tables.parquet import is_parquet, parquet_frame, parquet_header, write_small
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from tests.builders import HOUR, hours, make_schema

START = int(hours(1)[0])
NAN = float("nan")


def packed(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def read(content: bytes, *, sort: bool = False, duplicates: str = "error", **schema) -> RawTable:
    reading = Reading(sort=sort, duplicates=duplicates)
    return read_raw_table(content, make_schema(**schema), where="x.parquet", reading=reading)


def times(count: int) -> pa.Array:
    return pa.array(hours(count), pa.timestamp("ns"))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "Asia/Kolkata", "+05:45"])
def test_timestamps_of_any_unit_and_zone_are_instants(unit, zone):
    instants = [START + HOUR * row for row in (0, 1, 5000)]
    scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    column = pa.array([value // scale for value in instants], pa.timestamp(unit, zone))
    table = read(packed({"time": column, "y": [1.0, 2.0, 3.0]}))
    assert table.timestamps.tolist() == instants
    assert table.timestamps.dtype == np.int64


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1, None, 3]), [1, NAN, 3]),
        (pa.array([1, None, 3], pa.int8()), [1, NAN, 3]),
        (pa.array([2**63, None, 1], pa.uint64()), [2.0**63, NAN, 1]),
        (pa.array([0.1, None, 1e300]), [0.1, NAN, 1e300]),
        (pa.array([0.1, None, NAN], pa.float32()), [float(np.float32(0.1)), NAN, NAN]),
        (pa.array([np.float16(0.5), None, np.float16(2)], pa.float16()), [0.5, NAN, 2]),
        (pa.array([decimal.Decimal("0.10"), None, decimal.Decimal("2.25")]), [0.1, NAN, 2.25]),
        (pa.array([7, None, 9]).dictionary_encode(), [7, NAN, 9]),
        (pa.array(["1.5", None, " 2 "]), [1.5, NAN, 2]),
        (pa.array(["1.5", "", "2"]).dictionary_encode(), [1.5, NAN, 2]),
        (pa.array([True, None, False]), [NAN] * 3),
    ],
    ids=str,
)
def test_numbers_of_any_type_are_read(column, values):
    content = packed({"time": times(3), "y": column})
    if pa.types.is_boolean(column.type):
        with pytest.raises(DataContractError, match="row 2: column 'y' contains 'True'"):
            read(content)
        return
    np.testing.assert_array_equal(read(content).values[:, 0], values)


KEYS = {
    "text": pa.array(["b", "b", "a", "a"]),
    "large_text": pa.array(["b", "b", "a", "a"], pa.large_string()),
    "dictionary": pa.array(["b", "b", "a", "a"]).dictionary_encode(),
    "number": pa.array([20, 20, 10, 10]),
    "small_number": pa.array([20, 20, 10, 10], pa.int8()),
    "number_dictionary": pa.array([20, 20, 10, 10]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_series_keys_of_any_type_are_texts_in_order(kind):
    content = packed(
        {"time": pa.chunked_array([times(2), times(2)]), "shop": KEYS[kind], "y": [1.0, 2, 3, 4]}
    )
    table = read(content, series_col="shop")
    expected = ("10", "20") if "number" in kind else ("a", "b")
    assert table.series_names == expected
    np.testing.assert_array_equal(table.values[:, 0], [3, 4, 1, 2])
    np.testing.assert_array_equal(table.series_offsets, [0, 2, 4])


def test_dictionaries_of_several_row_groups_are_one():
    buffer = io.BytesIO()
    rows = pa.table({"time": times(6), "shop": pa.array(list("cabcab")), "y": np.arange(6.0)})
    pq.write_table(rows, buffer, row_group_size=2)
    table = read(buffer.getvalue(), series_col="shop")
    assert table.series_names == ("a", "b", "c")
    np.testing.assert_array_equal(table.values[:, 0], [1, 4, 2, 5, 0, 3])


def test_only_named_columns_are_read_and_the_others_are_listed():
    content = packed({"note": ["p", "q"], "time": times(2), "blob": [[1], [2]], "y": [1.0, 2.0]})
    table = read(content)
    assert table.columns == ("y",)
    assert table.unknown_columns == ("note", "blob")


def test_discrete_covariates_keep_their_texts_beside_missing_ones():
    content = packed(
        {
            "time": times(4),
            "y": [1.0, 2.0, 3.0, 4.0],
            "kind": pa.array([1, None, 2, 1]),
            "open": pa.array([True, False, None, True]),
        }
    )
    covariates = [
        {"name": "kind", "dtype": "categorical"},
        {"name": "open", "dtype": "boolean"},
    ]
    table = read(content, dynamic_covariates=covariates)
    assert table.categories == {"kind": ("1", "2")}
    np.testing.assert_array_equal(table.values[:, 1], [0, NAN, 1, 0])
    np.testing.assert_array_equal(table.values[:, 2], [1, 0, NAN, 1])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": times(2), "y": ["1", "x"]}, "x.parquet row 3: column 'y' contains 'x'"),
        ({"time": times(2), "y": [1.0, np.inf]}, "x.parquet row 3: column 'y' is infinite"),
        (
            {"time": pa.array([START, None], pa.timestamp("ns")), "y": [1.0, 2.0]},
            "x.parquet row 3: the timestamp is missing",
        ),
        (
            {"time": pa.array([START, START], pa.timestamp("ns")), "y": [1.0, 2.0]},
            "x.parquet row 3: timestamp 2020-01-01 00:00:00 appears twice",
        ),
        (
            {"time": pa.array([0, 10**6], pa.timestamp("s")), "y": [[1], [2]]},
            "x.parquet row 2: column 'y' contains '[1]'",
        ),
        ({"time": times(2), "z": [1.0, 2.0]}, "x.parquet: column 'y' of the schema is not in"),
        ({"time": times(0), "y": pa.array([], pa.float64())}, "x.parquet: the file has no rows"),
    ],
)
def test_messages_name_the_row_as_for_the_csv_file_of_the_table(columns, message):
    with pytest.raises(DataContractError) as caught:
        read(packed(columns))
    assert message in str(caught.value)


def test_a_timestamp_beyond_the_years_of_an_int64_is_refused():
    far = pa.array([0, 10**11], pa.timestamp("s"))
    with pytest.raises(DataContractError, match="row 3: timestamp .* is out of range"):
        read(packed({"time": far, "y": [1.0, 2.0]}))


def test_an_index_without_a_name_is_the_column_index():
    buffer = io.BytesIO()
    pd.DataFrame({"y": [1.0, 2.0]}, index=pd.to_datetime(hours(2))).to_parquet(buffer)
    content = buffer.getvalue()
    assert parquet_header(content, "x") == ["y", "index"]
    np.testing.assert_array_equal(read(content, timestamp_col="index").timestamps, hours(2))


def as_csv(content: bytes, where: str) -> bytes:
    """The table as CSV text: timestamps in ISO 8601, floats in their shortest exact form."""
    frame = parquet_frame(content, where, parquet_header(content, where))
    timestamps = frame.select_dtypes(include=["datetime", "datetimetz"])
    exact = {
        # strftime has no nanoseconds.
        str(name): column.map(lambda timestamp: timestamp.isoformat(), na_action="ignore")
        for name, column in timestamps.items()
        if (column.dt.nanosecond.fillna(0) != 0).any()
    }
    text = frame.assign(**exact).to_csv(
        index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S.%f%z"
    )
    return text.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_parquet_file_gives_the_table_of_its_csv_text(data):
    count = data.draw(st.integers(1, 12))
    numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(0.1))
    key = data.draw(
        st.lists(st.sampled_from(["a", "b b", "10", "é"]), min_size=count, max_size=count)
    )
    frame = {
        "time": pa.array(
            data.draw(
                st.lists(st.integers(0, 10**15), min_size=count, max_size=count, unique=True)
            ),
            pa.timestamp("us"),
        ),
        "shop": pa.array(key).dictionary_encode() if data.draw(st.booleans()) else pa.array(key),
        "y": pa.array(data.draw(st.lists(numbers, min_size=count, max_size=count)), pa.float64()),
    }
    content = packed(frame)
    assert is_parquet(content)
    text = as_csv(content, "x")
    one, two = (read(each, sort=True, series_col="shop") for each in (content, text))
    np.testing.assert_array_equal(one.timestamps, two.timestamps)
    np.testing.assert_array_equal(one.values, two.values)
    np.testing.assert_array_equal(one.series_offsets, two.series_offsets)
    assert one.series_names == two.series_names == tuple(sorted(set(key)))


def test_dates_are_midnights():
    days = [datetime.date(2020, 2, 28), datetime.date(2020, 2, 29)]
    table = read(packed({"time": pa.array(days), "y": [1.0, 2.0]}))
    assert [str(pd.Timestamp(int(value)).date()) for value in table.timestamps] == [
        "2020-02-28",
        "2020-02-29",
    ]


def test_a_small_file_has_the_same_values_in_half_the_bytes(tmp_path):
    rng, count = np.random.default_rng(0), 20_000
    walk = rng.normal(size=count).cumsum()
    moments = pd.Series(pd.date_range("2024-01-01", periods=count, freq="h"))
    content = {
        "time": times(count),
        "berlin": pa.array(moments, pa.timestamp("us", "Europe/Berlin")),
        "shop": pa.array(np.repeat(["a", "b"], count // 2)),
        "narrow": pa.array(walk.astype(np.float32), mask=rng.random(count) < 0.1),
        "wide": pa.array(walk),
        "price": pa.array(np.round(rng.random(count), 1)),
        "half": pa.array(walk.astype(np.float16)),
        "units": pa.array(rng.integers(0, 9, count), pa.int16()),
        "open": pa.array(rng.random(count) < 0.5),
        "day": pa.array(moments.dt.date),
        "exact": pa.array([decimal.Decimal(number) / 4 for number in range(count)]),
        "empty": pa.nulls(count),
    }
    write_small(pa.table(content), tmp_path / "small.parquet")
    assert pq.read_table(tmp_path / "small.parquet").equals(pa.table(content))
    chosen = {name: content[name] for name in ("time", "shop", "narrow")}
    write_small(pa.table(chosen), tmp_path / "small.parquet")
    assert (tmp_path / "small.parquet").stat().st_size < min(len(packed(chosen)) * 0.5, count * 4)
