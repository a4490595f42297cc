"""The command score on a model whose forecasts can be said by head."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.params import load_params
from spline_lstm.store.files import Store
from spline_lstm.store.predictions import files_of, read_predictions
from spline_lstm.store.registry import Registry
from spline_lstm.store.scorer import load_scorer
from tests.builders import HOUR, START
from tests.exported_sum import HORIZON, frame
from tests.store.examples import ROWS, make_folder, make_model

HEAVY = {"jax", "flax", "tensorflow", "dvc", "duckdb", "matplotlib"}
RUN = f"""
import sys
from spline_lstm.__main__ import main
print(main(), sorted({HEAVY} & set(sys.modules)))
"""


@pytest.fixture
def folder(tmp_path):
    make_folder(tmp_path)
    assert main(["registry", "promote", "model", str(tmp_path)]) == 0
    return tmp_path


def predictions(folder):
    found = read_predictions(folder / "store/predictions")
    hour = (found["ts"] - pd.Timestamp(START, tz="UTC")) // pd.Timedelta(hours=1)
    return found.assign(hour=hour)


def score(folder, *arguments):
    return main(["score", str(folder), *arguments])


def test_a_date_is_scored_with_what_was_known_at_its_end(folder, capsys):
    """y counts the hours from 100 or 1000 on; the forecast is the last y and the known price."""
    assert score(folder, "--asof", "2020-01-02") == 0
    assert "6 new rows of model model, 0 stored before" in capsys.readouterr().out
    found = predictions(folder)
    assert found["symbol"].tolist() == ["a"] * HORIZON + ["b"] * HORIZON
    assert found["hour"].tolist() == [47] * 2 * HORIZON
    assert found["step"].tolist() == [1, 2, 3] * 2
    price = 2.0 * (47 + found["step"])
    last = 47 + np.repeat([100.0, 1000.0], HORIZON)
    assert np.allclose(found["score"], last + price)
    assert np.allclose(found["upper_80"] - found["score"], [1.0, 2.0, 3.0] * 2)
    assert (
        found["timestamp"].tolist()
        == [pd.Timestamp(START, tz="UTC") + pd.Timedelta(hours=hour) for hour in (48, 49, 50)] * 2
    )
    assert set(found["members"]) == {"sum"}


def test_nothing_after_the_date_changes_a_bit(folder):
    score(folder, "--asof", "2020-01-02")
    before = predictions(folder)["score"].tolist()
    table = frame(ROWS)
    late = table["time"] >= pd.Timestamp(START + 48 * HOUR)
    table.loc[late, "y"] = -7.0
    table.to_csv(folder / "table.csv", index=False)
    for path in files_of(folder / "store/predictions"):
        path.unlink()
    score(folder, "--asof", "2020-01-02")
    assert predictions(folder)["score"].tolist() == before


def test_the_same_call_again_adds_nothing(folder, capsys):
    score(folder, "--asof", "2020-01-02")
    (path,) = files_of(folder / "store/predictions")
    content = path.read_bytes()
    assert score(folder, "--asof", "2020-01-02") == 0
    assert "0 new rows of model model, 6 stored before" in capsys.readouterr().out
    assert path.read_bytes() == content


def test_from_scores_every_date_and_names_those_that_cannot_be(folder, capsys):
    """The last date has no known price ahead."""
    assert score(folder, "--from", "2020-01-02") == 0
    captured = capsys.readouterr()
    assert "note: 2020-01-05 is left out: " in captured.err
    assert sorted(set(predictions(folder)["hour"])) == [47, 71, 95]
    assert score(folder, "--from", "2020-01-04") == 0
    assert "0 new rows of model model, 6 stored before" in capsys.readouterr().out
    assert score(folder, "--from", "2020-01-05") == score(folder, "--asof", "2020-01-05") == 13


def test_of_many_dates_that_cannot_be_scored_the_first_are_named(folder, capsys, monkeypatch):
    monkeypatch.setattr("spline_lstm.store.score.MOST_DATES", 0)
    score(folder, "--from", "2020-01-02")
    error = capsys.readouterr().err
    assert "note: 1 more date until 2020-01-05: left out, too" in error
    assert "2020-01-05 is left out" not in error


def test_a_series_without_enough_rows_is_left_out_by_name(folder, capsys):
    table = frame(ROWS)
    young = (table["shop"] == "b") & (table["time"] < pd.Timestamp(START + 46 * HOUR))
    table[~young].to_csv(folder / "table.csv", index=False)
    assert score(folder, "--asof", "2020-01-02") == 0
    captured = capsys.readouterr()
    assert "series 'b'" in captured.err
    assert "it has no forecast" in captured.err
    assert set(predictions(folder)["symbol"]) == {"a"}


def test_a_gap_in_one_series_does_not_take_the_forecast_of_another(folder, capsys):
    """Eight rows are missing before the last two of the date: more than are filled."""
    table = frame(ROWS)
    hour = (table["time"] - pd.Timestamp(START)) // pd.Timedelta(hours=1)
    gap = (table["shop"] == "b") & hour.between(38, 45)
    table[~gap].to_csv(folder / "table.csv", index=False)
    assert score(folder, "--asof", "2020-01-02") == 0
    assert "series 'b'" in capsys.readouterr().err
    assert set(predictions(folder)["symbol"]) == {"a"}


def test_a_date_after_the_data_is_scored_with_a_remark(folder, capsys):
    table = frame(ROWS)
    table.loc[table["time"] >= pd.Timestamp(START + 72 * HOUR), "y"] = np.nan
    table.to_csv(folder / "table.csv", index=False)
    assert score(folder, "--asof", "2020-01-04") == 0
    error = capsys.readouterr().err
    assert "note: the newest row with a target until 2020-01-04 is of 2020-01-03" in error
    assert set(predictions(folder)["hour"]) == {71}


def test_dates_before_the_data_and_wrong_texts_are_refused(folder, capsys):
    assert score(folder, "--asof", "2019-01-01") == 14
    assert score(folder, "--asof", "yesterday") == 2
    assert "is not a date such as 2024-03-01" in capsys.readouterr().err
    assert not list(files_of(folder / "store/predictions"))


def test_a_wrong_date_is_a_mistake_of_the_call_also_without_a_model(tmp_path, capsys):
    folder = make_folder(tmp_path)
    assert score(folder, "--asof", "yesterday") == 2
    assert score(folder, "--from", "2020-13-01") == 2
    assert "2 usage: '2020-13-01' is not a date" in capsys.readouterr().err
    assert score(folder, "--asof", "2020-01-02") == 21


def test_without_a_promoted_model_the_message_says_how_to_get_one(tmp_path, capsys):
    make_folder(tmp_path)
    assert score(tmp_path, "--asof", "2020-01-02") == 21
    error = capsys.readouterr().err
    assert "no model of task forecast is promoted" in error
    assert "registry promote MODEL" in error
    assert score(tmp_path, "--asof", "2020-01-02", "--model", "mod") == 0


def test_models_that_failed_or_are_of_another_task_cannot_score(folder, capsys):
    registry = Registry(Store.of(folder, load_params(folder).store).registry)
    registry.add(make_model(model_id="failed-1", status="failed"))
    registry.add(make_model(model_id="other", task_id="other"))
    assert score(folder, "--asof", "2020-01-02", "--model", "failed-1") == 21
    assert score(folder, "--asof", "2020-01-02", "--model", "other") == 21
    assert "is of task other" in capsys.readouterr().err


def test_score_loads_neither_jax_nor_what_experiments_need(folder):
    command = [sys.executable, "-W", "error", "-c", RUN, "score", str(folder)]
    done = subprocess.run(
        [*command, "--asof", "2020-01-02"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_the_store_can_be_checked(folder, capsys):
    score(folder, "--asof", "2020-01-02")
    assert main(["store", "check", str(folder)]) == 0
    assert "6 rows" in capsys.readouterr().out
    (path,) = files_of(folder / "store/predictions")
    path.write_bytes(b"half")
    assert main(["store", "check", str(folder)]) == 21


def test_errors_are_those_of_forecasts_on_the_windows_after_an_instant(folder):
    """Of row t the forecast of step h misses by the price, less h: 2 (t + h - 1) - h."""
    params = load_params(folder)
    source = (folder / "table.csv").read_bytes()
    scorer = load_scorer(params, folder / "store/models/model", source, "table.csv")
    start = START + 100 * HOUR
    found = scorer.errors(start)
    # An embargo of one horizon, and complete horizons only.
    origins = np.arange(100 + HORIZON, ROWS - HORIZON + 1)
    steps = np.arange(1, HORIZON + 1)
    expected = ((2.0 * (origins[:, None] + steps - 1) - steps) ** 2).sum(axis=1)
    for shop in "ab":
        rows = found.xs(shop, level="symbol")
        assert rows.index.get_level_values("ts").tolist() == (START + HOUR * (origins - 1)).tolist()
        assert np.allclose(rows["squared"], expected)
        assert set(rows["count"]) == {HORIZON}
    assert scorer.unseen_from == scorer.preprocessor.split_instants[1]
