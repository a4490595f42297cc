"""What the trained network answers, for tests of its formulas and of its exported form."""

from types import SimpleNamespace

import numpy as np

from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.scaling import Scaler


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
