"""CSV text by pyarrow: pandas, which reads every other dialect, is the oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.table_format import TableFormat
from spline_lstm.tables import frames
from spline_lstm.tables.arrow_csv import arrow_frame
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from tests.builders import make_schema

PLAIN = b"time,y\n2020-01-01,1\n2020-01-02,\n2020-01-03,-2.5e-3\n"
NUMBERS = ["1", "-2.5", " 3", "4 ", "1e5", "", "5.", ".5", "00012", "1e-400", "-0", "0.1"]
CELLS = [
    *NUMBERS,
    *(
        "1",
        "-2.5",
        " 3",
        "4 ",
        "1e5",
        "",
        " ",
        "nil",
        "NA",
        "nan",
        "inf",
        "-Infinity",
        "x",
        "1.5.2",
    ),
    *("0x10", "1_000", "+5", "true", "1e400", "1,5", "1 000"),
    *("0.30000000000000004", "123456789012345678901234", "9007199254740993", "٣", "1e"),
    *("2.2250738585072011e-308", "179769313486231570000000000000", "1.7976931348623157e29"),
]
TEXTS = ["a", "a ", "é", "1", "1.0", "", "nil", "NA", "b,b", "'", "\\N", "null", "true"]


def outcome(content: bytes, **schema) -> RawTable | tuple[str, ...]:
    try:
        return read_raw_table(content, make_schema(**schema), where="x")
    except SplineLstmError as error:
        return error.lines


def same(one: RawTable | tuple[str, ...], two: RawTable | tuple[str, ...]) -> bool:
    if isinstance(one, tuple) or isinstance(two, tuple):
        return one == two
    arrays = ("timestamps", "values", "series_offsets")
    plain = ("series_names", "unknown_columns", "categories", "columns", "statics")
    return all(
        np.array_equal(getattr(one, name), getattr(two, name), equal_nan=name == "values")
        for name in arrays
    ) and all(getattr(one, name) == getattr(two, name) for name in plain)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_it_reads_what_pandas_reads(data):
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    decimal = data.draw(st.sampled_from([".", ","]))
    if separator == decimal:
        separator = ";"
    count = data.draw(st.integers(1, 6))
    # Most tables are numbers throughout.
    numbers = data.draw(st.sampled_from([NUMBERS, NUMBERS, CELLS]))
    lines = [separator.join(("time", "shop", "y", "kind", "other"))]
    for row in range(count):
        cells = [f"2020-01-0{row + 1}", data.draw(st.sampled_from(["a", "b", "a b"]))]
        cells += [data.draw(st.sampled_from(each)) for each in (numbers, TEXTS, CELLS)]
        lines.append(separator.join(cell.replace(separator, "") for cell in cells))
    if data.draw(st.booleans()):
        lines.insert(data.draw(st.integers(0, count)), "")
    content = "\n".join((*lines, "")).encode()
    schema = {
        "series_col": "shop",
        "dynamic_covariates": [{"name": "kind", "dtype": "categorical"}],
        "table_format": {
            "separator": separator,
            "decimal": decimal,
            "missing_markers": data.draw(st.sampled_from([[], ["nil", "NA"]])),
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "arrow_frame", lambda *_: None)
        expected = outcome(content, **schema)
    assert same(outcome(content, **schema), expected)


def test_a_plain_table_is_read_with_its_texts_as_categories():
    frame = arrow_frame(PLAIN, TableFormat(), ["time", "y"], ["time"])
    assert isinstance(frame["time"].dtype, pd.CategoricalDtype)
    np.testing.assert_array_equal(frame["y"], [1.0, np.nan, -2.5e-3])


@pytest.mark.parametrize(
    ("content", "table_format"),
    [
        (PLAIN.replace(b"1\n", b'"1"\n', 1), {}),
        (PLAIN.replace(b"-2.5e-3", b"x"), {}),
        (PLAIN.replace(b"-2.5e-3", b"nan"), {}),
        (PLAIN.replace(b"-2.5e-3", b"inf"), {}),
        (PLAIN.replace(b"-2.5e-3", b"1,2"), {}),
        (PLAIN.splitlines()[0], {}),
        (PLAIN, {"separator": "§"}),
        (PLAIN, {"thousands": "'"}),
        (PLAIN, {"skip_lines": 1}),
        (PLAIN, {"unit_row": True}),
    ],
)
def test_what_is_not_plain_is_left_to_pandas(content, table_format):
    assert arrow_frame(content, TableFormat(**table_format), ["time", "y"], ["time"]) is None
