"""A forecast of the test split with what was known at its origin."""

import numpy as np
import pandas as pd
import pytest

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.forecasts import Choice, groups_of, stored_forecasts, view_of
from spline_lstm.windows.array_files import load_arrays
from spline_lstm.windows.array_writing import Place, create, write_index, write_rows
from spline_lstm.windows.preprocessor import Preprocessor
from tests.builders import HOUR, HOURLY, START
from tests.page.examples import GAPS, ORIGINS, touch

INDEX = Clock("index", step=5)


def view(folder, clock, origin, series="a"):
    pipeline = Pipeline(folder)
    choice = Choice(series, "y", START + HOUR * origin)
    return view_of(pipeline, stored_forecasts(pipeline), choice, clock)


def test_what_can_be_chosen_is_what_was_forecast(full):
    stored = stored_forecasts(Pipeline(full))
    assert stored.series == ["a", "b"]
    assert stored.targets("b") == ["y"]
    np.testing.assert_array_equal(stored.origins("b", "y"), START + HOUR * np.array(ORIGINS))


def test_a_pipeline_that_was_not_run_has_none(empty):
    assert stored_forecasts(Pipeline(empty)) is None


def test_the_forecast_is_that_of_the_file(full, clock):
    shown = view(full, clock, 110, "b")
    forecast = shown.forecast
    np.testing.assert_allclose(forecast["forecast"], [1110.1, 1111.2, 1112.3])
    np.testing.assert_allclose(forecast["observed"], [1110, 1111, 1112])
    np.testing.assert_allclose(forecast["upper_95"] - forecast["lower_95"], 4)
    assert forecast["time"].tolist() == list(pd.date_range("2020-01-05 14:00", periods=3, freq="h"))
    assert shown.levels == ("95", "80")


def test_the_history_ends_before_the_origin_and_marks_fills(full, clock):
    history = view(full, clock, 104).history
    assert history["time"].max() == pd.Timestamp("2020-01-05 07:00")
    rows = np.arange(104 - len(history), 104)
    observed = ~np.isin(rows, GAPS)
    np.testing.assert_allclose(history["raw"], np.where(observed, 100.0 + rows, np.nan))
    np.testing.assert_allclose(history["repaired"], 100.0 + rows)
    assert history["made"].tolist() == np.where(observed, "", "filled").tolist()


def test_a_fill_is_what_was_known_at_the_origin(full, clock):
    """Row 105 is missing; at 106 nothing after it is known, at 108 the two rows that it takes."""
    before, after = view(full, clock, 106).history, view(full, clock, 108).history
    assert before["made"].iloc[-1] == after["made"].iloc[-3] == "filled"
    assert after["repaired"].iloc[-3] == 205
    assert before["repaired"].iloc[-1] == 204


def test_a_fill_does_not_depend_on_what_comes_later(full, clock, copied):
    shown = view(full, clock, 106).history
    path = copied / "data/processed/processed.npz"
    content = dict(np.load(path))
    content["filled_target"][106:120] += 7
    content["raw_target"][106:120] = np.nan
    np.savez(path, **content)
    pd.testing.assert_frame_equal(view(copied, clock, 106).history, shown)


def test_arrays_in_partitions_are_shown_as_those_of_one_file(full, clock, copied):
    pipeline = Pipeline(copied)
    arrays, fitted = load_arrays(pipeline), Preprocessor.load(pipeline.preprocessor)
    rows, series = len(arrays.timestamps), len(fitted.series)
    place = Place("all", "", 0, rows, 0, series)
    create(pipeline.array_folder, rows, fitted)
    written = write_rows(pipeline.array_folder, place, arrays, fitted)
    write_index(pipeline.array_folder, [place], [written], fitted.run_id)
    pipeline.processed.unlink()
    for series in ("a", "b"):
        pd.testing.assert_frame_equal(
            view(copied, clock, 108, series).history, view(full, clock, 108, series).history
        )


def test_a_replaced_outlier_is_marked(copied, clock):
    path = copied / "data/processed/processed.npz"
    content = dict(np.load(path))
    content["replaced"] = np.zeros(content["observed"].shape, bool)
    content["replaced"][103] = True
    np.savez(path, **content)
    made = view(copied, clock, 104).history["made"]
    assert made.iloc[-1] == "replaced"


def test_origins_are_offered_by_the_shortest_period_with_several():
    hourly = START + HOUR * np.arange(48)
    daily = START + 24 * HOUR * np.arange(90)
    assert list(groups_of(HOURLY, hourly)) == ["2020-01-01", "2020-01-02"]
    assert list(groups_of(HOURLY, daily)) == ["2020-01", "2020-02", "2020-03"]
    assert list(groups_of(HOURLY, START + 24 * HOUR * 31 * np.arange(24))) == ["2020", "2021"]
    joined = np.concatenate(list(groups_of(HOURLY, daily).values()))
    np.testing.assert_array_equal(joined, daily)


def test_origins_of_an_index_are_offered_by_hundreds():
    origins = np.array([-5, 95, 100, 1000, 1005])
    groups = groups_of(INDEX, origins)
    assert list(groups) == ["-100 to -1", "0 to 99", "100 to 199", "1000 to 1099"]
    assert groups["1000 to 1099"].tolist() == [1000, 1005]


def test_a_changed_file_is_read_again(copied, clock):
    before = view(copied, clock, 104).forecast["forecast"]
    path = copied / "data/predictions.parquet"
    rows = pd.read_parquet(path)
    rows.assign(y_pred=rows["y_pred"] + 1).iloc[:3].to_parquet(path, index=False)
    after = view(copied, clock, 104)
    np.testing.assert_allclose(after.forecast["forecast"], before + 1)
    assert stored_forecasts(Pipeline(copied)).series == ["a"]


def test_a_damaged_file_is_one_line(copied):
    touch(copied / "data/predictions.parquet", b"not Parquet")
    with pytest.raises(ArtifactError, match=r"predictions\.parquet is damaged .*run `dvc repro`"):
        stored_forecasts(Pipeline(copied))


def test_a_file_of_another_kind_says_which_column_it_lacks(copied):
    path = copied / "data/predictions.parquet"
    pd.DataFrame({"symbol": ["a"], "score": [1.0]}).to_parquet(path)
    with pytest.raises(ArtifactError, match="has no column series, target, origin, step"):
        stored_forecasts(Pipeline(copied))


def test_files_that_do_not_belong_together_are_an_error(copied, clock):
    path = copied / "data/predictions.parquet"
    rows = pd.read_parquet(path)
    rows.assign(series="c").to_parquet(path, index=False)
    with pytest.raises(ArtifactError, match="has no series 'c' with 'y'"):
        view(copied, clock, 104, "c")
    (copied / "data/processed/processed.npz").unlink()
    with pytest.raises(ArtifactError, match=r"processed\.npz is missing"):
        view(copied, clock, 104, "c")
