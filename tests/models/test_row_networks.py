import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from spline_lstm.models.build import build, structure, to_arrays
from spline_lstm.models.row_config import RowConfig, quantile_bins
from spline_lstm.models.row_layers import drop, members_mean, pieces
from spline_lstm.models.saved_rows import RowModel
from tests.models.rows import CLASSES, SIZES, TYPES, make_inputs, make_row_config


def given(inputs):
    return inputs.numbers, inputs.missing, inputs.categories


def with_values(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


@pytest.fixture(scope="module", params=TYPES)
def network(request):
    config = make_row_config(request.param)
    weights = jax.jit(lambda key: nnx.state(build(config, key=key), nnx.Param))(jax.random.key(0))
    graph, _ = structure(config)
    return jax.jit(lambda *inputs, keys=None: nnx.merge(graph, weights)(*inputs, keys=keys))


@pytest.mark.parametrize("labels", CLASSES)
@pytest.mark.parametrize("model_type", TYPES)
def test_shapes_of_outputs(model_type, labels):
    config = make_row_config(model_type, labels)
    outputs = {"regression": 1, "two": 1, "three": 3}[labels]
    assert config.outputs == outputs
    members, inputs = (4,) if model_type == "tabm" else (), given(make_inputs(5))

    def predict(key, keys=None):
        return build(config, key=key)(*inputs, keys=keys)

    key, keys = jax.random.key(0), jax.random.split(jax.random.key(1), 5)
    assert jax.eval_shape(predict, key).shape == (5, outputs)
    assert jax.eval_shape(predict, key, keys).shape == (5, *members, outputs)


@pytest.mark.parametrize("model_type", TYPES)
def test_a_config_survives_json(model_type):
    config = make_row_config(model_type)
    assert RowConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_missing_number_counts_as_such_and_its_value_does_not(network):
    numbers, missing, ids = given(make_inputs(8))
    hidden = with_values(missing, (slice(None), 1), True)
    shown = network(numbers, with_values(missing, (slice(None), 1), False), ids)
    zero, seven = (
        network(with_values(numbers, (slice(None), 1), value), hidden, ids) for value in (0.0, 7.0)
    )
    np.testing.assert_array_equal(zero, seven)
    assert np.abs(zero - shown).max() > 1e-6


@pytest.mark.parametrize("column", [0, 1])
def test_ids_out_of_range_are_unknown(network, column):
    numbers, missing, ids = given(make_inputs(8))
    outputs = [
        network(numbers, missing, with_values(ids, (slice(None), column), value))
        for value in (0, SIZES[column], -3)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_a_row_does_not_see_the_others(network):
    inputs = make_inputs(8)
    together = network(*given(inputs))
    alone = network(*given(inputs.rows(np.array([3]))))
    np.testing.assert_allclose(alone[0], together[3], rtol=1e-5, atol=1e-6)


def test_what_is_dropped_depends_on_the_key_of_the_row_alone(network):
    inputs, keys = make_inputs(8), jax.random.split(jax.random.key(1), 8)
    together = network(*given(inputs), keys=keys)
    half = network(*given(inputs.rows(np.arange(4, 8))), keys=keys[4:])
    np.testing.assert_allclose(half, together[4:], rtol=1e-5, atol=1e-6)


def test_pieces_are_the_encoding_of_the_paper():
    bins = ((0.0, 1.0, 3.0, 4.0), (-1.0, 1.0), (2.0,))
    numbers = np.array([[2.0, 0.0, 5.0], [-1.0, 3.0, 1.0], [6.0, 0.5, 2.0]], np.float32)
    expected = [
        # inside; beyond an edge the outer piece goes on; one piece is a scaling; none is always 0
        [[1.0, 0.5, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[-1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[1.0, 1.0, 3.0], [0.75, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ]
    np.testing.assert_allclose(pieces(jnp.array(numbers), bins), expected, atol=1e-6)


def test_bins_hold_equal_shares_of_the_rows_that_are_not_missing():
    numbers = np.arange(101, dtype=np.float32)[:, None]
    missing = numbers > 80
    (edges,) = quantile_bins(numbers, missing, 4)
    assert edges == (0.0, 20.0, 40.0, 60.0, 80.0)
    assert quantile_bins(np.ones((9, 1), np.float32), np.zeros((9, 1), bool), 4) == ((1.0,),)
    assert quantile_bins(numbers, numbers >= 0, 4) == ((0.0,),)


def test_members_are_averaged_as_probabilities():
    rng = np.random.default_rng(0)
    logits = 5 * rng.normal(size=(7, 4, 1)).astype(np.float32)
    mean = (1 / (1 + np.exp(-logits.astype(np.float64)))).mean(axis=1)
    found = jax.nn.sigmoid(members_mean(jnp.array(logits), "classification"))
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    logits = 5 * rng.normal(size=(7, 4, 3)).astype(np.float32)
    shares = np.exp(logits.astype(np.float64))
    mean = (shares / shares.sum(axis=-1, keepdims=True)).mean(axis=1)
    found = jax.nn.softmax(members_mean(jnp.array(logits), "classification"))
    np.testing.assert_allclose(found, mean, rtol=1e-5)


def test_dropout_keeps_the_mean_and_drops_its_share():
    keys = jax.random.split(jax.random.key(0), 50)
    dropped = np.asarray(drop(jnp.ones((50, 400)), 0.25, keys=keys))
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("labels", CLASSES)
def test_an_ensemble_predicts_the_mean_of_its_networks(labels):
    config = make_row_config("mlp", labels, ensemble_size=2)
    _, shapes = structure(config)
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(size=value.shape).astype(np.float32)
        for name, value in to_arrays(
            jax.tree.map(lambda leaf: np.zeros(leaf.shape), shapes)
        ).items()
    }
    model, inputs = RowModel(config, "", "", weights), make_inputs(1030)
    single = [
        RowModel(
            make_row_config("mlp", labels), "", "", {k: v[index] for k, v in weights.items()}
        ).predict(*given(inputs))
        for index in range(2)
    ]
    np.testing.assert_allclose(model.predict(*given(inputs)), np.mean(single, axis=0), atol=1e-6)
    with pytest.raises(ValueError, match="must have the shapes .* categories in order: d, e"):
        model.predict(inputs.numbers[:, :2], inputs.missing, inputs.categories)
