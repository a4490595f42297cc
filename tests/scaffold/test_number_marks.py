"""Decimal and thousands marks: found where a number leaves no doubt, asked for elsewhere."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.column_types import examine
from spline_lstm.scaffold.number_marks import find_marks
from spline_lstm.scaffold.table import Marks


def column(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(texts, dtype="str")})


def written(number: float, marks: Marks, decimals: int) -> str:
    """A number as spreadsheets of a country write it."""
    text = f"{number:,.{decimals}f}".replace(",", "T").replace(".", "D")
    return text.replace("T", marks.thousands or "").replace("D", marks.decimal or ".")


@given(
    marks=st.sampled_from(
        [Marks(",", "."), Marks(".", ","), Marks(",", " "), Marks(".", "'"), Marks(",", "\u202f")]
    ),
    numbers=st.lists(st.floats(-1e7, 1e7), min_size=3, max_size=20),
    decimals=st.integers(1, 4),
)
def test_marks_are_found_and_read_the_numbers(marks, numbers, decimals):
    cells = column(
        *(written(number, marks, decimals) for number in (*numbers, 1_234_567.5, -2_345.25))
    )
    found = find_marks(cells, ";", "f", Marks())
    assert found == marks
    read = examine(cells["x"], found)
    assert read.kind == "float"
    expected = [round(number, decimals) for number in (*numbers, 1_234_567.5, -2_345.25)]
    np.testing.assert_allclose(read.numbers, expected, rtol=0, atol=0.6 * 10.0**-decimals)


@pytest.mark.parametrize(
    ("texts", "separator", "marks"),
    [
        (("1", "2"), ",", Marks(".")),
        (("1.5", "2"), ",", Marks(".")),
        (("1,5", "2"), ";", Marks(",")),
        (("1,234,567", "5"), ",", Marks(".", ",")),
        (("1.234.567", "5"), ";", Marks(",", ".")),
        (("1.234", "2.345"), ";", Marks(".")),
        (("12.345.678,5", ""), ";", Marks(",", ".")),
    ],
)
def test_what_leaves_no_doubt(texts, separator, marks):
    assert find_marks(column(*texts), separator, "f", Marks()) == marks


@pytest.mark.parametrize(
    ("texts", "separator", "words"),
    [
        (("1,234", "2,345"), ";", ["--decimal , (then it is 1.234)", "--thousands , (then"]),
        (("1,5", "2,5"), ",", ["another separator than the comma", "--decimal ."]),
    ],
)
def test_a_comma_with_two_readings_is_asked_about(texts, separator, words):
    with pytest.raises(UsageError) as caught:
        find_marks(column(*texts), separator, "f", Marks())
    assert all(word in str(caught.value) for word in words)


def test_a_mark_that_the_user_names_is_not_looked_for():
    assert find_marks(column("1,234"), ";", "f", Marks(thousands=",")) == Marks(".", ",")
    assert find_marks(column("1.234"), ";", "f", Marks(thousands=".")) == Marks(",", ".")
    assert find_marks(column("1,234"), ";", "f", Marks(",")) == Marks(",")


@pytest.mark.parametrize("mark", ["", "..", "7", "x", "-"])
def test_a_thousands_mark_is_one_sign_that_no_number_has(mark):
    with pytest.raises(UsageError, match="one mark"):
        find_marks(column("1"), ";", "f", Marks(thousands=mark))
