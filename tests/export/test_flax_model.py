"""The reference of these tests and the model that is trained are one and the same network."""

from types import SimpleNamespace

import numpy as np
import pytest
from flax import nnx

from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.build import structure
from spline_lstm.models.config import weight_shapes
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.windows.scaling import Scaler
from tests.export.oracle import (
    CONVERTED,
    MULTIVARIATE,
    OPTIONS,
    forward_all,
    make_inputs,
    make_option,
    make_spec,
)

NETWORKS = sorted(
    name for name, entry in MODEL_TYPES.items() if not entry.closed_form and not entry.rows
)


def answer_of_flax(spec, inputs):
    """Outputs of the trained model to inputs in data units, data units."""
    config, targets = spec.config, list(spec.config.target_indices)
    known = [config.features.index(name) for name in config.future_features]
    scaler = Scaler("standard", spec.center, spec.scale, power=spec.power)
    z = scaler.transform(inputs["history"].astype(np.float64)).astype(np.float32)
    future = inputs.get("future")
    if future is not None:
        future = ((future.astype(np.float64) - spec.center[known]) / spec.scale[known]).astype(
            np.float32
        )
    model = SavedModel(config, spec.run_id, spec.preprocessor_run_id, spec.weights)
    given = (z, future, inputs.get("static"))
    if config.is_combined:
        return answer_beside_linear(spec, model, inputs, given)
    shape = (len(z), config.horizon, len(targets))
    of_targets = scaler.columns(targets)
    outputs = {"forecast": of_targets.forecast(model.predict(*given).reshape(shape))}
    if config.quantiles:
        levels = np.moveaxis(model.outputs(*given).quantiles, -1, 0)
        outputs["quantiles"] = np.stack([of_targets.forecast(each) for each in levels], axis=-1)
    return outputs


def answer_beside_linear(spec, model, inputs, given):
    targets = list(spec.config.target_indices)
    scaler = Scaler("standard", spec.center, spec.scale, power=spec.power).columns(targets)
    history = inputs["history"][:, :, targets].astype(np.float64)
    windows = SimpleNamespace(X=given[0], X_future=given[1], X_static=given[2])
    rows = np.zeros(len(history), dtype=np.int64)
    outputs = data_unit_outputs(model, windows, scaler, rows, history)
    found = {"forecast": outputs.point, "quantiles": outputs.quantiles}
    return {name: value for name, value in found.items() if value is not None}


def assert_close(spec, found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = spec.unit if value.ndim == 3 else spec.unit[:, None]
        np.testing.assert_allclose(found[name] / scale, value / scale, atol=2e-5)


@pytest.mark.parametrize("normalization", ["none", "last", "revin", "robust"])
@pytest.mark.parametrize("model_type", NETWORKS)
def test_formulas_of_the_export_are_those_of_the_flax_model(model_type, normalization):
    spec = make_spec(model_type, *MULTIVARIATE, normalization)
    inputs = make_inputs(spec, 7)
    assert_close(spec, answer_of_flax(spec, inputs), forward_all(spec, **inputs))


@pytest.mark.parametrize("name", OPTIONS)
def test_formulas_of_every_option_are_those_of_the_flax_model(name):
    spec = make_option(name)
    inputs = make_inputs(spec, 9)
    assert_close(spec, answer_of_flax(spec, inputs), forward_all(spec, **inputs))


@pytest.mark.parametrize("name", CONVERTED)
@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_exported_file_answers_as_the_flax_model(forecaster, name, suffix):
    spec = make_option(name)
    inputs = make_inputs(spec, 9)
    assert_close(spec, forecaster(suffix, name).answer(inputs), answer_of_flax(spec, inputs))


@pytest.mark.parametrize("name", OPTIONS)
def test_shapes_of_the_weights_are_those_of_the_flax_model(name):
    config = make_option(name).config
    _, state = structure(config)
    assert weight_shapes(config) == {
        ".".join(map(str, path)): leaf.shape for path, leaf in nnx.to_flat_state(state)
    }


def test_every_shipped_type_can_be_exported():
    assert all(entry.exported for entry in MODEL_TYPES.values())
