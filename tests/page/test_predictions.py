"""Stored predictions by date and symbol, as a table and as lines."""

import pandas as pd
import pytest

from spline_lstm.core.errors import StoreError
from spline_lstm.page.predictions import Query, dates_stored, lines_of, read_stored, table_of
from tests.page.examples import store_of

BOTH = Query("2020-01-01", "2020-01-02")


def rows_of(folder, query=BOTH):
    return read_stored(store_of(folder).predictions, query)


def test_dates_are_those_of_the_store(full, empty):
    assert dates_stored(store_of(full).predictions) == ["2020-01-01", "2020-01-02"]
    assert dates_stored(store_of(empty).predictions) == []
    assert not len(rows_of(empty))


def test_numbers_of_an_index_are_in_their_order(tmp_path):
    for number in (10, 9, -3):
        folder = tmp_path / "task_id=forecast" / f"date={number}"
        folder.mkdir(parents=True)
        (folder / "x.parquet").touch()
    assert dates_stored(tmp_path) == ["-3", "9", "10"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (BOTH, 10),
        (Query("2020-01-02", "2020-01-02"), 6),
        (Query("2020-01-02", "2020-01-02", ("b",)), 2),
        (Query("2020-01-03", "2020-01-09"), 0),
    ],
)
def test_a_query_chooses_dates_and_symbols(full, query, count):
    assert len(rows_of(full, query)) == count


def test_the_table_has_the_newest_first_and_times_on_the_wall(full, clock):
    table = table_of(rows_of(full), clock)
    assert table["ts"].iloc[0] == pd.Timestamp("2020-01-02 23:00")
    assert table["ts"].is_monotonic_decreasing
    assert list(table)[:6] == ["symbol", "target", "ts", "step", "timestamp", "score"]
    assert list(table)[-1] == "generated_at"


def test_reasons_come_before_other_columns(full, clock):
    rows = rows_of(full).assign(other=1.0, reasons="calm, late, low", word="likely")
    names = list(table_of(rows, clock))
    assert names[6:8] == ["word", "reasons"]
    assert names.index("other") > 7


def test_the_newest_prediction_is_a_line_of_its_own(full, clock):
    """Two models scored the second day; the later one counts."""
    lines = lines_of(table_of(rows_of(full), clock), "a", "y")
    newest = lines[lines["line"] == "newest"]
    assert newest["score"].tolist() == [52.1, 52.2]
    assert newest["time"].tolist() == [
        pd.Timestamp("2020-01-03 00:00"), pd.Timestamp("2020-01-03 01:00")
    ]  # fmt: skip
    assert len(lines) == 4
    assert lines["upper_80"].tolist() == [100.0] * 4


def test_only_some_of_the_newest_are_drawn(full, clock):
    lines = lines_of(table_of(rows_of(full), clock), "b", "y", at_most=1)
    assert set(lines["line"]) == {"newest"}


def test_predictions_of_one_step_are_one_line(full, clock):
    rows = rows_of(full)
    lines = lines_of(table_of(rows[rows["step"] == 1], clock), "b", "y")
    assert lines["line"].tolist() == ["score", "score"]
    assert lines["time"].is_monotonic_increasing


def test_a_damaged_file_is_one_line(copied):
    path = next(store_of(copied).predictions.rglob("*.parquet"))
    path.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="is damaged"):
        rows_of(copied)
