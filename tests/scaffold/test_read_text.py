"""Text of unknown files: encodings, separators, marks, headers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.column_types import examine
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.read_table import read_table
from spline_lstm.scaffold.table import Marks


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
        (b"just one column\n1\n2\n", "no separator"),
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
