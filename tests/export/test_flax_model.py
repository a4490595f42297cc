"""The reference of these tests and the model that is trained are one and the same network."""

import pytest
from flax import nnx

from spline_lstm.models.build import structure
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.models.weight_shapes import weight_shapes
from tests.export.flax_answers import answer_of_flax, assert_close
from tests.export.oracle import (
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


@pytest.mark.parametrize("name", OPTIONS)
def test_shapes_of_the_weights_are_those_of_the_flax_model(name):
    config = make_option(name).config
    _, state = structure(config)
    assert weight_shapes(config) == {
        ".".join(map(str, path)): leaf.shape for path, leaf in nnx.to_flat_state(state)
    }


def test_every_shipped_type_can_be_exported():
    assert all(entry.exported for entry in MODEL_TYPES.values())
