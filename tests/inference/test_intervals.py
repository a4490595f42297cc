import json
from dataclasses import replace
from fractions import Fraction

import jax
import numpy as np
import pandas as pd
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import EvaluateParams, load_params
from spline_lstm.evaluation.coverage import Groups, coverage_content, sum_coverage
from spline_lstm.inference.calibration import calibrate
from spline_lstm.inference.forecast import ModelInputs, forecast_windows
from spline_lstm.inference.interval_score import interval_score
from spline_lstm.inference.intervals import (
    Intervals,
    conformal_bounds,
    conformal_intervals,
    conformal_rank,
    interval_columns,
    quantile_bounds,
    quantile_pairs,
    residuals_needed,
    unbounded_note,
)
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.config import model_config
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.tables.synthetic import stores
from spline_lstm.training.loop import train
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.origins import find_origins
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import Windows, make_windows
from tests.builders import HOUR, HOURLY, ROOT, make_preprocessor, make_window_params

LEVELS = (80.0, 95.0)


@given(count=st.integers(0, 3000), level=st.integers(1, 999).map(lambda tenth: tenth / 10))
def test_rank_of_the_half_width_is_the_smallest_that_keeps_the_promise(count, level):
    rank = conformal_rank(count, level)
    share = Fraction(round(level * 10), 1000)
    # A new value is equally likely to have each of the n + 1 ranks among the residuals.
    assert Fraction(rank, count + 1) >= share
    assert Fraction(rank - 1, count + 1) < share


def test_half_widths_are_residuals_of_that_rank_for_each_step_and_target():
    rng = np.random.default_rng(3)
    residuals = rng.normal(size=(101, 3, 2)) * [1.0, 10.0]
    residuals[rng.random(residuals.shape) < 0.1] = np.nan
    made = conformal_intervals(residuals, LEVELS)
    for step in range(3):
        for target in range(2):
            size = np.abs(residuals[:, step, target])
            size = np.sort(size[np.isfinite(size)])
            assert made.count[step, target] == len(size)
            for index, level in enumerate(LEVELS):
                expected = size[int(np.ceil((len(size) + 1) * level / 100)) - 1]
                assert made.half_widths[index, step, target] == expected


def test_too_few_residuals_promise_no_finite_interval():
    made = conformal_intervals(np.arange(10.0).reshape(10, 1, 1), LEVELS)
    assert made.half_widths.ravel().tolist() == [8.0, np.inf]
    content = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert content == {
        "method": "split conformal",
        "levels": [80.0, 95.0],
        "half_widths": [[[8.0]], [[None]]],
        "n": [[10]],
        # One level in the middle of each tenth; the last needs an eleventh residual.
        "distribution": [[[float(size)]] for size in (0, 1, 2, 3, 4, 6, 7, 8, 9, 9)],
    }
    assert Intervals.from_json(content).half_widths.tolist() == made.half_widths.tolist()


def test_a_damaged_file_is_an_error_of_the_artefacts():
    with pytest.raises(ArtifactError, match="intervals.json"):
        Intervals.from_json({"method": "split conformal", "levels": [80]})


def test_bounds_lie_evenly_around_the_forecast():
    made = conformal_intervals(np.arange(1.0, 101.0).reshape(100, 1, 1), LEVELS)
    forecast = np.array([[[5.0]], [[7.0]]])
    lower, upper = conformal_bounds(forecast, made, np.array([0, 1]), np.zeros((2, 3, 1)))
    assert lower.shape == upper.shape == (2, 1, 1, 2)
    assert lower[0, 0, 0].tolist() == [5 - 81, 5 - 96]
    assert upper[0, 0, 0].tolist() == [5 + 81, 5 + 96]
    # The second window is of a series that training did not see: it gets the last scale.
    scaled = replace(made, scales=np.array([[2.0], [10.0], [3.0]]))
    lower, upper = conformal_bounds(forecast, scaled, np.array([0, -1]), np.zeros((2, 3, 1)))
    assert lower[:, 0, 0].tolist() == [[5 - 162, 5 - 192], [7 - 243, 7 - 288]]
    assert upper[:, 0, 0].tolist() == [[5 + 162, 5 + 192], [7 + 243, 7 + 288]]
    content = json.loads(json.dumps(scaled.to_json(), allow_nan=False))
    assert Intervals.from_json(content).scales.tolist() == [[2.0], [10.0], [3.0]]
    assert Intervals.from_json(made.to_json()).scales is None


def noise(scope, sizes=(1.0, 20.0, 5.0), rows=(3000, 3000, 160), volatile=0.0):
    """Windows of independent normal values around 0.

    Each series has its own standard deviation, which with `volatile` rises and falls slowly; the
    last one starts late.
    """
    rng = np.random.default_rng(4)
    values = np.concatenate(
        [
            size * rng.normal(size=count) * np.exp(volatile * np.sin(np.arange(count) / 60))
            for size, count in zip(sizes, rows, strict=True)
        ]
    )[:, None]
    scale = np.array([[size] for size in (*sizes, 12.0)])
    per_series = scope == "per_series"
    scaler = Scaler(
        "standard",
        np.zeros_like(scale) if per_series else np.zeros(1),
        scale if per_series else scale[-1],
    )
    of_row = np.repeat(np.arange(len(rows)), rows)
    scaled = scaler.transform(values, of_row).astype(np.float32)
    hour = np.concatenate([np.arange(max(rows) - count, max(rows)) for count in rows])
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.arange(len(values), dtype=np.int32)[:, None],
        valid=np.ones(len(values), dtype=bool),
        raw_target=values,
        filled_target=values,
        causal_target=values,
        observed=np.ones(values.shape, dtype=bool),
        timestamps=hour.astype(np.int64) * HOUR,
        series_offsets=np.cumsum([0, *rows]),
        static_ids=np.zeros((len(rows), 0), dtype=np.int32),
        feature_names=np.array(["y"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([1500, 2250]) * HOUR,
    )
    return make_windows(arrays, scaler, HOURLY, make_window_params(lookback=4, horizon=2))


def zeros_for(windows):
    """A network that forecasts the mean."""
    model = trained_on_nothing(windows)
    weights = {name: np.zeros_like(value) for name, value in model.weights.items()}
    return replace(model, weights=weights, config=replace(model.config, normalization="none"))


@pytest.mark.parametrize("width", ["constant", "auto", "scaled"])
@pytest.mark.parametrize("volatile", [0.0, 1.2])
def test_widths_follow_the_changes_of_volatile_series_and_of_no_others(volatile, width):
    windows = noise("per_series", volatile=volatile)
    model = zeros_for(windows)
    params = PARAMS.model_copy(update={"interval_width": width})
    intervals = calibrate(model, windows, params)
    follows = width == "scaled" or (width == "auto" and volatile > 0)
    assert (intervals.local is not None) == follows
    if volatile and follows:
        batch = windows.gather("test")
        truth, history = windows.labels(batch), windows.history(batch)
        plain = calibrate(model, windows, params.model_copy(update={"interval_width": "constant"}))
        scores = []
        for made in (intervals, plain):
            lower, upper = conformal_bounds(np.zeros_like(truth), made, batch.series, history)
            scores.append(interval_score(truth, lower[..., 1], upper[..., 1], 95.0).mean())
            assert 100 * (np.abs(truth) <= upper[..., 1]).mean() == pytest.approx(95, abs=2)
        assert scores[0] < 0.95 * scores[1]


@pytest.mark.parametrize("scope", ["global", "per_series"])
def test_calm_and_wild_series_are_covered_at_the_level(scope):
    windows = noise(scope)
    model = zeros_for(windows)
    intervals = calibrate(model, windows, PARAMS)
    # The mean size of a normal value is sqrt(2 / pi) of its standard deviation.
    np.testing.assert_allclose(
        intervals.scales[:2, 0], np.sqrt(2 / np.pi) * np.array([1.0, 20.0]), rtol=0.05
    )
    # The third series has no training window: it gets the mean of all.
    assert (
        intervals.scales[2]
        == intervals.scales[3]
        == pytest.approx(intervals.scales[:2].mean(axis=0), rel=1e-3)
    )
    batch = windows.gather("test")
    bounds = bounds_of(model, windows, batch, intervals)
    truth = windows.labels(batch)
    sums = coverage_sums(truth, bounds, batch.series, 3)
    for record in coverage_content(sums, intervals, ["y"], ["a", "b", "c"])["intervals"]:
        found = {row["series"]: row["coverage"] for row in record["series"]}
        assert [found["a"], found["b"]] == pytest.approx([float(record["interval"])] * 2, abs=3)
        assert [row["n"] for row in record["series"]] == [
            2 * int((batch.series == series).sum()) for series in range(3)
        ]


def test_series_that_became_calmer_or_noisier_are_covered_at_the_level():
    count = 12
    windows = noise("global", sizes=(1.0,) * count, rows=(3000,) * count)
    change = np.where(np.arange(count) % 2, 1.6, 1 / 1.6)
    raw = windows.arrays.raw_target.reshape(count, -1).copy()
    raw[:, 1500:] *= change[:, None]
    windows = replace(windows, arrays=replace(windows.arrays, raw_target=raw.reshape(-1, 1)))
    params = PARAMS.model_copy(update={"interval_width": "constant"})
    intervals = calibrate(zeros_for(windows), windows, params)
    unit = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(intervals.scales[:count, 0], unit * change, rtol=0.1)
    assert intervals.scales[count, 0] == pytest.approx(unit, rel=0.02)
    batch = windows.gather("test")
    size = np.abs(windows.labels(batch))[..., 0] / intervals.scales[batch.series]
    coverage = [100 * np.mean(size <= half[..., 0]) for half in intervals.half_widths]
    # Training residuals in units that moved would be a mixture, whose 95 % are 98 % here.
    assert coverage == pytest.approx([80, 95], abs=1)


@pytest.mark.parametrize("easy", [0.3, 1.5])
def test_widths_are_no_narrower_than_the_errors_of_training(easy):
    windows = noise("global")
    hours = windows.arrays.timestamps / HOUR
    raw = windows.arrays.raw_target.copy()
    raw[(hours >= 1500) & (hours < 2250)] *= easy
    windows = replace(windows, arrays=replace(windows.arrays, raw_target=raw))
    params = PARAMS.model_copy(update={"interval_width": "constant"})
    intervals = calibrate(zeros_for(windows), windows, params)

    def widths_of(split):
        batch = windows.gather(split)
        size = np.abs(windows.labels(batch))[..., 0] / intervals.scales[batch.series]
        ranks = np.ceil((len(size) + 1) * np.array([0.8, 0.95])).astype(int)
        return np.sort(size, axis=0)[ranks - 1]

    both = widths_of("train"), widths_of("validation")
    assert np.all((both[0] > both[1]) == (easy < 1.0))
    np.testing.assert_allclose(intervals.half_widths[..., 0], np.maximum(*both))


def test_quantiles_pair_up_around_the_median_and_others_stay_alone():
    assert quantile_pairs([0.05, 0.1, 0.5, 0.9, 0.99]) == [(1, 3, 80.0)]
    assert quantile_pairs([0.5]) == []
    quantiles = np.arange(5.0).reshape(1, 1, 1, 5)
    lower, upper = quantile_bounds(quantiles, [0.025, 0.1, 0.5, 0.9, 0.975])
    assert lower.ravel().tolist() == [1, 0]
    assert upper.ravel().tolist() == [3, 4]


def test_names_of_columns_come_from_the_levels():
    assert interval_columns([80.0, 99.5]) == ["lower_80", "upper_80", "lower_99.5", "upper_99.5"]


DAYS, LOOKBACK, HORIZON, WEEK = 364, 24, 6, 7 * 24


@pytest.fixture(scope="module")
def panel():
    """Windows over a year of six stores without defects, log demand.

    Weeks are assigned to the splits at random.
    """
    table = stores(n_stores=6, days=DAYS, missing=0, blocks=0, outliers=0, jitter_s=0, duplicates=0)
    rows = len(table)
    values = np.log(table["demand"].to_numpy())[:, None]
    hour = 2 * np.pi * pd.DatetimeIndex(table["timestamp"]).hour.to_numpy() / 24
    features = np.column_stack([values, np.sin(hour), np.cos(hour), table["promo"]])
    center, scale = features.mean(axis=0), features.std(axis=0)
    scaled = ((features - center) / scale).astype(np.float32)
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.repeat(np.arange(rows, dtype=np.int32)[:, None], 4, axis=1),
        valid=np.ones(rows, dtype=bool),
        raw_target=values,
        filled_target=values,
        causal_target=values,
        observed=np.ones((rows, 1), dtype=bool),
        timestamps=np.tile(np.arange(DAYS * 24, dtype=np.int64) * 3_600_000_000_000, 6),
        series_offsets=np.arange(7) * DAYS * 24,
        static_ids=np.zeros((6, 0), dtype=np.int32),
        feature_names=np.array(["y", "sin", "cos", "promo"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([0, 0], dtype=np.int64),
        future_indices=np.array([1, 2, 3], dtype=np.int32),
    )
    origins = find_origins(arrays, LOOKBACK, HORIZON, 3)
    return Windows(
        arrays,
        Scaler("standard", center, scale),
        HOURLY,
        LOOKBACK,
        HORIZON,
        origins,
        np.zeros(len(origins), dtype=np.uint8),
    )


def with_weeks(windows, seed):
    """Half of the weeks to train, the others to validation and test.

    Windows that would cross a border are left out. A week of all stores goes to one split: stores
    share the weather.
    """
    week = np.random.default_rng(seed).permutation(np.arange(DAYS // 7) % 4)
    hour = windows.arrays.timestamps[windows.origins] // 3_600_000_000_000
    first, last = (hour - LOOKBACK) // WEEK, (hour + HORIZON - 1) // WEEK
    split = np.array([0, 0, 1, 2])[week[last]].astype(np.uint8)
    kept = first == last
    return Windows(
        windows.arrays,
        windows.scaler,
        HOURLY,
        LOOKBACK,
        HORIZON,
        windows.origins[kept],
        split[kept],
    )


# Everything that the coverage of a network's own quantiles depends on: dropout makes them too wide.
NETWORK = {
    "type": "gru",
    "hidden": (24,),
    "dropout": 0.0,
    "normalization": "none",
    "segment": 6,
    "decoder": "dense",
    "channels": "mixed",
    "bidirectional": False,
    "layer_norm": False,
}
OPTIMISATION = {
    "seed": 0,
    "batch_size": 128,
    "max_epochs": 12,
    "patience": 12,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "weight_decay": 1e-4,
    "clip_norm": 1.0,
    "precision": "float32",
    "ensemble_size": 1,
}


def trained_on(windows, quantiles=()):
    """A small segment GRU, trained for a few epochs, with a point forecast or quantiles."""
    params = load_params(ROOT)
    model = params.model.model_copy(update={**NETWORK, "quantiles": quantiles})
    loss = "quantile" if quantiles else "mse"
    optimisation = params.train.model_copy(update={**OPTIMISATION, "loss": loss})
    params = params.model_copy(update={"model": model, "train": optimisation})
    config = model_config(params, windows, make_preprocessor())
    return SavedModel(config, "r", "p", train(config, windows, optimisation).best)


def trained_on_nothing(windows, **changes):
    """A network with the weights that a training starts with."""
    params = load_params(ROOT)
    config = replace(
        model_config(params, windows, make_preprocessor()),
        hidden=(3,),
        **changes,
    )
    return SavedModel(
        config, "r", "p", to_arrays(nnx.state(build(config, key=jax.random.key(0)), nnx.Param))
    )


PARAMS = EvaluateParams(season=24, moving_average=6, interval_levels=LEVELS)


def coverage_sums(truth, bounds, series, n_series):
    groups = Groups(series, n_series, np.zeros((len(truth), 1), dtype=int))
    everything = np.ones(truth.shape, dtype=bool)
    return sum_coverage(truth, everything, bounds, LEVELS, groups, np.zeros(truth.shape))


def bounds_of(model, windows, batch, intervals):
    """Lower and upper bounds of the windows of a batch."""
    series = tuple(f"series {index}" for index in batch.series)
    ahead = batch.origin_time[:, None] + HOURLY.step * np.arange(windows.horizon)
    inputs = ModelInputs(
        batch.X,
        batch.X_future,
        batch.X_static,
        ahead,
        series,
        batch.series,
        windows.history(batch),
    )
    forecast = forecast_windows(model, inputs, windows.target_scaler, intervals, windows.limits)
    assert forecast.levels == intervals.levels
    return forecast.lower, forecast.upper


def coverage_of(model, windows):
    """Coverage of the test split, percent, at each level."""
    intervals = calibrate(model, windows, PARAMS)
    batch = windows.gather("test")
    bounds = bounds_of(model, windows, batch, intervals)
    truth = windows.labels(batch)
    sums = coverage_sums(truth, bounds, batch.series, 6)
    content = coverage_content(sums, intervals, ["y"])
    return np.array([content["coverage_80"], content["coverage_95"]])


def test_conformal_intervals_cover_the_synthetic_panel_at_their_level(panel):
    windows = with_weeks(panel, seed=0)
    model = trained_on(windows)
    held_out = np.flatnonzero(windows.split != 0)
    week = windows.arrays.timestamps[windows.origins[held_out]] // (WEEK * 3_600_000_000_000)
    found = []
    # The guarantee is about random assignments of the weeks, so several are averaged.
    for seed in range(10):
        dealt = np.random.default_rng(seed).permutation(np.arange(DAYS // 7) % 2)
        split = windows.split.copy()
        split[held_out] = 1 + dealt[week]
        found.append(coverage_of(model, replace(windows, split=split)))
    assert np.abs(np.array(found) - LEVELS).max() < 2
    assert np.abs(np.mean(found, axis=0) - LEVELS).max() < 1


def test_quantile_intervals_cover_the_synthetic_panel_at_their_level(panel):
    windows = with_weeks(panel, seed=0)
    model = trained_on(windows, quantiles=(0.025, 0.1, 0.5, 0.9, 0.975))
    intervals = calibrate(model, windows, PARAMS)
    assert (intervals.method, intervals.levels) == ("quantiles", LEVELS)
    assert np.abs(coverage_of(model, windows) - LEVELS).max() < 2


def test_a_probability_has_no_intervals(panel):
    model = trained_on_nothing(with_weeks(panel, seed=0), output="probability")
    assert calibrate(model, panel, PARAMS).levels == ()


def test_quantiles_without_a_pair_leave_the_intervals_to_the_residuals(panel):
    windows = with_weeks(panel, seed=0)
    model = trained_on_nothing(windows, quantiles=(0.2, 0.5))
    assert calibrate(model, windows, PARAMS).method == "split conformal"


def test_a_level_with_too_few_residuals_has_a_note():
    residuals = np.arange(1.0, 13.0).reshape(12, 1, 1)
    assert unbounded_note(conformal_intervals(residuals, [80, 95])) == (
        "the interval of 95 % is infinite, that of 80 % is finite: it takes 19 residuals of each "
        "step in the validation split, and there are 12; take a longer one "
        "(preprocess.split.validation), or levels of at most 92 % (evaluate.interval_levels)"
    )
    assert unbounded_note(conformal_intervals(residuals, [80, 92])) == ""
    assert "80 % and 95 % is infinite: it takes 19" in unbounded_note(
        conformal_intervals(residuals[:2], [80, 95])
    )
    # The counts named are enough, and one fewer is not.
    for level in (50, 80, 92.5, 95, 99):
        needed = residuals_needed(level)
        for count in (needed, needed - 1):
            widths = conformal_intervals(np.ones((count, 1, 1)), [level]).half_widths
            assert np.isfinite(widths).all() == (count == needed)
