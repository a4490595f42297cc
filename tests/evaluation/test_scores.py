import json
import tracemalloc
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spline_lstm.core.artifacts import rounded
from spline_lstm.evaluation import metrics
from spline_lstm.evaluation.error_sums import merge, sum_errors
from spline_lstm.evaluation.scores import finish, rmse_by_hour, rmse_by_step, score
from spline_lstm.evaluation.verdict import verdict

N, HORIZON, TARGETS, SERIES = 60, 4, 2, 3
RANDOM = np.random.default_rng(0)
SERIES_OF = RANDOM.integers(0, SERIES, N)
Y = (
    RANDOM.normal(size=(N, HORIZON, TARGETS)) * [1.0, 20.0]
    + [5.0, 300.0]
    + 10 * SERIES_OF[:, None, None]
)
MASK = RANDOM.random(Y.shape) > 0.2
FORECASTS = {
    "model": Y + RANDOM.normal(size=Y.shape),
    "naive": Y + 3 * RANDOM.normal(size=Y.shape),
    "drift": Y + 2 * RANDOM.normal(size=Y.shape),
}
TRAINING_STD = np.array([1.5, 25.0])
EPSILON, SCALE = np.array([0.05, 3.0]), np.array([2.0, 40.0])
SEASON_SCALE = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, np.nan]])
NAMES = {"targets": ["temp", "load"], "scale": SCALE[None], "training_std": TRAINING_STD}
HOUR = RANDOM.integers(0, 3, N)[:, None] + np.arange(HORIZON)
ONE = {"epsilon": np.ones((1, 1)), "season_scale": np.ones((1, 1))}


GROUPS = {"epsilon": np.tile(EPSILON, (SERIES, 1)), "season_scale": SEASON_SCALE}


def sums_of(rows):
    parts = {name: forecast[rows] for name, forecast in FORECASTS.items()}
    return sum_errors(Y[rows], MASK[rows], parts, **GROUPS, series=SERIES_OF[rows], hour=HOUR[rows])


def content_of(forecasts=FORECASTS, **changes):
    return score(Y, MASK, forecasts, **GROUPS, series=SERIES_OF, hour=HOUR, **(NAMES | changes))


def expected_metrics(y, p, mask, season_scale, epsilon=EPSILON):
    return {
        "mae": metrics.mae(y, p, mask),
        "mse": metrics.mse(y, p, mask),
        "rmse": metrics.rmse(y, p, mask),
        "robust_mape": metrics.robust_mape(y, p, epsilon, mask),
        "smape": metrics.smape(y, p, mask),
        "mase": metrics.mase(y, p, season_scale, mask),
        "bias": metrics.bias(y, p, mask),
    }


def test_metrics_of_model_and_baselines_agree_with_the_plain_functions():
    content = content_of()
    found = {"model": content, **content["baselines"]}
    of_window = SEASON_SCALE[SERIES_OF][:, None]
    for name, forecast in FORECASTS.items():
        for key, value in expected_metrics(Y, forecast, MASK, of_window).items():
            assert found[name][key] == pytest.approx(value), (name, key)


def test_metrics_of_a_target_are_those_of_its_values_alone():
    part = content_of()["targets"]["load"]
    y, p, mask = Y[..., 1], FORECASTS["model"][..., 1], MASK[..., 1]
    expected = expected_metrics(y, p, mask, SEASON_SCALE[SERIES_OF, 1][:, None], EPSILON[1])
    assert {key: part[key] for key in expected} == pytest.approx(expected)
    assert part["r2"] == pytest.approx(metrics.r2(y, p, mask))


def test_metrics_of_a_series_are_those_of_its_windows_alone():
    part = content_of(series_names=["a", "b", "c"])["series"]["b"]
    rows = SERIES_OF == 1
    expected = expected_metrics(Y[rows], FORECASTS["model"][rows], MASK[rows], SEASON_SCALE[1])
    assert {key: part[key] for key in expected} == pytest.approx(expected)


def test_series_are_listed_only_when_they_are_named():
    assert "series" not in content_of()


def test_r2_over_targets_compares_with_the_mean_of_each_target():
    residual = np.where(MASK, FORECASTS["model"] - Y, 0.0)
    total = sum(
        np.sum((Y[..., k][MASK[..., k]] - Y[..., k][MASK[..., k]].mean()) ** 2)
        for k in range(TARGETS)
    )
    assert content_of()["r2"] == pytest.approx(1 - np.sum(residual**2) / total)


def test_z_scores_divide_each_error_by_the_scale_of_its_target():
    content = content_of()
    z = (Y / SCALE)[MASK], (FORECASTS["model"] / SCALE)[MASK]
    assert content["z_mse"] == pytest.approx(metrics.mse(*z))
    assert content["z_mae"] == pytest.approx(metrics.mae(*z))


def scaled_rmse(name, step=slice(None)):
    y, p = Y[:, step] / TRAINING_STD, FORECASTS[name][:, step] / TRAINING_STD
    return metrics.rmse(y, p, MASK[:, step])


def test_the_scaled_rmse_divides_each_error_by_the_spread_of_its_target():
    content = content_of()
    assert content["scaled_rmse"] == pytest.approx(scaled_rmse("model"))
    assert content["baselines"]["naive"]["scaled_rmse"] == pytest.approx(scaled_rmse("naive"))
    assert [row["training_std"] for row in content["targets"].values()] == TRAINING_STD.tolist()


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("target", [0, 1])
def test_the_unit_of_a_target_changes_no_verdict(target, factor):
    # The baseline is better on one target and worse on the other: pooled data units would flip.
    unit = np.where(np.arange(TARGETS) == target, factor, 1.0)
    one = np.where(np.arange(TARGETS) == 0, 0.5, 40.0)
    forecasts = FORECASTS | {"model": Y + one}
    names = NAMES | {"scale": np.ones((1, TARGETS)), "training_std": TRAINING_STD * unit}
    groups = {"epsilon": GROUPS["epsilon"] * unit, "season_scale": SEASON_SCALE * unit}
    before = content_of(forecasts, scale=np.ones((1, TARGETS)))
    scaled = {name: forecast * unit for name, forecast in forecasts.items()}
    after = score(Y * unit, MASK, scaled, **groups, series=SERIES_OF, hour=HOUR, **names)
    keys = ["skill", "best_baseline", "beats_baselines", "loses_to", "scaled_rmse"]
    assert verdict_of(after, keys) == verdict_of(before, keys)
    assert verdict(after) == verdict(before)
    for step, row in before["horizon"].items():
        assert after["horizon"][step]["skill"] == pytest.approx(row["skill"])
        assert after["horizon"][step]["best_baseline"] == row["best_baseline"]


def verdict_of(content, keys):
    return {
        key: pytest.approx(content[key]) if isinstance(content[key], float) else content[key]
        for key in keys
    }


def test_figures_of_one_target_are_in_data_units():
    y, mask = Y[..., :1], MASK[..., :1]
    forecasts = {name: forecast[..., :1] for name, forecast in FORECASTS.items()}
    one = {"targets": ["y"], "scale": np.ones((1, 1)), "training_std": np.array([7.0])}
    content = score(y, mask, forecasts, **ONE, **one)
    best = metrics.rmse(y, forecasts[content["best_baseline"]], mask)
    assert content["skill"] == pytest.approx(1 - content["rmse"] / best, rel=1e-12)
    sums = sum_errors(y, mask, forecasts, **ONE)
    assert rmse_by_step(sums, one["training_std"])["model"][0] == pytest.approx(
        metrics.rmse(y[:, 0], forecasts["model"][:, 0], mask[:, 0])
    )


def test_series_of_their_own_scale_have_their_own_floors_and_z_scores():
    scale, epsilon = 10.0 ** np.arange(6).reshape(3, 2), 3.0 ** np.arange(6).reshape(3, 2)
    names = NAMES | {"scale": scale, "series_names": ["a", "b", "c"]}
    groups = GROUPS | {"epsilon": epsilon}
    content = score(Y, MASK, FORECASTS, **groups, series=SERIES_OF, hour=HOUR, **names)
    own, floors = scale[SERIES_OF][:, None], epsilon[SERIES_OF][:, None]
    found = {"model": content, **content["baselines"]}
    for name, p in FORECASTS.items():
        z = (p - Y)[MASK] / np.broadcast_to(own, Y.shape)[MASK]
        assert found[name]["z_mse"] == pytest.approx((z**2).mean())
        assert found[name]["z_mae"] == pytest.approx(np.abs(z).mean())
        expected = metrics.robust_mape(Y, p, np.broadcast_to(floors, Y.shape), MASK)
        assert found[name]["robust_mape"] == pytest.approx(expected)
    rows, p = SERIES_OF == 1, FORECASTS["model"]
    z = ((p - Y)[rows] / scale[1])[MASK[rows]]
    assert content["series"]["b"]["z_mse"] == pytest.approx((z**2).mean())
    load = ((p - Y) / own)[..., 1][MASK[..., 1]]
    assert content["targets"]["load"]["z_mae"] == pytest.approx(np.abs(load).mean())
    for part in (content["horizon"]["1"], content["hours"]["1"]):
        assert "z_mse" not in part


def test_error_by_step_counts_from_one_and_agrees_with_the_plain_functions():
    content = content_of()
    assert list(content["horizon"]) == ["1", "2", "3", "4"]
    for step in range(HORIZON):
        y, p, mask = Y[:, step], FORECASTS["model"][:, step], MASK[:, step]
        expected = expected_metrics(y, p, mask, SEASON_SCALE[SERIES_OF])
        found = content["horizon"][str(step + 1)]
        assert {key: found[key] for key in expected} == pytest.approx(expected)
        assert found["skill"] == pytest.approx(
            1 - found["scaled_rmse"] / scaled_rmse(found["best_baseline"], step)
        )


def test_error_by_hour_counts_the_values_of_that_hour_alone():
    content = content_of()
    assert list(content["hours"]) == [str(hour) for hour in range(6)]
    for hour in range(6):
        chosen = MASK & (hour == HOUR)[..., None]
        found = content["hours"][str(hour)]
        expected = expected_metrics(Y, FORECASTS["model"], chosen, SEASON_SCALE[SERIES_OF][:, None])
        assert {key: found[key] for key in expected} == pytest.approx(expected)
        y, p = (np.where(chosen, values, 0.0) for values in (Y, FORECASTS["model"]))
        centre = y.sum(axis=(0, 1)) / chosen.sum(axis=(0, 1))
        total = np.sum((y - np.where(chosen, centre, 0.0)) ** 2)
        assert found["r2"] == pytest.approx(1 - np.sum((p - y) ** 2) / total)
        scaled = metrics.rmse(Y / TRAINING_STD, FORECASTS["naive"] / TRAINING_STD, chosen)
        assert rmse_by_hour(sums_of(slice(None)), TRAINING_STD)["naive"][hour] == pytest.approx(
            scaled
        )


def test_values_of_one_hour_have_no_part_of_hours():
    assert "hours" not in score(Y, MASK, FORECASTS, **GROUPS, series=SERIES_OF, **NAMES)


def test_rmse_by_step_covers_every_forecast():
    by_step = rmse_by_step(sums_of(slice(None)), TRAINING_STD)
    assert list(by_step) == list(FORECASTS)
    assert by_step["drift"][2] == pytest.approx(
        metrics.rmse(Y[:, 2] / TRAINING_STD, FORECASTS["drift"][:, 2] / TRAINING_STD, MASK[:, 2])
    )


def test_the_verdict_names_the_best_baseline_by_rmse():
    content = content_of()
    assert content["best_baseline"] == "drift"
    assert content["skill"] == pytest.approx(
        1 - content["scaled_rmse"] / content["baselines"]["drift"]["scaled_rmse"]
    )
    assert content["beats_baselines"] is True
    assert content["loses_to"] == []
    assert content["n_windows"] == N


def test_a_model_that_loses_or_only_draws_does_not_beat_the_baselines():
    losing = content_of(FORECASTS | {"model": FORECASTS["naive"]})
    assert losing["beats_baselines"] is False
    assert losing["skill"] < 0
    assert losing["loses_to"] == ["naive", "drift"]
    assert (
        content_of({"model": FORECASTS["drift"], "drift": FORECASTS["drift"]})["beats_baselines"]
        is False
    )


def test_a_baseline_that_is_not_a_number_is_never_the_best():
    broken = {"broken": np.full(Y.shape, np.nan)}
    assert (
        content_of({"model": FORECASTS["model"]} | broken | FORECASTS)["best_baseline"] == "drift"
    )


@settings(max_examples=30)
@given(st.lists(st.integers(0, N), max_size=6))
def test_chunks_give_what_the_whole_gives(cuts):
    bounds = [0, *sorted(cuts), N]
    chunks = [sums_of(slice(begin, end)) for begin, end in pairwise(bounds)]
    merged = finish(reduce(merge, chunks), series=["a", "b", "c"], **NAMES)
    assert rounded(merged) == rounded(content_of(series_names=["a", "b", "c"]))


def test_values_far_from_zero_keep_their_r2_over_chunks():
    y = 1e9 + np.sin(np.arange(400.0)).reshape(100, 4, 1)
    p = y + 0.1
    chunks = [
        sum_errors(y[k : k + 10], np.ones((10, 4, 1), bool), {"model": p[k : k + 10]}, **ONE)
        for k in range(0, 100, 10)
    ]
    content = finish(
        reduce(merge, chunks), targets=["y"], scale=np.ones((1, 1)), training_std=np.ones(1)
    )
    assert content["r2"] == pytest.approx(metrics.r2(y - 1e9, p - 1e9), rel=1e-6)


def test_a_constant_truth_has_no_r2():
    content = score(
        np.full((9, 2, 1), 0.1),
        np.ones((9, 2, 1), bool),
        {"model": np.full((9, 2, 1), 0.2)},
        **ONE,
        targets=["y"],
        scale=np.ones((1, 1)),
        training_std=np.ones(1),
    )
    assert np.isnan(content["r2"])


def test_truth_outside_the_mask_has_no_influence():
    hidden = np.where(MASK, Y, np.nan)
    other = score(hidden, MASK, FORECASTS, **GROUPS, series=SERIES_OF, hour=HOUR, **NAMES)
    assert other == content_of()


def test_nothing_observed_is_not_a_number_and_raises_no_warning():
    content = score(Y, np.zeros_like(MASK), FORECASTS, **GROUPS, series=SERIES_OF, **NAMES)
    assert all(np.isnan(content[key]) for key in [*metrics.NAMES, "z_mse", "z_mae", "skill"])
    assert content["beats_baselines"] is False
    assert content["best_baseline"] is None
    assert content["loses_to"] == []


def test_a_step_without_an_observed_value_has_no_best_baseline():
    mask = MASK.copy()
    mask[:, 1] = False
    content = score(Y, mask, FORECASTS, **GROUPS, series=SERIES_OF, **NAMES)
    assert content["horizon"]["2"]["best_baseline"] is None
    assert np.isnan(content["horizon"]["2"]["skill"])
    assert content["horizon"]["1"]["best_baseline"] is not None
    assert content["best_baseline"] is not None


@pytest.mark.parametrize(
    ("level", "error", "perfect"),
    # One step of float64 at 1e10 is 2e-6: errors of some units are real there.
    [(1.0, 9e-14, True), (1.0, 9e-13, False), (1e10, 4e-4, True), (1e10, 0.5, False)],
)
def test_a_baseline_that_is_off_by_the_rounding_of_float64_counts_as_perfect(level, error, perfect):
    y = np.full((9, 2, 1), level)
    content = score(
        y,
        np.ones(y.shape, bool),
        {"model": y + 3.0, "naive": y + error},
        **ONE,
        targets=["y"],
        scale=np.array([[50.0]]),
        training_std=np.array([5.0]),
    )
    assert (content["best_baseline"], content["loses_to"]) == ("naive", ["naive"])
    assert np.isnan(content["skill"]) == perfect
    assert np.isnan(content["horizon"]["1"]["skill"]) == perfect
    assert content["baselines"]["naive"]["rmse"] == pytest.approx(error, rel=1e-2)


def test_content_is_plain_and_goes_through_json():
    content = content_of(series_names=["a", "b", "c"])
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    top = [key for key, value in content.items() if not isinstance(value, dict)]
    assert top == [
        *metrics.NAMES,
        "z_mse",
        "z_mae",
        "scaled_rmse",
        "skill",
        "best_baseline",
        "beats_baselines",
        "loses_to",
        "n_windows",
    ]


def test_memory_is_bounded_by_the_chunk_and_not_by_the_number_of_windows():
    chunk = (
        np.ones((5000, 24, 1)),
        np.ones((5000, 24, 1), bool),
        {"model": np.zeros((5000, 24, 1))},
    )

    def peak(chunks):
        tracemalloc.start()
        reduce(merge, (sum_errors(*chunk, **ONE) for _ in range(chunks)))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(20) < 1.2 * peak(2)


def test_forecasts_need_a_model():
    with pytest.raises(
        ValueError, match="one forecast must be named 'model', but there are: naive"
    ):
        content_of({"naive": FORECASTS["naive"]})


def test_shapes_of_forecasts_are_checked():
    with pytest.raises(
        ValueError,
        match=r"y_pred must have the shape of y_true, \[60, 4, 2\], but has \[60, 3, 2\]",
    ):
        content_of({"model": FORECASTS["model"][:, :3]})


def test_series_outside_their_range_are_an_error():
    with pytest.raises(ValueError, match="series must lie in 0 to 1, but reach from 0 to 2"):
        sum_errors(
            Y,
            MASK,
            FORECASTS,
            epsilon=EPSILON[None],
            season_scale=SEASON_SCALE[:2],
            series=SERIES_OF,
        )


def test_epsilon_must_be_above_zero():
    with pytest.raises(ValueError, match="epsilon must be above 0"):
        sum_errors(Y, MASK, FORECASTS, epsilon=np.zeros((1, 2)), season_scale=SEASON_SCALE[:1])


def test_sums_of_different_forecasts_are_not_merged():
    other = sum_errors(Y, MASK, {"model": Y}, **GROUPS, series=SERIES_OF)
    with pytest.raises(ValueError, match="forecasts differ: model, naive, drift and model"):
        merge(sums_of(slice(None)), other)
