"""What the exported files compute, against the formulas in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.export.flax_answers import answer_of_flax, assert_close
from tests.export.oracle import (
    CONVERTED,
    MULTIVARIATE,
    OTHERS,
    PAIRS,
    UNIVARIATE,
    forward,
    forward_all,
    make_history,
    make_inputs,
    make_option,
    make_spec,
)

SUFFIXES = (".onnx", ".tflite")
TOLERANCE = 1e-5


def allowed(spec, value, scale):
    """How far an answer may be off: 1e-5 z-scores, and what an option makes of rounding errors."""
    # The few observed entries of a window may lie close together, and are divided by their spread.
    z_scores = TOLERANCE * (5 if spec.config.mask_indices else 1)
    # The inverse of a power is steep where the answer is large.
    steps = 0 if spec.power is None else 100
    return z_scores * scale + steps * np.spacing(np.abs(value).astype(np.float32))


def z_differences(spec, forecast, history):
    return np.abs(forecast(history) - forward(spec, history)) / spec.target_scale


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "arguments", [*PAIRS, *(pytest.param(other, marks=pytest.mark.slow) for other in OTHERS)]
)
def test_exported_file_agrees_with_the_formulas(forecaster, arguments, suffix):
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    assert z_differences(spec, forecast, make_history(spec, 17)).max() < TOLERANCE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("batch", [1, 17])
@pytest.mark.parametrize("name", CONVERTED)
def test_every_option_agrees_with_the_formulas(forecaster, name, batch, suffix):
    spec, inputs = make_option(name), make_inputs(make_option(name), 17)
    found = forecaster(suffix, name).answer({key: value[-batch:] for key, value in inputs.items()})
    expected = forward_all(spec, **inputs)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        scale = spec.target_scale if value.ndim == 3 else spec.target_scale[:, None]
        assert found[key].shape == (batch, *value.shape[1:])
        assert (np.abs(found[key] - value[-batch:]) <= allowed(spec, value[-batch:], scale)).all()


@pytest.mark.parametrize("name", CONVERTED)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exported_file_answers_as_the_flax_model(forecaster, name, suffix):
    # Here, and not beside the tests of the formulas: the files of this module are made once.
    spec = make_option(name)
    inputs = make_inputs(spec, 9)
    assert_close(spec, forecaster(suffix, name).answer(inputs), answer_of_flax(spec, inputs))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ids_out_of_range_stand_for_the_unknown(forecaster, suffix):
    forecast, inputs = forecaster(suffix, "covariates"), make_inputs(make_option("covariates"), 1)
    unknown = forecast.answer({**inputs, "static": np.zeros((1, 2), np.int32)})["forecast"]
    for ids in ([-1, -(2**31)], [3, 5], [2**31 - 1, 6]):
        np.testing.assert_array_equal(
            forecast(**{**inputs, "static": np.array([ids], np.int32)}), unknown
        )
    known = forecast(**{**inputs, "static": np.array([[1, 4]], np.int32)})
    assert not np.allclose(known, unknown)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_quantiles_increase(forecaster, suffix):
    spec = make_option("only quantiles")
    quantiles = forecaster(suffix, "only quantiles").answer(make_inputs(spec, 50))["quantiles"]
    assert (np.diff(quantiles, axis=-1) >= 0).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_targets_may_stand_anywhere_among_the_features(forecaster, suffix):
    arguments = ("lstm", 4, (2, 0), "revin")
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    assert z_differences(spec, forecast, make_history(spec, 9)).max() < TOLERANCE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("batch", [1, 17])
def test_batch_is_free_and_windows_do_not_touch_each_other(forecaster, suffix, batch):
    arguments = ("attention_lstm", *MULTIVARIATE, "revin")
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    history = make_history(spec, batch)
    assert forecast(history).shape == (batch, 3, 2)
    assert z_differences(spec, forecast, history).max() < TOLERANCE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("arguments", PAIRS)
def test_parity_holds_far_from_training_and_on_constant_windows(forecaster, arguments, suffix):
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    history = make_history(spec, 2)
    constant = np.repeat(history[:, :1], history.shape[1], axis=1)
    for unusual in (1000 * history, constant, 1000 * constant, np.zeros_like(history)):
        expected = forward(spec, unusual)
        # Two float32 steps of the answer, as far as it can be told, and what the gate allows.
        allowed = 2 * np.spacing(np.abs(expected).astype(np.float32)) + 1e-3 * spec.target_scale
        assert (np.abs(forecast(unusual) - expected) <= allowed).all()
    assert np.isfinite(forecast(history + 1e6)).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_constant_window_under_revin_agrees_with_the_formulas(forecaster, suffix):
    arguments = ("gru", *UNIVARIATE, "revin")
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    constant = np.full((1, 5, 1), spec.center[0] + spec.scale[0], np.float32)
    assert z_differences(spec, forecast, constant).max() < TOLERANCE


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("normalization", ["none", "revin"])
def test_high_level_costs_only_the_rounding_of_the_answer(forecaster, suffix, normalization):
    # The targets lie at 100 and at a million, the covariate at a million.
    arguments = ("lstm", 3, (0, 1), normalization, (1e2, 1e6, 1e6))
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    history = make_history(spec, 17)
    difference = np.abs(forecast(history) - forward(spec, history))
    assert difference[..., 0].max() / spec.scale[0] < TOLERANCE
    # float32 numbers lie 0.0625 apart at a million: the nearest one, or its neighbour.
    assert difference[..., 1].max() <= 0.0625


@given(shift=st.integers(-(2**18), 2**18))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "arguments", [("lstm", *UNIVARIATE, "last"), ("gru", *UNIVARIATE, "revin")]
)
def test_normalised_forecast_moves_with_the_level_of_the_window(
    forecaster, suffix, arguments, shift
):
    spec, forecast = make_spec(*arguments), forecaster(suffix, *arguments)
    # Eighths of a unit: so far from the center float32 still holds every value exactly.
    history = np.round(make_history(spec, 3) * 8).astype(np.float32) / 8
    moved = forecast(history + np.float32(shift)) - shift
    assert np.abs(moved - forecast(history)).max() / spec.scale[0] < 0.01
