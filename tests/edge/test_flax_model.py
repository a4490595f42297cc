"""The reference of these tests and the model that is trained are one and the same network."""

import numpy as np
import pytest

from spline_lstm.edge.spec import GATES
from spline_lstm.models.forecaster import Model
from spline_lstm.models.registry import MODELS
from tests.edge.oracle import MULTIVARIATE, forward, make_history, make_spec


@pytest.mark.parametrize("normalization", ["none", "last", "revin"])
@pytest.mark.parametrize("model_type", sorted(MODELS))
def test_formulas_of_the_export_are_those_of_the_flax_model(model_type, normalization):
    spec = make_spec(model_type, *MULTIVARIATE, normalization)
    history = make_history(spec, 7)
    z = ((history.astype(np.float64) - spec.center) / spec.scale).astype(np.float32)
    z_forecast = Model(spec.config, spec.run_id, spec.preprocessor_run_id, spec.weights).predict(z).reshape(7, 3, 2)
    targets = list(spec.config.target_indices)
    expected = (forward(spec, history) - spec.center[targets]) / spec.scale[targets]
    np.testing.assert_allclose(z_forecast, expected, atol=1e-5)


def test_every_model_type_can_be_exported():
    assert set(MODELS) <= set(GATES)
