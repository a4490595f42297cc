"""Kinds of columns, and texts that mean that a value is missing."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.scaffold.column_types import examine


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "-3"], "int"),
        (["1", "2.5", "1e-3"], "float"),
        (["0", "1", "1"], "boolean"),
        (["True", "false", ""], "boolean"),
        (["a", "b", "1"], "text"),
        (["", "NA", ""], "empty"),
        (["1.234,5", "2.345,6"], "text"),
    ],
)
def test_kinds_of_columns(cells, kind):
    assert examine(pd.Series(cells, name="c")).kind == kind


@given(st.lists(st.sampled_from(["nil", "NA", "n/a", "-", "?", ""]), min_size=1, max_size=5))
def test_markers_among_numbers_are_found_as_they_are_written(markers):
    cells = [str(number) for number in range(50)] + markers
    found = examine(pd.Series(cells, name="c"))
    assert set(found.markers) == set(markers) - {""}
    assert found.missing == len(markers)
    assert found.kind == "int"


def test_unknown_texts_and_far_away_sentinels_are_reported():
    found = examine(pd.Series([*map(str, range(50)), "error", "-999"], name="c"))
    assert (found.oddities, found.sentinels) == (("error",), ("-999",))
    inside = examine(pd.Series([*map(str, range(-2000, 2000, 37)), "-999"], name="c"))
    assert inside.sentinels == ()
