"""The command score on a panel in partitions: the rows of one table, by any number of tasks."""

import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.params_file import params_text
from spline_lstm.core.pipeline import Pipeline, TrackedPipeline
from spline_lstm.store import comparison, score_partitions
from spline_lstm.store.files import Store
from spline_lstm.store.predictions import files_of, read_predictions
from spline_lstm.store.registry import Registry
from spline_lstm.store.retrain import compare
from tests.builders import HOUR, START, make_preprocessor, make_schema
from tests.exported_sum import frame
from tests.store.examples import ROWS, VALUES, make_folder, make_model

SHOPS = ("a", "b", "c", "d", "e")


def panel():
    """Five shops like the first two; what comes after them is of other shops."""
    first = frame(ROWS)
    own = first[first["shop"] == "a"]
    return pd.concat([first, *(own.assign(shop=shop) for shop in SHOPS[2:])])


def make(folder, rows, *, table=None):
    """A folder with a promoted model, whose panel is cut into partitions of so many rows."""
    folder.mkdir()
    make_folder(folder)
    assert main(["registry", "promote", "model", str(folder)]) == 0
    (panel() if table is None else table).to_parquet(folder / "table.parquet", index=False)
    values = {**VALUES, "data.source": "table.parquet", "data.partition_rows": rows}
    (folder / "params.yaml").write_text(params_text(with_values(Params(), values, "test")))
    return folder


def stored(folder):
    return read_predictions(folder / "store/predictions").drop(columns="generated_at")


@pytest.mark.usefixtures("jobs_in_this_process")
@pytest.mark.parametrize("dates", [("--asof", "2020-01-02"), ("--from", "2020-01-02")])
def test_partitions_store_the_rows_of_one_table_each_in_a_file_of_its_own(tmp_path, dates):
    one, many = make(tmp_path / "one", None), make(tmp_path / "many", ROWS)
    for folder in (one, many):
        assert main(["score", str(folder), *dates]) == 0
    pd.testing.assert_frame_equal(stored(one), stored(many))
    assert set(stored(many)["symbol"]) == set(SHOPS)
    days = stored(many)["ts"].dt.date.nunique()
    assert len([*files_of(many / "store/predictions")]) == days * len(SHOPS)
    assert len([*files_of(one / "store/predictions")]) == days


@pytest.mark.usefixtures("jobs_in_this_process")
def test_two_models_are_compared_on_partitions_as_on_one_table(tmp_path):
    """The new model is the promoted one again; a partition has no row that it leaves unseen."""
    table = panel()
    table = table[(table["shop"] != "d") | (table["time"] < pd.Timestamp(START + 40 * HOUR))]
    found = []
    for name, rows in (("one", None), ("many", ROWS)):
        folder = make(tmp_path / name, rows, table=table)
        params, pipeline = load_params(folder), TrackedPipeline(folder, folder)
        store = Store.of(folder, params.store)
        shutil.copytree(store.models / "model", store.models / "new")
        models = (make_model(model_id=each, path=f"models/{each}") for each in ("new", "model"))
        found.append(compare(pipeline, params, Registry(store.registry), *models))
        assert {path.name for path in store.models.iterdir()} == {"model", "new"}
    assert found[0] == found[1]
    assert found[0].new == found[0].promoted > 0
    assert found[0].origins > 10


class NoWindow:
    """A scorer of a model that has seen all windows."""

    unseen_from = 0

    def errors(self, start):
        raise TooLittleDataError("no window is left")


@pytest.mark.usefixtures("jobs_in_this_process")
def test_partitions_have_the_columns_that_either_model_reads(tmp_path, monkeypatch):
    """The promoted model reads a price, which the schema of the new one no longer names."""
    folder, seen = make(tmp_path / "panel", ROWS), []
    models = (tmp_path / "new", folder / "store/models/model")
    schema = make_schema(series_col="shop")
    make_preprocessor(table_schema=schema).save(Pipeline(models[0]).preprocessor)

    def load(params, model, content, where):
        seen.append(pq.read_schema(pa.BufferReader(content)).names)
        return NoWindow()

    monkeypatch.setattr(comparison, "load_scorer", load)
    with pytest.raises(TooLittleDataError, match="no partition has .*: no window is left"):
        comparison.compare_partitions(folder, load_params(folder), models, tmp_path / "cut")
    assert seen == [["time", "shop", "y", "price"]] * 2 * len(SHOPS)
    assert not (tmp_path / "cut").exists()


@pytest.mark.usefixtures("jobs_in_this_process")
def test_the_same_call_again_adds_nothing_and_leaves_nothing(tmp_path, capsys):
    folder = make(tmp_path / "panel", ROWS)
    for new, before in ((15, 0), (0, 15)):
        assert main(["score", str(folder), "--asof", "2020-01-02"]) == 0
        assert f"{new} new rows of model model, {before} stored before" in capsys.readouterr().out
    names = {path.name for path in (folder / "store/predictions").iterdir()}
    assert names == {"task_id=forecast"}


@pytest.mark.usefixtures("jobs_in_this_process")
def test_a_partition_without_enough_rows_is_a_remark_and_all_of_them_an_error(
    tmp_path, capsys, monkeypatch
):
    table = panel()
    young = (table["shop"] == "b") & (table["time"] < pd.Timestamp(START + 46 * HOUR))
    folder = make(tmp_path / "panel", ROWS // 2, table=table[~young])
    assert main(["score", str(folder), "--asof", "2020-01-02"]) == 0
    error = capsys.readouterr().err
    assert "series 'b'" in error
    assert "it has no forecast" in error
    assert set(stored(folder)["symbol"]) == set(SHOPS) - {"b"}
    monkeypatch.setattr(score_partitions, "MOST_NOTES", 0)
    assert main(["score", str(folder), "--asof", "2020-01-02"]) == 0
    error = capsys.readouterr().err
    assert "series 'b'" not in error
    assert error.splitlines()[-1] == "note: and 5 more remarks"
    assert main(["score", str(folder), "--asof", "2019-12-01"]) == 14
    assert main(["score", str(folder), "--from", "2031-01-01"]) == 2
    assert "no row of the data is from 2031-01-01" in capsys.readouterr().err


@pytest.mark.usefixtures("jobs_in_this_process")
def test_absent_rows_of_one_partition_are_an_error_as_of_one_table(tmp_path, capsys):
    table = panel()
    ahead = (table["shop"] == "e") & (table["time"] >= pd.Timestamp(START + 48 * HOUR))
    one, many = (
        make(tmp_path / name, rows, table=table[~ahead])
        for name, rows in (("one", None), ("many", ROWS))
    )
    for folder in (one, many):
        assert main(["score", str(folder), "--asof", "2020-01-02"]) == 13
        assert "series 'e'" in capsys.readouterr().err
    # What the others have to say is stored.
    assert set(stored(many)["symbol"]) == set(SHOPS) - {"e"}
    assert main(["score", str(many), "--from", "2020-01-02"]) == 0
    assert "note: 2020-01-02 is left out in a partition: " in capsys.readouterr().err
    assert main(["score", str(many), "--asof", "2020-01-02", "--absent", "blank"]) == 13


def test_processes_store_the_same_rows(tmp_path):
    folders = [make(tmp_path / str(workers), 2 * ROWS) for workers in (1, 2)]
    for workers, folder in enumerate(folders, start=1):
        text = (folder / "params.yaml").read_text()
        assert "workers: 2" in text
        (folder / "params.yaml").write_text(text.replace("workers: 2", f"workers: {workers}"))
        assert main(["score", str(folder), "--asof", "2020-01-02"]) == 0
    pd.testing.assert_frame_equal(*map(stored, folders))
    names = [sorted(path.name for path in files_of(f / "store/predictions")) for f in folders]
    assert names[0] == names[1]
    assert np.isfinite(stored(folders[0])["score"]).all()
