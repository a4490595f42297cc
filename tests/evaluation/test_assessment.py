from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from spline_lstm.evaluation.assessment import (
    assess,
    forecast_test_part,
    golden_arrays,
    history_of,
    make_baselines,
    percentage_floor,
    season_scales,
)
from spline_lstm.evaluation.scores import MODEL, finish
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.forecaster import Model
from spline_lstm.models.registry import build, to_arrays
from spline_lstm.params import EvaluateParams, WindowParams
from spline_lstm.series.arrays import AsOfArrays
from spline_lstm.series.scaling import Scaler
from spline_lstm.windows import make_windows

HOUR = 3_600_000_000_000
PARAMS = EvaluateParams(season=24, moving_average=3)
CONFIG = ModelConfig(
    model_type="lstm",
    hidden=(3,),
    dropout=0.0,
    normalization="none",
    lookback=6,
    horizon=2,
    features=("y",),
    targets=("y",),
    target_indices=(0,),
)


@pytest.fixture(scope="module")
def windows():
    """Two hourly series of 200 rows, values 100 * series + row, every 17th not observed."""
    rows = np.arange(200)
    values = np.concatenate([rows, 100.0 + rows])[:, None]
    observed = (np.tile(rows, 2) % 17 != 0)[:, None]
    scaler = Scaler("standard", np.array([100.0]), np.array([50.0]))
    scaled = scaler.transform(values).astype(np.float32)
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.arange(400, dtype=np.int32)[:, None],
        valid=np.ones(400, dtype=bool),
        raw_target=np.where(observed, values, np.nan),
        observed=observed,
        timestamps=np.tile(rows, 2).astype(np.int64) * HOUR,
        series_offsets=np.array([0, 200, 400]),
        static_ids=np.zeros((2, 0), dtype=np.int32),
        feature_names=np.array(["y"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([140, 170]) * HOUR,
    )
    params = WindowParams(lookback=6, horizon=2, stride=1, embargo=None, materialize=False)
    return make_windows(arrays, scaler, params)


@pytest.fixture(scope="module")
def model():
    weights = to_arrays(nnx.state(build(CONFIG, key=jax.random.key(0)), nnx.Param))
    return Model(CONFIG, "r", "p", weights)


def test_baselines_know_only_rows_before_the_origin(windows):
    batch = windows.gather("test")
    history = windows.target_scaler.inverse(batch.X.astype(np.float64))
    made = make_baselines(windows, PARAMS)
    last = windows.arrays.timestamps[batch.origin] / HOUR - 1 + 100 * batch.series
    np.testing.assert_allclose(made["naive"](history)[:, 0, 0], last, atol=1e-4)
    np.testing.assert_allclose(made["moving_average"](history)[:, 1, 0], last - 1, atol=1e-4)
    np.testing.assert_allclose(made["drift"](history)[:, 1, 0], last + 2, atol=1e-4)
    np.testing.assert_allclose(made["ridge"](history)[:, 1, 0], last + 2, atol=1e-2)


def test_every_test_window_is_forecast_once(windows, model):
    batches = list(forecast_test_part(model, windows, PARAMS))
    assert sum(len(batch.y_true) for batch in batches) == len(windows.splits["test"])


def test_truth_is_the_raw_observation_and_nothing_else(windows, model):
    for batch in forecast_test_part(model, windows, PARAMS):
        rows = batch.origin_time[:, None] / HOUR + np.arange(2)
        expected = np.where(rows % 17 == 0, np.nan, rows + 100 * batch.series[:, None])
        np.testing.assert_array_equal(batch.y_true[:, :, 0], expected)


def test_scores_are_those_of_the_written_predictions(windows, model, tmp_path):
    path = tmp_path / "predictions.parquet"
    result = assess(model, windows, PARAMS, predictions=path, series_names=("a", "b"))
    scores = finish(
        result.sums,
        targets=windows.target_names,
        scale=windows.target_scaler.scale,
        season_scale=season_scales(windows, PARAMS.season),
        series=("a", "b"),
    )
    table = pd.read_parquet(path)
    assert list(table.columns) == ["series", "origin", "step", "timestamp", "y_true", "y_pred", "target"]
    error = (table["y_pred"] - table["y_true"]).dropna()
    assert scores["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert scores["mase"] == pytest.approx(error.abs().mean() / 24)
    for name in ("a", "b"):
        assert scores["series"][name]["mae"] == pytest.approx(error[table["series"] == name].abs().mean())
    assert table["y_true"].isna().any()
    assert scores["n_windows"] == len(windows.splits["test"])
    assert set(result.sums.errors) == {MODEL, "naive", "moving_average", "drift", "ridge"}


def test_predictions_have_equal_bytes_each_time(windows, model, tmp_path):
    for name in ("one", "two"):
        assess(model, windows, PARAMS, predictions=tmp_path / name, series_names=("a", "b"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_floor_of_the_percentage_error_sees_the_training_part_only(windows):
    train = np.arange(140)
    seen = train[train % 17 != 0]
    expected = 0.01 * np.concatenate([seen, 100 + seen]).mean()
    assert percentage_floor(windows)[0] == pytest.approx(expected)


def test_golden_windows_are_in_data_units(windows, model):
    golden = golden_arrays(model, windows, 7)
    assert golden["history"].shape == (7, 6, 1)
    assert golden["forecast"].shape == golden["truth"].shape == (7, 2, 1)
    steps = np.diff(golden["history"][:, :, 0], axis=1)
    np.testing.assert_allclose(steps, 1.0, atol=1e-4)


FEATURES = ("y", "price", "hour")
PANEL_CONFIG = replace(
    CONFIG,
    normalization="last",
    features=FEATURES,
    future_features=("price", "hour"),
    static_sizes=(3,),
    static_dims=(2,),
    quantiles=(0.1, 0.5, 0.9),
)


@pytest.fixture(scope="module")
def panel():
    """Two hourly series, the second a thousand times the first; each is scaled alone."""
    rows = np.arange(200)
    hour = (rows % 24).astype(np.float64)
    one = np.stack([rows + hour, np.cos(rows), hour], axis=1)
    values = np.concatenate([one, one * [1000.0, 1.0, 1.0]])
    scaler = Scaler(
        "standard",
        np.array([[110.0, 0.0, 12.0], [110_000.0, 0.0, 12.0], [50_000.0, 0.0, 12.0]]),
        np.array([[50.0, 0.7, 7.0], [50_000.0, 0.7, 7.0], [40_000.0, 0.7, 7.0]]),
    )
    scaled = scaler.transform(values, np.repeat([0, 1], 200)).astype(np.float32)
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.full((400, 3), -1, dtype=np.int32),
        valid=np.ones(400, dtype=bool),
        raw_target=values[:, :1],
        observed=np.ones((400, 1), dtype=bool),
        timestamps=np.tile(rows, 2).astype(np.int64) * HOUR,
        series_offsets=np.array([0, 200, 400]),
        static_ids=np.array([[1], [2]], dtype=np.int32),
        feature_names=np.array(FEATURES),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([140, 170]) * HOUR,
        future_indices=np.array([1, 2], dtype=np.int32),
    )
    params = WindowParams(lookback=6, horizon=2, stride=1, embargo=None, materialize=False)
    return make_windows(arrays, scaler, params)


@pytest.fixture(scope="module")
def panel_model():
    weights = to_arrays(nnx.state(build(PANEL_CONFIG, key=jax.random.key(0)), nnx.Param))
    return Model(PANEL_CONFIG, "r", "p", weights)


def test_panel_scaled_per_series_is_forecast_in_the_units_of_each_series(panel, panel_model, tmp_path):
    path = tmp_path / "predictions.parquet"
    assess(panel_model, panel, PARAMS, predictions=path, series_names=("small", "large"))
    table = pd.read_parquet(path)
    batch = panel.gather("test")
    scores = panel_model.predict(batch.X, batch.X_future, batch.X_static)
    for index, (name, center, scale) in enumerate([("small", 110.0, 50.0), ("large", 110_000.0, 50_000.0)]):
        expected = scores[batch.series == index].reshape(-1) * scale + center
        np.testing.assert_allclose(table.loc[table["series"] == name, "y_pred"], expected, rtol=1e-6)


def test_history_of_a_panel_is_in_the_units_of_each_series(panel):
    batch = panel.gather("test")
    rows = batch.origin_time[:, None] // HOUR + np.arange(-6, 0)
    expected = (rows + rows % 24) * np.where(batch.series == 1, 1000.0, 1.0)[:, None]
    np.testing.assert_allclose(history_of(panel, batch)[:, :, 0], expected, rtol=1e-5)


def test_golden_windows_of_a_panel_hold_all_that_the_model_reads_and_gives(panel, panel_model):
    golden = golden_arrays(panel_model, panel, 8)
    shapes = {name: value.shape for name, value in golden.items()}
    assert shapes == {
        "history": (8, 6, 3),
        "future": (8, 2, 2),
        "static": (8, 1),
        "truth": (8, 2, 1),
        "forecast": (8, 2, 1),
        "quantiles": (8, 2, 1, 3),
    }
    assert golden["static"].dtype == np.int32
    assert set(golden["static"].ravel()) == {1, 2}
    # The hour of the first row ahead follows that of the last row of the history.
    next_hour = (golden["history"][:, -1, 2].round() + 1) % 24
    np.testing.assert_allclose(golden["future"][:, 0, 1], next_hour, atol=1e-4)
    assert (np.diff(golden["quantiles"], axis=-1) >= 0).all()


def test_golden_forecasts_are_those_of_the_stored_inputs(panel, panel_model):
    golden = golden_arrays(panel_model, panel, 8)
    series = golden["static"][:, 0] - 1
    scaler = panel.scaler
    X = scaler.transform(golden["history"].astype(np.float64), series).astype(np.float32)
    known = scaler.columns(np.array([1, 2]))
    X_future = known.transform(golden["future"].astype(np.float64), series).astype(np.float32)
    scores = panel_model.predict(X, X_future, golden["static"])
    expected = panel.to_data_units(scores, series).astype(np.float32)
    np.testing.assert_array_equal(golden["forecast"], expected)
