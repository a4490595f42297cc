"""What the quality report says of a table by itself."""

import tracemalloc

import numpy as np

from spline_lstm.series.table_facts import BLOCK_ROWS, huge_values
from tests.builders import HOURLY, hours, make_table


def table_of(values):
    return make_table({"": (hours(len(values)), values)})


def test_huge_values_are_found_in_every_block_of_rows_and_missing_ones_are_none():
    values = np.full(2 * BLOCK_ROWS + 1, np.nan)
    values[[0, 1]] = 1e30, -1e30
    assert huge_values(table_of(values), HOURLY) == []
    values[[BLOCK_ROWS, 2 * BLOCK_ROWS]] = -2e30, 3e30
    (found,) = huge_values(table_of(values), HOURLY)
    assert (found.column, found.count) == ("y", 2)
    assert "has -2e+30 at 2020-12-07T08:00:00Z (1 more value like it)" in found.text


def test_to_look_for_huge_values_takes_no_copy_of_the_table():
    table = table_of(np.ones(40 * BLOCK_ROWS))
    tracemalloc.start()
    try:
        huge_values(table, HOURLY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < table.values.nbytes / 10
