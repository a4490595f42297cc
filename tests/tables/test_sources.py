import io
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.reading import Reading
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tables.sources import EMBEDDED, read_source
from tests.builders import HOUR, hours, make_schema

FRAME = pd.DataFrame({"time": pd.to_datetime(hours(4)), "y": [0.1, np.nan, 1 / 3, 1e29]})


def table_of(content: bytes, **schema):
    return read_raw_table(content, make_schema(**schema), where="x", reading=Reading())


def refusal(source: str, folder) -> str:
    with pytest.raises(DataContractError) as caught:
        read_source(source, folder)
    return str(caught.value)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets_are_text_with_a_header(name, tmp_path):
    content = read_source(name, tmp_path)
    assert content.count(b"\n") > 5_000
    assert content == read_source(name, tmp_path)
    assert b"," in content.splitlines()[0]


@pytest.mark.parametrize(
    "content", [b"time,y\n2020-01-01,1\n", b"\xef\xbb\xbftime;y\r\n1;2", b"\xff\xfe", b"PAR"]
)
def test_a_csv_file_comes_byte_by_byte(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    assert read_source("x.csv", tmp_path) == content


def test_a_path_is_relative_to_the_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/x.csv").write_bytes(b"a")
    monkeypatch.chdir(tmp_path)
    assert read_source("x.csv", tmp_path / "sub") == b"a"


@pytest.mark.parametrize("source", ["none.csv", ".", "x.csv/y", "bokeh_sampledata/NONE"])
def test_what_is_no_file_is_refused_with_the_names_that_are_known(tmp_path, source):
    (tmp_path / "x.csv").write_bytes(b"a")
    message = refusal(source, tmp_path)
    assert "no such file" in message
    assert all(name in message for name in EMBEDDED)


@pytest.mark.parametrize("content", [b"", b"  \r\n\t\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    assert "the file is empty" in refusal("x.csv", tmp_path)


def test_a_parquet_file_gives_the_same_table_as_its_rows(tmp_path):
    FRAME.to_parquet(tmp_path / "x.parquet")
    table = table_of(read_source("x.parquet", tmp_path))
    np.testing.assert_array_equal(table.timestamps, hours(4))
    np.testing.assert_array_equal(table.values[:, 0], FRAME["y"])


def test_the_suffix_of_a_parquet_file_does_not_matter(tmp_path):
    FRAME.to_parquet(tmp_path / "x.csv")
    np.testing.assert_array_equal(table_of(read_source("x.csv", tmp_path)).timestamps, hours(4))


def test_a_parquet_file_with_timestamps_as_index_keeps_them(tmp_path):
    FRAME.set_index("time").to_parquet(tmp_path / "x.parquet")
    np.testing.assert_array_equal(table_of(read_source("x.parquet", tmp_path)).timestamps, hours(4))


def test_timestamps_with_a_time_zone_become_utc(tmp_path):
    frame = FRAME.assign(time=FRAME["time"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    frame.to_parquet(tmp_path / "x.parquet")
    np.testing.assert_array_equal(table_of(read_source("x.parquet", tmp_path)).timestamps, hours(4))


@pytest.mark.parametrize("step", [1, 1_000, 1_000_000, HOUR, 24 * HOUR])
def test_timestamps_keep_their_nanoseconds(tmp_path, step):
    timestamps = hours(1)[0] + step * np.arange(3)
    pd.DataFrame({"time": pd.to_datetime(timestamps), "y": [1.0, 2.0, 3.0]}).to_parquet(
        tmp_path / "x.parquet"
    )
    np.testing.assert_array_equal(
        table_of(read_source("x.parquet", tmp_path)).timestamps, timestamps
    )


def test_dates_and_nullable_numbers_of_a_parquet_file_are_read(tmp_path):
    frame = pd.DataFrame(
        {"time": pd.to_datetime(hours(48)[::24]).date, "y": pd.array([1, None], dtype="Int64")}
    )
    frame.to_parquet(tmp_path / "x.parquet")
    table = table_of(read_source("x.parquet", tmp_path))
    np.testing.assert_array_equal(table.timestamps, hours(48)[::24])
    np.testing.assert_array_equal(table.values[:, 0], [1.0, np.nan])


def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    FRAME.to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("length", [4, 8, 12, 200, -1, -8])
def test_a_cut_parquet_file_is_refused(tmp_path, length):
    (tmp_path / "x.parquet").write_bytes(parquet_bytes()[:length])
    assert "not a readable Parquet file" in refusal("x.parquet", tmp_path)


WHOLE = parquet_bytes()


NOTES = [
    "columns",
    "index_columns",
    "name",
    "kind",
    "start",
    "pandas_type",
    'kind": "range", "name',
]


@pytest.mark.parametrize("key", NOTES)
def test_a_parquet_file_with_foreign_notes_of_pandas_is_read_or_refused(tmp_path, key):
    content = WHOLE.replace(f'"{key}"'.encode(), f'"{key[:-1]}_"'.encode())
    assert content != WHOLE
    (tmp_path / "x.parquet").write_bytes(content)
    with suppress(DataContractError):
        table_of(read_source("x.parquet", tmp_path))


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(4, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=3)
)
def test_a_parquet_file_with_flipped_bytes_is_read_or_refused(tmp_path_factory, flips):
    content = bytearray(WHOLE)
    for place, value in flips:
        content[place] = value
    folder = tmp_path_factory.getbasetemp()
    (folder / "flipped.parquet").write_bytes(content)
    with suppress(DataContractError):
        table_of(read_source("flipped.parquet", folder))
