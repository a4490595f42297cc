import sys

import pytest

from spline_lstm.core.errors import StoreError, UsageError
from spline_lstm.store.database import connect, export
from spline_lstm.store.predictions import add_predictions
from tests.builders import HOURLY
from tests.store.examples import NOW, scored

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def predictions(tmp_path):
    """Two dates, four rows, in a folder whose name needs quoting."""
    folder = tmp_path / "it's"
    add_predictions(folder, "forecast", "m", scored(hours=(0, 30)), HOURLY, NOW)
    return folder


def test_the_view_can_be_queried_by_date(predictions):
    query = "SELECT step, score FROM predictions WHERE date = '2020-01-02' ORDER BY step"
    assert connect(predictions).execute(query).fetchall() == [(1, 30.1), (2, 30.2)]


def test_the_export_is_a_table_that_replaces_an_earlier_file(predictions, tmp_path):
    path = tmp_path / "all.duckdb"
    for _ in range(2):
        assert export(predictions, path) == f"{path}: 4 rows in the table predictions"
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute("SELECT count(*), sum(score) FROM predictions").fetchone()
    assert found == (4, pytest.approx(60.6))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["all.duckdb", "it's"]


def test_a_missing_folder_is_refused(predictions, tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        export(predictions, tmp_path / "none/all.duckdb")
    with pytest.raises(UsageError, match="this is a folder"):
        export(predictions, tmp_path)


def test_without_duckdb_one_line_says_what_to_install(predictions, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(StoreError, match=r"pip install 'spline-lstm\[store\]'"):
        connect(predictions)
