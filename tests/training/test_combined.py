"""A network beside a linear forecast: training, factors, stacks and the forecast in data units."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.combined import Combination, linear_scores, network_arrays
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.models.weight_shapes import weight_shapes
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.combined import Gain, ValidationForecasts
from spline_lstm.training.linear import fit_target
from spline_lstm.training.losses import Loss
from spline_lstm.training.model import train_model
from spline_lstm.training.objective import Objective, factors
from spline_lstm.training.residuals import LinearParts, fit_linear_part
from spline_lstm.windows.scaling import Scaler
from stages import backtest, benchmark, evaluate, export, report
from tests.builders import make_config, make_train_params, windows_of
from tests.training.test_linear import make_pipeline, regular_table

# Of a run, no test here looks at the pictures.
pytestmark = pytest.mark.usefixtures("no_pictures")

PARAMS = make_train_params(
    max_epochs=None, patience=None, max_steps=96, eval_steps=12, learning_rate=0.02
)
CONFIG = make_config(hidden=(6,), dropout=0.1, linear_skip="frozen")


def logistic(rows, rate=3.9):
    """A map that a line cannot forecast and a network can."""
    values = [0.3]
    for _ in range(rows - 1):
        values.append(rate * values[-1] * (1 - values[-1]))
    return np.array(values)


def noise(rows):
    """Nothing but noise: no network improves on a line."""
    return np.random.default_rng(0).normal(size=rows)


CHAOS, NOISE = windows_of(logistic(600)), windows_of(noise(400))


def forecast(windows, config, arrays, split="validation"):
    """Forecasts and truth in data units."""
    batch = windows.gather(split)
    model = SavedModel(config, "", "", arrays)
    scaler, history = windows.target_scaler, windows.history(batch)
    return data_unit_outputs(model, batch, scaler, batch.series, history), batch


def linear_forecast(windows, batch):
    return fit_target(windows, 0).predict(windows.history(batch)[:, :, 0], batch.series)


def without_effect(trained):
    """The arrays with factors of 0: evaluation 0."""
    return trained.best | factors(np.zeros(len(trained.best["factor"])))


def test_evaluation_zero_is_the_linear_forecast_to_the_last_bit():
    trained = train_model(CONFIG, CHAOS, PARAMS)
    outputs, batch = forecast(CHAOS, CONFIG, without_effect(trained))
    np.testing.assert_array_equal(outputs.point[..., 0], linear_forecast(CHAOS, batch))


def test_the_network_starts_at_zero():
    part = fit_linear_part(CHAOS, ())
    trained = train_model(CONFIG, CHAOS, PARAMS.model_copy(update={"learning_rate": 1e-12}))
    arrays = trained.last | factors(np.ones(1))
    outputs, batch = forecast(CHAOS, CONFIG, arrays)
    np.testing.assert_allclose(outputs.point[..., 0], linear_forecast(CHAOS, batch), atol=1e-6)
    assert trained.start.validation_loss == part.validation_loss


def test_residual_scale_and_losses_are_those_of_numpy():
    part = fit_linear_part(CHAOS, ())
    for split, loss in (("train", part.train_loss), ("validation", part.validation_loss)):
        batch = CHAOS.gather(split)
        missed = batch.y - linear_forecast(CHAOS, batch)
        np.testing.assert_allclose(loss, np.mean(missed**2), rtol=1e-5)
        if split == "train":
            rms = np.sqrt(np.mean(missed**2, axis=0))
            np.testing.assert_allclose(part.residual_scale[:, 0], rms, rtol=1e-5)
            np.testing.assert_allclose(part.unit, np.sqrt(np.mean(missed**2)), rtol=1e-5)


def test_equal_windows_share_a_linear_part_and_others_do_not(monkeypatch):
    fitted = []

    def fit(windows, quantiles, *, shared):
        fitted.append(windows.lookback)
        return fit_linear_part(windows, quantiles, shared=shared)

    monkeypatch.setattr("spline_lstm.training.residuals.fit_linear_part", fit)
    parts = LinearParts()
    first = parts(CHAOS, ())
    copied = replace(CHAOS.arrays, scaled=CHAOS.arrays.scaled + 1)
    assert parts(replace(CHAOS, arrays=copied), ()) is first
    params = replace(CONFIG, hidden=(3,))
    trained = [
        train_model(params, CHAOS, PARAMS.model_copy(update={"max_steps": 12}), **given)
        for given in ({}, {"fit_part": parts})
    ]
    assert fitted == [12]
    for name, array in trained[0].best.items():
        np.testing.assert_array_equal(array, trained[1].best[name])
    assert parts(CHAOS, (0.1, 0.5, 0.9)) is not first
    assert parts(NOISE, ()) is not first
    assert parts(replace(CHAOS, origins=CHAOS.origins[1:], split=CHAOS.split[1:]), ()) is not first
    assert len(fitted) == 4


def test_the_scale_has_a_floor():
    part = fit_linear_part(windows_of(np.sin(2 * np.pi * np.arange(400) / 24)), ())
    np.testing.assert_array_equal(part.residual_scale, np.float32(0.02))


@pytest.mark.parametrize("members", [1, 2])
def test_factor_is_that_of_least_squares_on_validation(members):
    config = replace(CONFIG, ensemble_size=members)
    trained = train_model(config, CHAOS, PARAMS.model_copy(update={"ensemble_size": members}))
    batch = CHAOS.gather("validation")
    linear = linear_forecast(CHAOS, batch)
    missed = batch.y - linear
    model = SavedModel(config, "", "", trained.best)
    outputs = model.predict_members(batch.X, linear=linear.astype(np.float32))
    added = outputs * trained.best["residual_scale"].reshape(-1)
    best = [np.clip((missed * f).sum() / (f * f).sum(), 0, 1) for f in added]
    np.testing.assert_allclose(trained.best["factor"], best, atol=1e-4)
    final = linear + np.mean(np.array(best)[:, None, None] * added, axis=0)
    loss = np.mean((batch.y - final) ** 2)
    np.testing.assert_allclose(trained.best_losses.validation_loss, loss, rtol=1e-4)
    point = forecast(CHAOS, config, trained.best)[0].point
    np.testing.assert_allclose(point[..., 0], final, atol=1e-4)
    assert trained.details["network"]["beyond_noise"]
    assert loss < 0.8 * trained.start.validation_loss


def test_noise_leaves_the_linear_forecast():
    trained = train_model(replace(CONFIG, stack="shrunk"), NOISE, PARAMS)
    assert trained.best_losses.validation_loss >= 0.97 * trained.start.validation_loss
    assert not trained.details["network"]["beyond_noise"]
    assert "adds nothing" in trained.details["network"]["sentence"]


@pytest.mark.parametrize(
    ("means", "loss", "factor"),
    [
        ([9.0, 2.0, 2.0, 4.0], 8.0, [0.5]),
        ([9.0, -2.0, -2.0, 4.0], 9.0, [0.0]),
        ([9.0, 8.0, 8.0, 4.0], 9.0 - 16.0 + 4.0, [1.0]),
        ([9.0, 0.0, 0.0, 0.0], 9.0, [0.0]),
    ],
)
def test_judge_by_head(means, loss, factor):
    part = replace(fit_linear_part(NOISE, ()), validation_loss=9.0)
    found, arrays = Objective.of(Loss("mse"), CONFIG, PARAMS, part).judge(means)
    assert (found, arrays["factor"].tolist()) == (loss, factor)


def test_a_network_that_is_not_finite_is_seen():
    part = fit_linear_part(NOISE, ())
    loss, _ = Objective.of(Loss("mse"), CONFIG, PARAMS, part).judge([1.0, np.nan, np.nan, np.nan])
    assert np.isnan(loss)


def test_stack_weights_sum_to_one_and_give_the_weighted_mean():
    config = replace(CONFIG, stack="shrunk", seasons=(3,))
    trained = train_model(config, CHAOS, PARAMS)
    weights = trained.best["stack.weights"]
    assert weights.shape == (1, 4)
    assert weights.min() >= 0
    assert weights.sum() == 1
    outputs, batch = forecast(CHAOS, config, trained.best)
    alone = {name: a for name, a in trained.best.items() if name != "stack.weights"}
    network = forecast(CHAOS, replace(config, stack="none"), alone)[0].point[..., 0]
    history = CHAOS.history(batch)[:, :, 0]
    members = [linear_forecast(CHAOS, batch), network, history[:, -1:], history[:, [-3, -2]]]
    expected = sum(w * member for w, member in zip(weights[0], members, strict=True))
    np.testing.assert_allclose(outputs.point[..., 0], expected, rtol=1e-12)


def test_stack_of_the_linear_forecast_alone_is_it_to_the_last_bit():
    config = replace(CONFIG, stack="shrunk")
    arrays = train_model(config, NOISE, PARAMS).best
    arrays = arrays | {"stack.weights": np.array([[1.0, 0.0, 0.0]])}
    outputs, batch = forecast(NOISE, config, arrays)
    np.testing.assert_array_equal(outputs.point[..., 0], linear_forecast(NOISE, batch))


def test_huber_of_the_residual_trains_in_its_units():
    part = fit_linear_part(CHAOS, ())
    params = PARAMS.model_copy(update={"loss": "huber", "huber_delta": "residual"})
    loss = Objective.of(Loss("huber"), CONFIG, params, part).loss
    assert (loss.delta, loss.unit) == (part.unit, part.unit)
    error = np.array([[0.5], [3.0]]) * part.unit
    found = loss(error[..., None], np.zeros((2, 1))) * loss.gradient_factor
    np.testing.assert_allclose(found[:, 0], [0.125, 2.5], rtol=1e-5)
    trained = train_model(CONFIG, CHAOS, params)
    assert trained.best_losses.validation_loss < part.validation_loss


def test_trained_corrects_the_linear_forecast_slowly():
    config = replace(CONFIG, linear_skip="trained")
    trained = train_model(config, CHAOS, PARAMS)
    correction = trained.last["correction.kernel"]
    assert correction.shape == (1, 12, 2)
    largest = 0.03 * PARAMS.learning_rate * PARAMS.max_steps
    assert 0 < np.abs(correction).max() <= 1.1 * largest


def test_a_network_beside_the_linear_part_forecasts_by_itself():
    """Its shape is that of a network alone, and so is its forecast with the same weights."""
    alone, config = (replace(CONFIG, linear_skip=skip) for skip in ("none", "beside"))
    trained = train_model(replace(config, stack="shrunk"), CHAOS, PARAMS)
    assert (trained.best["residual_scale"] == 1).all()
    batch = CHAOS.gather("validation")
    combination = Combination.of(trained.best, config)
    linear = combination.linear(CHAOS.history(batch), batch.series)
    scores = linear_scores(linear, CHAOS.target_scaler, batch.series)
    factor = float(trained.best["factor"][0])
    assert 0 < factor <= 1
    added = SavedModel(config, "", "", trained.best).outputs(batch.X, linear=scores).point
    own = SavedModel(alone, "", "", network_arrays(trained.best)).outputs(batch.X).point
    np.testing.assert_allclose(added, factor * (own - scores.reshape(own.shape)), atol=1e-5)
    # The first step is that of the network alone, up to the unit of its loss.
    once = PARAMS.model_copy(update={"max_steps": 1, "eval_steps": 1, "gradient_clip": None})
    first, same = (train_model(each, CHAOS, once).last for each in (config, alone))
    np.testing.assert_allclose(first["head.kernel"], same["head.kernel"], atol=1e-4)


def test_quantiles_join_a_skip_but_not_a_stack():
    config = replace(CONFIG, quantiles=(0.1, 0.5, 0.9))
    params = PARAMS.model_copy(update={"loss": "quantile"})
    trained = train_model(config, CHAOS, params)
    assert trained.best["factor"].tolist() in ([0.0], [1.0])
    outputs, _ = forecast(CHAOS, config, trained.best)
    assert (np.diff(outputs.quantiles, axis=-1) >= 0).all()
    assert trained.best_losses.validation_loss < trained.start.validation_loss


def test_a_killed_training_resumes_to_the_same_bytes(tmp_path):
    config = replace(
        CONFIG, linear_skip="trained", seasonal_skip=True, seasons=(3,), stack="shrunk"
    )
    whole = train_model(config, CHAOS, PARAMS)

    def stop(evaluation):
        if evaluation.step == 24:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path, "id")
    with pytest.raises(KeyboardInterrupt):
        train_model(config, CHAOS, PARAMS, stop, checkpoint)
    resumed = train_model(config, CHAOS, PARAMS, checkpoint=checkpoint)
    for one, other in ((whole.best, resumed.best), (whole.last, resumed.last)):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert resumed.history == whole.history


def test_network_lookback_hides_earlier_rows_from_the_network():
    config = replace(CONFIG, network_lookback=4, linear_skip="none")
    trained = train_model(config, CHAOS, PARAMS)
    model, x = SavedModel(config, "", "", trained.best), CHAOS.gather("validation").X
    changed = x.copy()
    changed[:, :8] += 1.0
    np.testing.assert_array_equal(model.predict(x), model.predict(changed))
    changed[:, 8:] += np.linspace(0, 1, 4)[:, None]
    assert not np.allclose(model.predict(x), model.predict(changed))


def test_seasonal_values_and_the_linear_forecast_reach_the_head():
    config = replace(CONFIG, seasonal_skip=True, seasons=(10,), network_lookback=4)
    trained = train_model(config, CHAOS, PARAMS)
    model, batch = SavedModel(config, "", "", trained.best), CHAOS.gather("validation")
    linear = np.zeros((len(batch.X), 2), np.float32)
    first = model.predict_members(batch.X, linear=linear)
    x = batch.X.copy()
    x[:, 2:4] += 0.5
    assert not np.allclose(model.predict_members(x, linear=linear), first)
    x = batch.X.copy()
    x[:, :2] += 0.5
    x[:, 4:8] += 0.5
    np.testing.assert_array_equal(model.predict_members(x, linear=linear), first)
    assert not np.allclose(model.predict_members(batch.X, linear=linear + 0.5), first)


def test_independent_channels_read_the_linear_forecast_of_their_target():
    config = replace(
        CONFIG,
        features=("a", "b"),
        targets=("a", "b"),
        target_indices=(0, 1),
        channels="independent",
        seasonal_skip=True,
    )
    rng = np.random.default_rng(0)
    arrays = {k: rng.normal(size=s).astype(np.float32) for k, s in weight_shapes(config).items()}
    model, x = SavedModel(config, "", "", arrays), rng.normal(size=(3, 12, 2))
    linear = rng.normal(size=(3, 4))
    changed = linear.copy()
    changed[:, [1, 3]] += 1.0
    first = model.predict_members(x, linear=linear).reshape(3, 2, 2)
    second = model.predict_members(x, linear=changed).reshape(3, 2, 2)
    np.testing.assert_array_equal(first[..., 0], second[..., 0])
    assert not np.allclose(first[..., 1], second[..., 1])


def test_data_units_do_not_change_the_network():
    windows = replace(CHAOS, scaler=Scaler("standard", np.zeros(1), np.ones(1)))
    trained = train_model(CONFIG, windows, PARAMS)
    assert all(
        np.array_equal(trained.best[name], value)
        for name, value in train_model(CONFIG, CHAOS, PARAMS).best.items()
    )


def test_combination_is_stored_and_read():
    trained = train_model(CONFIG, CHAOS, PARAMS)
    combination = Combination.of(trained.best, CONFIG)
    arrays = network_arrays(trained.best) | combination.arrays()
    assert arrays.keys() == trained.best.keys()
    assert all(np.array_equal(arrays[name], trained.best[name]) for name in arrays)
    json.dumps(trained.details)


def test_a_combined_model_has_no_forecast_in_z_scores():
    trained = train_model(CONFIG, CHAOS, PARAMS)
    with pytest.raises(ValueError, match="Forecaster"):
        SavedModel(CONFIG, "", "", trained.best).predict(CHAOS.gather("validation").X)


@pytest.mark.slow
@pytest.mark.usefixtures("jobs_in_this_process")
def test_a_panel_goes_through_every_stage_and_the_gate(tmp_path):
    folder = make_pipeline(
        tmp_path / "p",
        regular_table(),
        **{
            "preprocess.scaler_scope": "per_series",
            "model.type": "gru",
            "model.hidden": [4],
            "model.network_lookback": 8,
            "model.linear_skip": "trained",
            "model.seasonal_skip": True,
            "model.stack": "shrunk",
            "train.loss": "huber",
            "train.huber_delta": "residual",
            "train.ensemble_size": 2,
            "train.max_epochs": 1,
        },
    )
    for stage in (evaluate, backtest, export, benchmark, report):
        stage.main(folder)
    assert json.loads((folder / "metrics/latency.json").read_text())["passed"]
    trained = json.loads((folder / "metrics/train.json").read_text())
    sentence = trained["network"]["sentence"]
    assert sentence[1:] in (folder / "plots/report.md").read_text()
    assert {item["member"] for item in trained["stack"]} == {
        "linear",
        "linear + network",
        "naive",
        "seasonal naive 24",
    }


def test_what_naive_forecasts_of_a_stack_gain_is_not_the_networks():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(40, 3, 1))
    linear, naive = truth + 1.0, truth - 1.0
    network = truth + rng.normal(size=truth.shape) / 10

    def gain(added, weights):
        forecasts = np.stack([linear, added, naive])
        names = ("linear", "linear + network", "naive")
        judged = ValidationForecasts(names, forecasts, truth, np.arange(40), weights)
        return judged.gain(3)

    # The mean of linear and naive is the truth itself.
    half = np.array([[0.5, 0.0, 0.5]])
    assert gain(network, half).share == gain(linear, np.array([[0.2, 0.3, 0.5]])).share == 0.0
    without = 0.5 * linear + 0.25 * naive
    missed = [((f - truth) ** 2).mean() for f in (without, 0.5 * network + 0.25 * naive)]
    found = gain(network, np.array([[0.0, 0.5, 0.25]])).share
    assert found == pytest.approx(1 - missed[1] / missed[0])
    assert gain(network, None).share == pytest.approx(1 - ((network - truth) ** 2).mean())


@pytest.mark.parametrize(
    ("share", "error", "beyond", "words"),
    [
        (0.1, 0.02, True, "improves on the linear forecast"),
        (0.05, 0.02, True, "improves on the linear forecast"),
        (0.03, 0.02, False, "adds nothing beyond noise"),
        (0.01, 0.02, False, "adds nothing beyond noise"),
        (0.0, 0.0, False, "adds nothing to the linear"),
        (8.8e-5, 8.5e-5, False, "(-0.0088 % +- 0.0085 % of the squared error)"),
        (-0.1, 0.02, False, "adds nothing beyond noise"),
    ],
)
def test_gain_in_words(share, error, beyond, words):
    gain = Gain(share, error)
    assert gain.is_beyond_noise == beyond
    assert words in gain.sentence


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model.stack": "shrunk"}, "linear_skip"),
        ({"model.network_lookback": 100_000}, "at most window.lookback"),
        ({"model.seasonal_skip": True, "model.decoder": "segments"}, "decoder dense"),
        ({"train.huber_delta": 0.5}, "needs train.loss huber"),
        ({"train.loss": "huber", "train.huber_delta": "residual"}, "needs a model.linear_skip"),
        (
            {
                "model.linear_skip": "frozen",
                "train.loss": "bce",
                "model.normalization": "none",
                "preprocess.scaler": "none",
            },
            "bce needs labels 0 and 1: set model.linear_skip to none",
        ),
        (
            {
                "model.linear_skip": "frozen",
                "model.stack": "shrunk",
                "model.quantiles": [0.1, 0.5, 0.9],
                "train.loss": "quantile",
            },
            "point forecasts",
        ),
    ],
)
def test_settings_that_do_not_go_together(values, message):
    with pytest.raises(ParamsError, match=message):
        with_values(Params(), values, "here")
