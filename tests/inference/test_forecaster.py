import copy
import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

import spline_lstm
from spline_lstm.core.artifacts import write_json
from spline_lstm.core.errors import (
    ArtifactError,
    DataContractError,
    MissingCovariateError,
    ParamsError,
    TooLittleDataError,
    UsageError,
)
from spline_lstm.core.params import load_overlay, load_params
from spline_lstm.core.reading import Reading
from spline_lstm.core.section import flattened
from spline_lstm.evaluation.assess import assess
from spline_lstm.inference.arguments import DEFAULTS, frequency_of, params_of, schema_of
from spline_lstm.inference.calibration import calibrate
from spline_lstm.inference.local_width import LocalWidth
from spline_lstm.inference.recent_change import fit_recent_change
from spline_lstm.tables.raw_table import typed_table
from stages import preprocess, train_flax_rnn, window
from tests.builders import HOUR, ROOT, START, make_schema

ROWS, LOOKBACK, HORIZON = 220, 8, 3
TINY = {"lookback": LOOKBACK, "horizon": HORIZON, "hidden": (4,), "max_epochs": 2, "seed": 7}
COLUMNS = {
    "timestamp": "time",
    "series": "shop",
    "covariates": ("temp",),
    "known_future": ("promo",),
    "static": ("region",),
    "calendar": ("hour_sin",),
}


def shops(rows: int = ROWS) -> pd.DataFrame:
    """Two shops with a daily course, raised by promotions every ninth hour; with missing values."""
    hours = np.arange(rows)
    parts = []
    for shop, level in (("a", 20.0), ("b", 50.0)):
        promo = hours % 9 == 0
        demand = level + 5 * np.sin(hours * np.pi / 12) + 3 * promo + np.cos(hours * 1.7)
        part = {
            "time": pd.to_datetime(START + hours * HOUR),
            "shop": shop,
            "demand": demand,
            "temp": np.cos(hours),
        }
        parts.append(
            pd.DataFrame({**part, "promo": promo, "region": "north" if shop == "a" else "south"})
        )
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[50:52, "demand"] = np.nan
    frame.loc[frame.index % 31 == 0, "temp"] = np.nan
    return frame


def cut(frame, instant):
    """History before an instant, and known-future columns from then on."""
    before = frame["time"] < instant
    return frame[before], frame.loc[~before, ["time", "shop", "promo"]]


@pytest.fixture(scope="module")
def fitted():
    return spline_lstm.Forecaster("demand", **COLUMNS, **TINY).fit(shops())


@pytest.fixture(scope="module", params=["global", "per_series"])
def pipeline(tmp_path_factory, request):
    """A pipeline folder after the stages preprocess to evaluate."""
    folder = tmp_path_factory.mktemp("pipeline")
    schema = schema_of(shops(), target="demand", **COLUMNS)
    (folder / "schema.json").write_text(schema.model_dump_json())
    params = params_of(
        None,
        {
            "preprocess.feature_mode": "multivariate",
            "preprocess.fill": "seasonal",
            "preprocess.season": 24,
            "preprocess.scaler_scope": request.param,
            "window.lookback": LOOKBACK,
            "window.horizon": HORIZON,
            "model.hidden": [4],
            "train.max_epochs": 2,
        },
    )
    (folder / "params.yaml").write_text(params.model_dump_json())
    (folder / "data/raw").mkdir(parents=True)
    shops().to_csv(folder / "data/raw/series.csv", index=False)
    for stage in (preprocess, window, train_flax_rnn):
        stage.main(folder)
    # The stage evaluate without its pictures.
    model, windows = spline_lstm.load_model(folder), spline_lstm.load_windows(folder)
    local = LocalWidth(fit_recent_change(windows), np.array([0.75]))
    intervals = dataclasses.replace(calibrate(model, windows, params.evaluate), local=local)
    path = folder / "data/predictions.parquet"
    assess(model, windows, params.evaluate, intervals, predictions=path, series_names=("a", "b"))
    write_json(folder / "models/intervals.json", {"run_id": model.run_id, **intervals.to_json()})
    return folder


def test_a_pipeline_folder_gives_the_pipelines_own_forecasts_bit_by_bit(pipeline):
    forecaster = spline_lstm.Forecaster.load(pipeline)
    rows = pd.read_parquet(pipeline / "data/predictions.parquet")
    raw = pd.read_csv(pipeline / "data/raw/series.csv", parse_dates=["time"])
    for origin in rows["origin"].unique()[[0, 7, -1]]:
        history, future = cut(raw, origin.tz_localize(None))
        forecast = forecaster.predict(history, future)
        widths = (forecast["demand_upper_80"] - forecast["demand"]).unstack("series")
        assert (widths["a"] != widths["b"]).all()
        for shop in ("a", "b"):
            expected = rows[(rows["origin"] == origin) & (rows["series"] == shop)].sort_values(
                "step"
            )
            found = forecast.loc[shop]
            assert found.index.tolist() == [
                timestamp.tz_localize(None) for timestamp in expected["timestamp"]
            ]
            for name, column in (
                ("demand", "y_pred"),
                ("demand_lower_80", "lower_80"),
                ("demand_upper_95", "upper_95"),
            ):
                assert found[name].to_numpy().tobytes() == expected[column].to_numpy().tobytes()


def test_a_loaded_folder_continues_its_raw_table(pipeline):
    forecaster = spline_lstm.Forecaster.load(pipeline)
    future = shops(ROWS + HORIZON)[["time", "shop", "promo"]]
    forecast = forecaster.predict(future=future)
    assert forecast.index.get_level_values("timestamp").min() == pd.Timestamp(
        START + ROWS * HOUR, tz="UTC"
    )
    with pytest.raises(MissingCovariateError, match="'promo' is a known-future column"):
        forecaster.predict()
    # The rows from the start on are rows ahead; their targets do not count.
    start = pd.Timestamp(START + (ROWS - HORIZON) * HOUR)
    earlier = forecaster.predict(start=start)
    whole = shops(ROWS)
    later = whole["time"] >= start
    expected = forecaster.predict(*cut(whole, start))
    assert earlier.to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert earlier.index.get_level_values("timestamp").min() == start.tz_localize("UTC")
    blank = whole.assign(demand=whole["demand"].mask(later))
    pd.testing.assert_frame_equal(forecaster.predict(blank), expected)
    assert forecaster.forecast(blank).notes[0].startswith("2 forecasts start at")


def test_weights_behind_another_preprocessor_are_refused(pipeline, fitted, tmp_path):
    folder = shutil.copytree(pipeline, tmp_path / "mixed")
    fitted.save(tmp_path / "other")
    shutil.copy(tmp_path / "other/models/preprocessor.json", folder / "models/preprocessor.json")
    with pytest.raises(ArtifactError, match="was trained with preprocessor"):
        spline_lstm.Forecaster.load(folder)
    path = folder / "models/preprocessor.json"
    content = json.loads((pipeline / "models/preprocessor.json").read_text())
    content["neutral"] = [1.0]
    write_json(path, content)
    with pytest.raises(ArtifactError, match="was changed after it was written"):
        spline_lstm.Forecaster.load(folder)
    folder = shutil.copytree(pipeline, tmp_path / "intervals")
    shutil.copy(tmp_path / "other/models/intervals.json", folder / "models/intervals.json")
    with pytest.raises(ArtifactError, match="was measured on model"):
        spline_lstm.Forecaster.load(folder)


def test_forecasts_are_indexed_by_series_and_timestamp_with_bounds(fitted):
    history, future = cut(shops(), pd.Timestamp(START + 200 * HOUR))
    forecast = fitted.predict(history, future)
    assert forecast.index.names == ["series", "timestamp"]
    assert forecast.index.tolist() == [
        (shop, pd.Timestamp(START + (200 + step) * HOUR))
        for shop in ("a", "b")
        for step in range(HORIZON)
    ]
    names = ["demand", "demand_lower_80", "demand_upper_80", "demand_lower_95", "demand_upper_95"]
    assert forecast.columns.tolist() == names
    assert (forecast["demand_lower_95"] <= forecast["demand_lower_80"]).all()
    assert (forecast["demand_lower_80"] < forecast["demand"]).all()
    # The shops lie 30 apart, and so do their forecasts.
    assert np.allclose(
        forecast.loc["b", "demand"].to_numpy() - forecast.loc["a", "demand"].to_numpy(), 30, atol=5
    )


def test_saved_and_loaded_it_forecasts_the_same_bits(fitted, tmp_path):
    future = shops(ROWS + HORIZON)
    expected = fitted.predict(future=future)
    fitted.save(tmp_path)
    loaded = spline_lstm.Forecaster.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(future=future), expected, check_exact=True)
    assert loaded.params_ == fitted.params_
    loaded.save(tmp_path / "again", history=False)
    for name in (
        "preprocessor.json",
        "intervals.json",
        "rnn/model.json",
        "rnn/best.safetensors",
        "rnn/last.safetensors",
    ):
        assert (tmp_path / "again/models" / name).read_bytes() == (
            tmp_path / "models" / name
        ).read_bytes()
    with pytest.raises(ArtifactError, match="has no history"):
        spline_lstm.Forecaster.load(tmp_path / "again").predict(future=future)


def test_update_extends_the_history_and_leaves_the_weights(fitted, tmp_path):
    fitted.save(tmp_path)
    forecaster = spline_lstm.Forecaster.load(tmp_path)
    longer = shops(ROWS + 10)
    new = longer[longer["time"] >= pd.Timestamp(START + (ROWS - 1) * HOUR)]
    known = shops(ROWS + 10 + HORIZON)
    updated = forecaster.update(new).predict(future=known)
    assert updated.index.get_level_values("timestamp").min() == pd.Timestamp(
        START + (ROWS + 10) * HOUR
    )
    # The last row of the history comes twice; with equal values it changes nothing.
    expected = fitted.predict(longer, known)
    assert np.array_equal(updated["demand"], expected["demand"])
    assert forecaster.model_.run_id == fitted.model_.run_id


def test_fitting_again_gives_the_same_weights_and_another_seed_does_not(fitted):
    again = clone(fitted).fit(shops())
    assert again.model_.run_id == fitted.model_.run_id
    assert clone(fitted).set_params(seed=8).fit(shops()).model_.run_id != fitted.model_.run_id


def test_it_follows_the_conventions_of_scikit_learn(fitted):
    arguments = {"target": ["demand"], "hidden": [8, 4], "params": {"train.batch_size": 32}}
    forecaster = spline_lstm.Forecaster(**arguments)
    assert arguments.items() <= forecaster.get_params().items()
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "model_")
    assert copy.set_params(seed=3).seed == 3
    with pytest.raises(ValueError, match="no argument sed"):
        copy.set_params(sed=3)
    # One error for both: who catches the one or the other.
    with pytest.raises(UsageError, match="not fitted") as error:
        copy.predict()
    assert isinstance(error.value, NotFittedError)
    assert error.value.exit_code == 2
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(fitted)
    tags = get_tags(fitted)
    assert (tags.requires_fit, tags.target_tags.required, tags.input_tags.allow_nan) == (
        True,
        False,
        True,
    )
    assert repr(forecaster).startswith("Forecaster(target=['demand'], hidden=[8, 4]")


def test_it_ends_a_pipeline_of_scikit_learn(fitted):
    pipeline = make_pipeline(FunctionTransformer(), clone(fitted))
    future = shops(ROWS + HORIZON)
    forecast = pipeline.fit(shops()).predict(shops(), future=future)
    pd.testing.assert_frame_equal(forecast, fitted.predict(future=future), check_exact=True)


def test_it_needs_no_scikit_learn():
    code = (
        "import sys, spline_lstm\n"
        "try: spline_lstm.Forecaster('y').predict()\n"
        "except spline_lstm.core.errors.UsageError as error:\n"
        "    print(type(error).__name__, 'sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "UsageError False"


def test_rows_that_break_the_contract_leave_the_history_as_it_was(fitted, tmp_path):
    fitted.save(tmp_path)
    forecaster = spline_lstm.Forecaster.load(tmp_path)
    future = shops(ROWS + 10 + HORIZON)
    before = forecaster.predict(future=future)
    new = shops(ROWS + 2)[lambda frame: frame["time"] >= pd.Timestamp(START + ROWS * HOUR)]
    text = new.assign(demand=new["demand"].astype(object))
    text.iloc[1, text.columns.get_loc("demand")] = "many"
    with pytest.raises(DataContractError, match=r"^frame row 1: column 'demand'"):
        forecaster.update(text)
    # A property of a series must not change: only comparing with the history shows that.
    with pytest.raises(DataContractError, match=r"^history with the rows of frame row .*'region'"):
        forecaster.update(new.assign(region="west"))
    pd.testing.assert_frame_equal(forecaster.predict(future=future), before, check_exact=True)
    assert forecaster.update(new).predict(future=future).index[0][1] == pd.Timestamp(
        START + (ROWS + 2) * HOUR
    )


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"(?s)```python\n(.*?)```", (ROOT / "docs/serving.md").read_text(encoding="utf-8")
    )
    names = {}
    exec(compile(example, "docs/serving.md", "exec"), names)  # the code is ours
    assert names["forecaster"].params_.preprocess.frequency == "1h"
    assert names["forecast"].columns[0] == "demand"
    first = [names[name].index[0] for name in ("forecast", "later")]
    assert first == [("", pd.Timestamp("2024-01-17 16:00")), ("", pd.Timestamp("2024-01-17 17:00"))]


def test_the_step_is_found_in_the_timestamps_and_the_zone_is_kept(fitted):
    timestamps = pd.date_range("2024-01-01", periods=30, freq="15min")
    table = typed_table(
        pd.DataFrame({"time": timestamps, "y": 1.0}),
        make_schema(),
        where="",
        reading=Reading(sort=True, duplicates="last"),
    )
    assert frequency_of(table, None) == "15min"
    frame = shops(ROWS + HORIZON)
    frame["time"] = frame["time"].dt.tz_localize("UTC").dt.tz_convert("CET")
    forecast = fitted.predict(
        frame[frame["time"] < frame["time"].max() - pd.Timedelta(hours=2)], frame
    )
    assert str(forecast.index.levels[1].tz) == "CET"


def test_wrong_arguments_are_named():
    frame = shops()
    with pytest.raises(UsageError, match="needs a target"):
        spline_lstm.Forecaster().fit(frame)
    with pytest.raises(ParamsError, match="train.batchsize: unknown key"):
        spline_lstm.Forecaster(
            "demand", timestamp="time", series="shop", params={"train.batchsize": 1}
        ).fit(frame)
    with pytest.raises(ParamsError, match="window.horizon"):
        spline_lstm.Forecaster("demand", timestamp="time", series="shop", horizon=0).fit(frame)
    with pytest.raises(TooLittleDataError, match="but needs 506"):
        spline_lstm.Forecaster("demand", timestamp="time", series="shop", lookback=500).fit(frame)


@pytest.mark.parametrize("value", [[1, 2], "x.csv", 3, np.zeros((3, 2))])
def test_what_is_no_frame_is_refused(fitted, value):
    needed = f"must be a pandas DataFrame, not {type(value).__name__}"
    calls = [
        clone(fitted).fit,
        fitted.predict,
        fitted.update,
        lambda future: fitted.predict(future=future),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=needed):
            call(value)


def test_a_column_that_is_not_there_is_named_beside_those_of_the_frame():
    frame = shops(60)
    there = "it has time, shop, demand, temp, promo, region; name one"
    with pytest.raises(DataContractError, match=f"has no column 'salez'; {there}"):
        spline_lstm.Forecaster("salez", timestamp="time", series="shop", **TINY).fit(frame)
    with pytest.raises(MissingCovariateError, match=f"has no column 'tmp'; {there}"):
        spline_lstm.Forecaster(
            "demand", timestamp="time", series="shop", covariates=["tmp"], **TINY
        ).fit(frame)
    # Timestamps and series in the index are columns, too.
    indexed = shops()[["time", "shop", "demand"]].set_index(["shop", "time"])
    assert (
        spline_lstm.Forecaster("demand", timestamp="time", series="shop", **TINY)
        .fit(indexed)
        .history_.size
    )


def test_a_folder_without_a_forecaster_says_so(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ArtifactError, match="there is no saved Forecaster in this folder"):
            spline_lstm.Forecaster.load(folder)


def repeated(rows=60):
    """Two shops; without the column of the shops each timestamp appears twice."""
    return shops(rows)[["time", "shop", "demand"]].dropna()


def test_repeated_timestamps_are_refused_unless_params_say_what_becomes_of_them():
    frame = repeated()
    alone = spline_lstm.Forecaster("demand", timestamp="time", **TINY)
    with pytest.raises(DataContractError, match=r"^frame row 5\d: .*appears twice") as error:
        alone.fit(frame)
    assert (
        "name the column of the series: series=..., or set params={'data.duplicates': 'last'}"
        in str(error.value)
    )
    twice = pd.concat([frame, frame.iloc[[3]]], ignore_index=True)
    with pytest.raises(DataContractError, match=r"^frame row 1\d\d: .*appears twice") as error:
        clone(alone).set_params(series="shop").fit(twice)
    assert "series=..." not in str(error.value)
    # The last row of a timestamp is the one of the second shop: nothing else is left.
    merged = clone(alone).set_params(params={"data.duplicates": "last"}).fit(frame)
    second = frame[frame["shop"] == "b"]
    assert merged.model_.run_id == clone(alone).fit(second).model_.run_id


def test_update_puts_a_newer_row_in_the_place_of_an_older_one():
    frame = shops(60)[lambda rows: rows["shop"] == "b"][["time", "demand"]]
    forecaster = spline_lstm.Forecaster("demand", timestamp="time", **TINY).fit(frame)
    before = forecaster.predict()
    last = frame.iloc[[-1]].assign(demand=frame["demand"].max())
    expected = forecaster.predict(pd.concat([frame.iloc[:-1], last]))
    updated = forecaster.update(last).predict()
    assert not np.array_equal(updated["demand"], before["demand"])
    pd.testing.assert_frame_equal(updated, expected, check_exact=True)


def test_defaults_have_the_keys_of_params_yaml():
    defaults, overlay = flattened(params_of(None, {}).model_dump()), load_overlay(DEFAULTS)
    shipped = flattened(load_params(ROOT).model_dump())
    assert defaults.keys() == shipped.keys()
    assert {key for key in shipped if defaults[key] != shipped[key]} == overlay.keys()


def test_an_ensemble_gives_the_spread_of_its_members_in_data_units():
    settings = {"train.ensemble_size": 2, "preprocess.scaler_scope": "per_series"}
    forecaster = spline_lstm.Forecaster("demand", **COLUMNS, **TINY, params=settings).fit(shops())
    history, future = cut(shops(), pd.Timestamp(START + 200 * HOUR))
    found = forecaster.predict(history, future)
    members = [forecast_of_member(forecaster, member, history, future) for member in range(2)]
    np.testing.assert_allclose(found["demand"], np.mean(members, axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        found["demand_ensemble_std"], np.abs(members[0] - members[1]) / 2, rtol=1e-3, atol=1e-4
    )


def forecast_of_member(forecaster, member, history, future):
    """Forecasts of one network of an ensemble, made to a forecaster of its own."""
    alone = copy.copy(forecaster)
    weights = {name: value[member] for name, value in forecaster.model_.weights.items()}
    config = dataclasses.replace(forecaster.model_.config, ensemble_size=1)
    alone.model_ = dataclasses.replace(forecaster.model_, config=config, weights=weights)
    table = alone.predict(history, future)
    assert "demand_ensemble_std" not in table.columns
    return table["demand"].to_numpy()
