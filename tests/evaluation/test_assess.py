from dataclasses import replace
from itertools import pairwise

import jax
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from spline_lstm.core.params import EvaluateParams, WindowParams
from spline_lstm.evaluation.assess import assess, evaluation_content
from spline_lstm.evaluation.forecast_batches import TestForecasts, last_season, make_baselines
from spline_lstm.evaluation.golden import golden_arrays
from spline_lstm.evaluation.scales import error_scales, percentage_floor
from spline_lstm.inference.calibration import calibrate
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import make_windows
from tests.builders import HOURLY

HOUR = 3_600_000_000_000
PARAMS = EvaluateParams(season=24, moving_average=3, interval_levels=(50.0, 80.0))
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
        filled_target=values,
        causal_target=values,
        observed=observed,
        timestamps=np.tile(rows, 2).astype(np.int64) * HOUR,
        series_offsets=np.array([0, 200, 400]),
        static_ids=np.zeros((2, 0), dtype=np.int32),
        feature_names=np.array(["y"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([140, 170]) * HOUR,
    )
    params = WindowParams(lookback=6, horizon=2, stride=1, embargo=None, materialize=False)
    return make_windows(arrays, scaler, HOURLY, params)


@pytest.fixture(scope="module")
def model():
    weights = to_arrays(nnx.state(build(CONFIG, key=jax.random.key(0)), nnx.Param))
    return SavedModel(CONFIG, "r", "p", weights)


def test_baselines_know_only_rows_before_the_origin(windows):
    batch = windows.gather("test")
    history = windows.target_scaler.inverse(batch.X.astype(np.float64))
    made = make_baselines(windows, PARAMS)
    last = windows.arrays.timestamps[batch.origin] / HOUR - 1 + 100 * batch.series
    np.testing.assert_allclose(made["naive"](batch, history)[:, 0, 0], last, atol=1e-4)
    np.testing.assert_allclose(made["moving_average"](batch, history)[:, 1, 0], last - 1, atol=1e-4)
    np.testing.assert_allclose(made["drift"](batch, history)[:, 1, 0], last + 2, atol=1e-4)
    np.testing.assert_allclose(made["ridge"](batch, history)[:, 1, 0], last + 2, atol=1e-2)
    # One day before each of the rows to forecast, further back than the lookback of 6 rows.
    expected = last[:, None] + np.array([1, 2]) - 24
    np.testing.assert_allclose(made["seasonal_naive"](batch, history)[:, :, 0], expected, atol=1e-4)


def test_with_a_lookback_of_one_row_only_seasonal_naive_differs_from_the_last_value(windows):
    params = WindowParams(lookback=1, horizon=2, stride=1, embargo=None, materialize=False)
    short = make_windows(windows.arrays, windows.scaler, HOURLY, params)
    batch = short.gather("test")
    last = (short.arrays.timestamps[batch.origin] / HOUR - 1 + 100 * batch.series)[
        :, None
    ] + np.zeros(2)
    found = {
        name: forecast(batch, short.history(batch))[:, :, 0]
        for name, forecast in make_baselines(short, PARAMS).items()
    }
    for name in ("naive", "moving_average", "drift"):
        np.testing.assert_allclose(found[name], last, atol=1e-4)
    # All that ridge can learn of a line is its slope.
    np.testing.assert_allclose(found["ridge"], last + np.array([1, 2]), atol=1e-2)
    np.testing.assert_allclose(found["seasonal_naive"], last + np.array([1, 2]) - 24, atol=1e-4)


def seasonal(windows, origins, season):
    batch = windows.gather_origins(np.array(origins))
    return last_season(windows, batch, windows.history(batch), season)[:, :, 0]


@pytest.mark.parametrize("season", [1, 2, 5, 6, 7, 30])
def test_seasonal_naive_reads_the_series_a_season_back_whatever_the_lookback(windows, season):
    expected = [origin - 1 - (season - 1) + np.arange(2) % season for origin in (150, 160)]
    np.testing.assert_allclose(seasonal(windows, [150, 160], season), expected, atol=1e-4)


def test_seasonal_naive_falls_back_to_the_last_value_before_the_series_and_behind_long_gaps(
    windows,
):
    # The second series starts at row 200: a season of 30 rows before 229 is in the first one.
    found = seasonal(windows, [229, 230], 30)
    np.testing.assert_allclose(found, [[128, 100], [100, 101]], atol=1e-4)
    valid = windows.arrays.valid.copy()
    valid[130:141] = False
    gap = replace(windows, arrays=replace(windows.arrays, valid=valid))
    np.testing.assert_allclose(seasonal(gap, [160, 171], 30), [[159, 159], [141, 142]], atol=1e-4)


def test_seasonal_naive_takes_what_was_known_at_the_origin_and_nothing_later(windows):
    arrays = windows.arrays
    known_at = arrays.known_at.copy()
    known_at[130:133, 0] = 155
    late = replace(arrays, known_at=known_at, causal_target=np.zeros_like(arrays.causal_target))
    # Rows 130 and 131 are known from row 156 on; before, the causal value, 0, stands in.
    found = seasonal(replace(windows, arrays=late), [155, 156], 25)
    np.testing.assert_allclose(found, [[0.0, 0.0], [131, 132]], atol=1e-4)
    changed = arrays.scaled.copy()
    changed[160:] += 1.0
    after = replace(windows, arrays=replace(arrays, scaled=changed, causal=changed))
    np.testing.assert_array_equal(seasonal(after, [160], 30), seasonal(windows, [160], 30))


def forecasts_of(model, windows):
    intervals = calibrate(model, windows, PARAMS)
    return TestForecasts.fit(model, windows, PARAMS, intervals, ("a", "b"))


def test_every_test_window_is_forecast_once(windows, model):
    batches = list(forecasts_of(model, windows))
    assert sum(len(batch.y_true) for batch in batches) == len(windows.splits["test"])


def test_truth_is_the_raw_observation_and_nothing_else(windows, model):
    for batch in forecasts_of(model, windows):
        rows = batch.forecast.timestamps / HOUR
        expected = np.where(rows % 17 == 0, np.nan, rows + 100 * batch.series[:, None])
        np.testing.assert_array_equal(batch.y_true[:, :, 0], expected)


def assessed(model, windows, path, names):
    intervals = calibrate(model, windows, PARAMS)
    return assess(model, windows, PARAMS, intervals, predictions=path, series_names=names)


def test_scores_are_those_of_the_written_predictions(windows, model, tmp_path):
    path = tmp_path / "predictions.parquet"
    content = evaluation_content(assessed(model, windows, path, ("a", "b")), windows, ("a", "b"))
    table = pd.read_parquet(path)
    names = ["naive", "seasonal_naive", "moving_average", "drift", "ridge"]
    bounds = ["lower_50", "upper_50", "lower_80", "upper_80"]
    contract = ["series", "origin", "step", "timestamp", "y_true", "y_pred", "target"]
    assert list(table.columns) == [*contract, *names, *bounds]
    assert list(content["baselines"]) == names
    error = (table["y_pred"] - table["y_true"]).dropna()
    assert content["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert content["mase"] == pytest.approx(error.abs().mean() / 24)
    for name in ("a", "b"):
        assert content["series"][name]["mae"] == pytest.approx(
            error[table["series"] == name].abs().mean()
        )
    assert table["y_true"].isna().any()
    assert content["n_windows"] == len(windows.splits["test"])
    assert content["residuals"][0]["p25"] == pytest.approx(np.percentile(error, 25), rel=1e-5)
    seen = table.dropna()
    inside = (seen["lower_80"] <= seen["y_true"]) & (seen["y_true"] <= seen["upper_80"])
    assert content["coverage_80"] == pytest.approx(100 * inside.mean())


def test_half_widths_come_from_validation_and_training_in_units_of_the_training_error(
    windows, model, tmp_path
):
    def size_of(part):
        """Absolute errors [windows, horizon], and the series of each window."""
        batch = windows.gather(part)
        forecast = windows.to_data_units(model.predict(batch.X), batch.series)
        rows = batch.origin_time[:, None] / HOUR + np.arange(2)
        truth = np.where(rows % 17 == 0, np.nan, rows + 100 * batch.series[:, None])
        return np.abs(forecast[:, :, 0] - truth), batch.series

    train, of_train = size_of("train")
    scale = np.array([np.nanmean(train[of_train == series]) for series in (0, 1)])
    splits = [(train, of_train), size_of("validation")]
    assessed(model, windows, tmp_path / "p", ("a", "b"))
    table = pd.read_parquet(tmp_path / "p")
    for step in (1, 2):
        widths = []
        for size, of_window in splits:
            ratio = size[:, step - 1] / scale[of_window]
            known = np.sort(ratio[np.isfinite(ratio)])
            widths.append(known[int(np.ceil((len(known) + 1) * 0.8)) - 1])
        for series, name in enumerate(("a", "b")):
            part = table[(table["step"] == step) & (table["series"] == name)]
            expected = max(widths) * scale[series]
            np.testing.assert_allclose(part["upper_80"] - part["y_pred"], expected)
            np.testing.assert_allclose(part["y_pred"] - part["lower_80"], expected)


def test_splits_are_told_with_their_first_and_last_forecast_row(windows, model, tmp_path):
    content = evaluation_content(
        assessed(model, windows, tmp_path / "p", ("a", "b")), windows, None
    )
    assert "series" not in content
    test = content["splits"][2]
    assert test["windows"] == len(windows.splits["test"])
    # The embargo of 2 rows follows the boundary at row 170.
    assert (test["first"], test["last"]) == ("1970-01-08T04:00:00Z", "1970-01-09T07:00:00Z")


def test_predictions_of_an_ensemble_hold_the_spread_of_its_members(windows, model, tmp_path):
    other = to_arrays(nnx.state(build(model.config, key=jax.random.key(9)), nnx.Param))
    stacked = {name: np.stack([value, other[name]]) for name, value in model.weights.items()}
    ensemble = SavedModel(replace(model.config, ensemble_size=2), "e", "p", stacked)
    tables = []
    for number, member in enumerate((ensemble, model, SavedModel(model.config, "o", "p", other))):
        assessed(member, windows, tmp_path / f"{number}.parquet", ("a", "b"))
        tables.append(pd.read_parquet(tmp_path / f"{number}.parquet"))
    together, one, two = tables
    expected = (one["y_pred"] - two["y_pred"]).abs() / 2
    np.testing.assert_allclose(together["ensemble_std"], expected, rtol=1e-3, atol=1e-4)
    assert "ensemble_std" not in one.columns


def test_predictions_have_equal_bytes_each_time(windows, model, tmp_path):
    for name in ("one", "two"):
        assessed(model, windows, tmp_path / name, ("a", "b"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_floor_of_the_percentage_error_sees_the_training_part_only(windows):
    train = np.arange(140)
    seen = train[train % 17 != 0]
    expected = 0.01 * np.concatenate([seen, 100 + seen]).mean()
    np.testing.assert_allclose(percentage_floor(windows), expected)


def test_series_with_scales_of_their_own_have_floors_of_their_own(windows):
    one = windows.scaler
    rows = [np.tile(each, (3, 1)) for each in (one.center, one.scale)]
    apart = replace(windows, scaler=Scaler(one.kind, *rows))
    floors = percentage_floor(apart)
    for index, (start, end) in enumerate(pairwise(windows.arrays.series_offsets)):
        train = windows.arrays.timestamps[start:end] < windows.arrays.split_instants[0]
        own = np.abs(windows.arrays.raw_target[start:end][train])
        np.testing.assert_allclose(floors[index], 0.01 * np.nanmean(own, axis=0))
    assert error_scales(apart).shape == (2, 1)
    # A series without training rows has the floor of all.
    late = windows.arrays.timestamps.copy()
    late[windows.arrays.series_offsets[1] :] += int(1e18)
    arrays = replace(windows.arrays, timestamps=late)
    assert percentage_floor(replace(apart, arrays=arrays))[:, 0] == pytest.approx(floors[0, 0])


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
        filled_target=values[:, :1],
        causal_target=values[:, :1],
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
    return make_windows(arrays, scaler, HOURLY, params)


@pytest.fixture(scope="module")
def panel_model():
    weights = to_arrays(nnx.state(build(PANEL_CONFIG, key=jax.random.key(0)), nnx.Param))
    return SavedModel(PANEL_CONFIG, "r", "p", weights)


def test_panel_scaled_per_series_is_forecast_in_the_units_of_each_series(
    panel, panel_model, tmp_path
):
    path = tmp_path / "predictions.parquet"
    assessed(panel_model, panel, path, ("small", "large"))
    table = pd.read_parquet(path)
    batch = panel.gather("test")
    scores = panel_model.predict(batch.X, batch.X_future, batch.X_static)
    for index, (name, center, scale) in enumerate(
        [("small", 110.0, 50.0), ("large", 110_000.0, 50_000.0)]
    ):
        expected = scores[batch.series == index].reshape(-1) * scale + center
        np.testing.assert_allclose(
            table.loc[table["series"] == name, "y_pred"], expected, rtol=1e-6
        )
    quantiles = panel_model.outputs(batch.X, batch.X_future, batch.X_static).quantiles[
        batch.series == 1
    ]
    large = table[table["series"] == "large"]
    np.testing.assert_allclose(
        large["lower_80"], quantiles[..., 0].reshape(-1) * 50_000.0 + 110_000.0, rtol=1e-6
    )
    np.testing.assert_allclose(
        large["upper_80"], quantiles[..., 2].reshape(-1) * 50_000.0 + 110_000.0, rtol=1e-6
    )


def test_history_of_a_panel_is_in_the_units_of_each_series(panel):
    batch = panel.gather("test")
    rows = batch.origin_time[:, None] // HOUR + np.arange(-6, 0)
    expected = (rows + rows % 24) * np.where(batch.series == 1, 1000.0, 1.0)[:, None]
    np.testing.assert_allclose(panel.history(batch)[:, :, 0], expected, rtol=1e-5)


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
        "scale": (8, 3),
    }
    series = golden["static"][:, 0] - 1
    np.testing.assert_allclose(golden["scale"], panel.scaler.scale[series])
    assert golden["static"].dtype == np.int32
    assert set(golden["static"].ravel()) == {1, 2}
    # The hour of the first row ahead follows that of the last row of the history.
    # All of it is less the center, of the hour 12.
    next_hour = (golden["history"][:, -1, 2].round() + 12 + 1) % 24
    np.testing.assert_allclose(golden["future"][:, 0, 1] + 12, next_hour, atol=1e-4)
    assert (np.diff(golden["quantiles"], axis=-1) >= 0).all()


def test_golden_forecasts_are_those_of_the_stored_inputs(panel, panel_model):
    golden = golden_arrays(panel_model, panel, 8)
    series = golden["static"][:, 0] - 1
    scale = panel.scaler.scale[series][:, None]
    X = (golden["history"] / scale).astype(np.float32)
    X_future = (golden["future"] / scale[:, :, 1:]).astype(np.float32)
    scores = panel_model.predict(X, X_future, golden["static"])
    expected = scores.reshape(8, 2, 1) * scale[:, :, :1]
    np.testing.assert_allclose(golden["forecast"], expected, rtol=1e-5, atol=1e-4)


def test_an_empty_mase_has_its_reason_and_the_pooled_one_says_what_it_covers(
    windows, model, tmp_path
):
    arrays, rows = windows.arrays, np.arange(200)
    week = np.tile([5.0, 7, 9, 4, 3, 8], 40)[:200]
    values = np.concatenate([rows + np.cos(rows), week])[:, None]
    changed = replace(
        arrays,
        raw_target=np.where(arrays.observed, values, np.nan),
        filled_target=values,
        causal_target=values,
    )
    params = PARAMS.model_copy(update={"season": 6})
    panel = replace(windows, arrays=changed)
    path = tmp_path / "predictions.parquet"
    intervals, names = calibrate(model, panel, params), ("a", "weekly")
    result = assess(model, panel, params, intervals, predictions=path, series_names=names)
    content = evaluation_content(result, panel, names)
    assert (content["mase_series"], content["scored_series"]) == (1, 2)
    assert (content["known_series"], content["scaled_per_series"]) == (2, False)
    assert content["series"]["a"]["mase_undefined"] == ""
    assert content["series"]["weekly"]["mase_undefined"].startswith("it repeats its season of 6")
    assert np.isnan(content["series"]["weekly"]["mase"])
    assert content["mase"] == pytest.approx(content["series"]["a"]["mase"])
