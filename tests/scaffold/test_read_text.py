"""Text of unknown files: encodings, separators, marks, headers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.column_types import examine
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.table import Marks


@settings(max_examples=30)
@given(
    separator=st.sampled_from(",;\t|"),
    decimal=st.sampled_from(".,"),
    bom=st.booleans(),
    values=st.lists(
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3) + 0.0005), min_size=5, max_size=20
    ),
)
def test_separator_and_decimal_mark_are_found(separator, decimal, bom, values):
    frame = pd.DataFrame({"when": "2024-01-01", "what": "x", "y": values})
    if separator == decimal == ",":
        decimal = "."
    content = frame.to_csv(
        index=False, sep=separator, decimal=decimal, float_format="%.4f"
    ).encode()
    table = read_table(b"\xef\xbb\xbf" * bom + content, "f")
    assert (table.layout.separator, table.marks) == (separator, Marks(decimal))
    found = examine(table.cells["y"], table.marks)
    assert found.kind == "float"
    np.testing.assert_allclose(found.numbers, values, atol=6e-5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"a title\n1;2\n3;4\n", "no separator"),
        (b"a,b\n2024-01-01,2,\n2024-01-02,3,\n2024-01-03,3,\n", "each row ends with ',', but"),
        (
            b"a\tb\n2024-01-01\t2\t\n2024-01-02\t3\t\n2024-01-03\t3\t\n",
            r"each row ends with '\\t', but",
        ),
        (b"a,b\n", "1 line"),
        (b"", "0 line"),
        (b"2024-01-01,5\n2024-01-02,6\n", "looks like data"),
        (b"a,a\n1,2\n", "twice"),
        (b"t\xe4g,y\n1,2\n", "UTF-8"),
        (b"a,b\n\x001,\xff\n", "binary"),
        (b"a,b\n1,\0\n", "binary"),
        (b"t;x,y\n1;2,3\n4;5,6\n", "--separator"),
        (b"t;x\n2024-01-01;1,234\n2024-01-02;2,345\n", "--decimal"),
        (b"t;x;y\n2024-01-01;1,2;1.2\n2024-01-02;2,34;1.3\n", "--decimal"),
    ],
)
def test_text_that_is_no_clear_table_is_refused_with_a_reason(content, words):
    with pytest.raises(UsageError, match=words):
        read_table(content, "file.csv")


def test_what_the_user_says_about_the_text_counts():
    content = b"t;x\n1;1,234\n2;2,345\n"
    for said, numbers in (({"decimal": ","}, [1.234, 2.345]), ({"thousands": ","}, [1234, 2345])):
        table = read_table(content, "f", Options(separator=";", **said))
        assert examine(table.cells["x"], table.marks).numbers.tolist() == numbers


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16")]
)
def test_encodings_with_a_byte_order_mark_are_found(encoding, found):
    content = "Zeit,Zähler\n2024-01-01,1\n2024-01-02,2\n".encode(encoding)
    table = read_table(content, "f")
    assert list(table.cells) == ["Zeit", "Zähler"]
    assert table.layout.encoding == found


def test_another_encoding_is_asked_for_with_what_each_reads():
    content = "Zeit;Zähler\n2024-01-01;1\n2024-01-02;2\n".encode("windows-1252")
    with pytest.raises(UsageError) as caught:
        read_table(content, "f")
    assert "line 1 is not UTF-8 text" in str(caught.value)
    assert "--encoding windows-1252 (reads 'Zeit;Zähler')" in str(caught.value)
    assert list(read_table(content, "f", Options(encoding="windows-1252")).cells)[1] == "Zähler"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("nonsense", "no encoding"), ("utf-8", "not utf-8 text"), ("utf-16-le", "binary|utf-16-le")],
)
def test_an_encoding_that_does_not_fit_is_refused(encoding, words):
    content = "Zeit;Zähler\n2024-01-01;1\n".encode("windows-1252")
    with pytest.raises(UsageError, match=words):
        read_table(content, "f", Options(encoding=encoding))


UNITS = "time;load;temp\nDatum;kWh;°C\n2024-01-01;1,5;2\n2024-01-02;1,7;3\n2024-01-03;2,5;4\n"


def test_a_row_of_units_is_found_or_declared():
    table = read_table(UNITS.encode(), "f")
    assert table.layout.unit_row
    assert table.cells["load"].tolist() == ["1,5", "1,7", "2,5"]
    assert table.line_of(0) == 3
    assert not read_table(UNITS.encode(), "f", Options(unit_row=False)).layout.unit_row
    plain = UNITS.replace("Datum;kWh;°C\n", "")
    assert not read_table(plain.encode(), "f").layout.unit_row
    assert read_table(plain.encode(), "f", Options(unit_row=True)).cells.shape == (2, 3)


def test_one_odd_cell_is_no_row_of_units():
    content = UNITS.replace("Datum;kWh;°C", "2023-12-31;n.v.;1").encode()
    assert not read_table(content, "f").layout.unit_row


def test_lines_before_the_header_are_asked_about_and_skipped():
    content = b"A report\nof 2024\n\n" + UNITS.encode()
    with pytest.raises(UsageError, match=r"if 'time;load;temp' is the header, add --skip-lines 3"):
        read_table(content, "f")
    table = read_table(content, "f", Options(skip_lines=3))
    assert list(table.cells) == ["time", "load", "temp"]
    assert table.line_of(0) == 6


def test_numbers_may_be_names_of_columns():
    content = b"date,0,1,2\n2024-01-01,5,6,7\n2024-01-02,5,6,7\n"
    assert list(read_table(content, "f").cells) == ["date", "0", "1", "2"]


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0"])
def test_a_workbook_is_called_one(start):
    with pytest.raises(UsageError, match="spreadsheet workbook.*save the sheet as CSV"):
        read_table(start + b"rest", "f")


@pytest.mark.parametrize("place", [30, 150, 300])
def test_a_row_with_more_cells_than_the_header_is_named(place):
    lines = ["t,v", *(f"2024-01-01 {row % 24:02d}:00:00,{row}.5" for row in range(350))]
    lines[place] += ",x"
    for above in (0, 2):
        content = "\n".join(["", "a report"][:above] + lines).encode()
        with pytest.raises(UsageError) as caught:
            read_table(content, "f", Options(skip_lines=above))
        assert f"f line {place + above + 1} has 3 fields, the header has 2;" in str(caught.value)


def test_a_header_that_is_shorter_than_all_rows_is_not_looked_for_in_the_data():
    lines = ["t,v", *(f"2024-01-{day:02d},{day}.5,1" for day in range(1, 29))]
    with pytest.raises(UsageError, match=r"line 2 has 3 cells, line 1 has 2"):
        read_table("\n".join(lines).encode(), "f")


def test_blanks_between_columns_are_asked_about():
    content = "\n".join(
        ["date v", *(f"2024-01-{day:02d} {day}.5" for day in range(1, 29))]
    ).encode()
    with pytest.raises(UsageError, match="--separator ' '"):
        read_table(content, "f")
    assert list(read_table(content, "f", Options(separator=" ")).cells) == ["date", "v"]


@pytest.mark.parametrize(("content", "count"), [(b"", "0 lines"), (b"t,v\n", "1 line;")])
def test_a_file_without_rows_has_its_lines_counted(content, count):
    with pytest.raises(UsageError, match=f"has {count}"):
        read_table(content, "f")


def test_a_separator_that_is_not_in_the_file_is_refused_with_the_one_that_is():
    content = b"t;x\n1;2\n3;4\n"
    with pytest.raises(UsageError, match="has no comma.*separated by semicolon"):
        read_table(content, "f", Options(separator=","))
    assert read_table(b"x\n1\n2\n", "f", Options(separator=",")).cells.shape == (2, 1)
