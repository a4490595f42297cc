"""The network against its formulas in NumPy, option by option."""

import dataclasses
from itertools import pairwise

import jax
import numpy as np
import pytest
from flax import nnx

from spline_lstm.models.build import build, from_arrays, structure, to_arrays
from spline_lstm.models.config import CHANNEL_DIM, ModelConfig
from tests.models.test_recurrent import numpy_gru, numpy_lstm

BASE = ModelConfig(
    model_type="lstm",
    hidden=(5, 3),
    dropout=0.0,
    normalization="revin",
    lookback=8,
    horizon=4,
    features=("a", "price", "b"),
    targets=("a", "b"),
    target_indices=(0, 2),
)
COVARIATES = {"future_features": ("price", "hour"), "static_sizes": (3, 4), "static_dims": (2, 3)}
OPTIONS = {
    "lstm": {},
    "gru": {"model_type": "gru"},
    "attention": {"model_type": "attention_lstm"},
    "head_units": {"model_type": "attention_lstm", "head_units": 3, **COVARIATES},
    "segment": {"segment": 4},
    "segment_that_does_not_divide": {"segment": 3},
    "segment_decoder": {"model_type": "gru", "segment": 2, "decoder": "segments", **COVARIATES},
    "attention_segment_decoder": {
        "model_type": "attention_lstm",
        "segment": 2,
        "decoder": "segments",
    },
    "independent": {"channels": "independent", **COVARIATES},
    "bidirectional": {"model_type": "gru", "bidirectional": True, "layer_norm": True},
    "quantiles": {"quantiles": (0.1, 0.5, 0.9), "layer_norm": True, **COVARIATES},
}
X = np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)
FUTURE = np.random.default_rng(1).normal(size=(6, 4, 2)).astype(np.float32)
STATIC = np.array([[0, 1], [2, 3], [1, 0], [1, 1], [-1, 7], [2, 2]], np.int32)


def numpy_layer_norm(weights, name, x):
    centred = x - x.mean(-1, keepdims=True)
    return (
        centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weights[f"{name}.scale"]
        + weights[f"{name}.bias"]
    )


def numpy_cell(weights, name, x, initial):
    recurrent = weights[f"{name}.recurrent_kernel"]
    zero = np.zeros((x.shape[1], len(recurrent)))
    if f"{name}.recurrent_bias" in weights:
        names = ("input_kernel", "recurrent_kernel", "bias", "recurrent_bias")
        return numpy_gru(*(weights[f"{name}.{part}"] for part in names), x, initial or (zero,))
    names = ("input_kernel", "recurrent_kernel", "bias")
    return numpy_lstm(*(weights[f"{name}.{part}"] for part in names), x, initial or (zero, zero))


def numpy_layers(config, weights, steps, vector, initial=None):
    states = np.concatenate([steps, np.broadcast_to(vector, (len(steps), *vector.shape))], -1)
    finals = []
    for k in range(len(config.hidden)):
        inputs = states
        states, final = numpy_cell(weights, f"rnn.{k}", inputs, initial and initial[k])
        finals.append(final)
        if config.bidirectional:
            states = np.concatenate(
                [states, numpy_cell(weights, f"reverse.{k}", inputs[::-1], None)[0][::-1]], -1
            )
        if config.layer_norm:
            states = numpy_layer_norm(weights, f"norm.{k}", states)
    return states, finals


def numpy_attention(weights, states, query):
    keys = states @ weights["attention.key_kernel"] + weights["attention.key_bias"]
    scores = (
        np.tanh(keys + query @ weights["attention.query_kernel"])
        @ weights["attention.score_kernel"]
    )
    share = np.exp(scores) / np.exp(scores).sum(0)
    return np.concatenate([(share[..., None] * states).sum(0), query], -1)


def numpy_contexts(config, weights, x, vector, future):
    steps = x
    if config.segment > 1:
        whole = np.pad(x, [(0, 0), (-x.shape[1] % config.segment, 0), (0, 0)], mode="edge")
        flat = whole.reshape(len(x), -1, config.segment * x.shape[2])
        steps = np.maximum(flat @ weights["embedding.kernel"] + weights["embedding.bias"], 0)
    states, finals = numpy_layers(config, weights, steps.swapaxes(0, 1), vector)
    if config.decoder == "segments":
        queries = []
        for part, position in enumerate(weights["position"]):
            step = np.tile(position, (len(x), 1))
            if future is not None:
                rows = future[:, part * config.segment : (part + 1) * config.segment].reshape(
                    len(x), -1
                )
                step = step + rows @ weights["future.kernel"] + weights["future.bias"]
            queries.append(numpy_layers(config, weights, step[None], vector, finals)[0][0])
    else:
        units = config.hidden[-1]
        queries = [np.concatenate([states[-1, :, :units], states[0, :, units:]], -1)]
    if config.model_type == "attention_lstm":
        queries = [numpy_attention(weights, states, query) for query in queries]
    if config.decoder == "dense" and future is not None:
        queries = [np.concatenate([queries[0], future.reshape(len(x), -1)], -1)]
    return queries


def numpy_channel(config, weights, x, indices, vector, future):
    """[batch, horizon, targets, levels] of a network that sees `x`."""
    targets = x[:, :, indices]
    shift, spread = targets.mean(1, keepdims=True), np.sqrt(targets.var(1, keepdims=True) + 1e-5)
    x = x.copy()
    x[:, :, indices] = (targets - shift) / spread
    contexts = numpy_contexts(config, weights, x, vector, future)
    if config.head_units:
        kernel, bias = weights["last_layer.kernel"], weights["last_layer.bias"]
        contexts = [np.maximum(context @ kernel + bias, 0.0) for context in contexts]
    parts = [context @ weights["head.kernel"] + weights["head.bias"] for context in contexts]
    forecast = np.concatenate(
        [part.reshape(len(x), -1, len(indices), config.levels) for part in parts], 1
    )
    return forecast * spread[..., None] + shift[..., None]


def numpy_network(config, weights, x, future, static):
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    x, future = x.astype(np.float64), None if future is None else future.astype(np.float64)
    vector = np.zeros((len(x), 0))
    for k, size in enumerate(config.static_sizes):
        ids = np.where((static[:, k] >= 0) & (static[:, k] < size), static[:, k], 0)
        vector = np.concatenate([vector, weights[f"static.{k}.table"][ids]], -1)
    if config.channels == "mixed":
        return numpy_channel(
            config, weights, x, list(config.target_indices), vector, future
        ).reshape(len(x), -1)
    forecasts = []
    for channel, index in enumerate(config.target_indices):
        alone = x[:, :, [index, 1]]
        told_apart = np.tile(weights["channel.table"][channel], (len(x), 1))
        forecasts.append(
            numpy_channel(
                config, weights, alone, [0], np.concatenate([vector, told_apart], -1), future
            )
        )
    return np.concatenate(forecasts, 2).reshape(len(x), -1)


def inputs_of(config):
    return X, FUTURE if config.future_features else None, STATIC if config.static_sizes else None


def drawn(config, seed):
    """Weights far from zero everywhere, so that no bias or scale can be forgotten."""
    _, state = structure(config)
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: rng.normal(scale=0.5, size=leaf.shape).astype(np.float32), state
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_forecast_equals_the_formula_in_numpy(name):
    config = dataclasses.replace(BASE, **OPTIONS[name])
    graph, state = structure(config)[0], drawn(config, seed=5)
    inputs = inputs_of(config)
    forecast = jax.jit(lambda state, *inputs: nnx.merge(graph, state)(*inputs))(state, *inputs)
    assert forecast.shape == (6, config.outputs)
    np.testing.assert_allclose(
        forecast, numpy_network(config, to_arrays(state), *inputs), atol=2e-5
    )


def test_independent_channels_do_not_see_each_other():
    config = dataclasses.replace(BASE, channels="independent")
    model = build(config, key=jax.random.key(0))
    changed = X.copy()
    changed[:, :, 2] += 1.0
    before, after = (np.asarray(model(x)).reshape(6, 4, 2) for x in (X, changed))
    np.testing.assert_array_equal(before[..., 0], after[..., 0])
    assert not np.allclose(before[..., 1], after[..., 1])


def test_fresh_weights_of_two_seeds_differ():
    first, second = (
        to_arrays(nnx.state(build(BASE, key=jax.random.key(seed)), nnx.Param)) for seed in (0, 1)
    )
    assert not np.allclose(first["rnn.0.input_kernel"], second["rnn.0.input_kernel"])


def test_channel_embedding_has_its_width():
    _, state = structure(dataclasses.replace(BASE, channels="independent"))
    shapes = {".".join(map(str, path)): leaf.shape for path, leaf in nnx.to_flat_state(state)}
    assert shapes["channel.table"] == (2, CHANNEL_DIM)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((X, None, STATIC), r"X_future.*\[any, 4, 2\].*is missing"),
        ((X, FUTURE[:, :3], STATIC), r"X_future.*\[any, 4, 2\].*\[6, 3, 2\]"),
        ((X, FUTURE, STATIC[:, :1]), r"X_static.*\[any, 2\].*\[6, 1\]"),
        ((X[:, :7], FUTURE, STATIC), r"X must.*\[any, 8, 3\].*\[6, 7, 3\]"),
    ],
)
def test_a_wrong_input_is_named_with_both_shapes(inputs, message):
    config = dataclasses.replace(BASE, **COVARIATES)
    graph, state = structure(config)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda state: nnx.merge(graph, state)(*inputs), state)


def test_a_config_without_younger_options_loads_with_their_defaults():
    old = {
        key: value
        for key, value in BASE.to_json().items()
        if key not in ("segment", "decoder", "quantiles")
    }
    assert ModelConfig.from_json(old) == BASE


def test_outputs_count_steps_targets_and_levels():
    config = dataclasses.replace(BASE, quantiles=(0.1, 0.5, 0.9))
    assert (config.outputs, config.levels, config.median) == (24, 3, 1)
    assert all(low < high for low, high in pairwise(config.quantiles))


def test_a_category_enters_as_the_vector_of_its_id_in_history_and_future():
    """With the ids replaced by hand, a network without categories gives the same forecast."""
    config = ModelConfig(
        model_type="gru",
        hidden=(4,),
        dropout=0.0,
        normalization="last",
        lookback=6,
        horizon=2,
        features=("y", "kind", "z"),
        targets=("y",),
        target_indices=(0,),
        future_features=("kind",),
        categories=("kind",),
        category_sizes=(3,),
        category_dims=(2,),
    )
    network = build(config, key=jax.random.key(0))
    table = np.asarray(network.category[0].table[...])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 6, 3)).astype(np.float32)
    x[:, :, 1] = rng.integers(0, 3, (5, 6))
    future = rng.integers(0, 3, (5, 2, 1)).astype(np.float32)
    by_hand = dataclasses.replace(
        config,
        features=("y", "z", "kind_0", "kind_1"),
        future_features=("kind_0", "kind_1"),
        categories=(),
        category_sizes=(),
        category_dims=(),
    )
    plain = build(by_hand, key=jax.random.key(1))
    weights = {
        name: value
        for name, value in to_arrays(nnx.state(network, nnx.Param)).items()
        if "category" not in name
    }
    nnx.update(plain, from_arrays(nnx.state(plain, nnx.Param), weights))
    vectors = table[x[:, :, 1].astype(int)]
    expected = plain(
        np.concatenate([x[:, :, [0, 2]], vectors], axis=-1), table[future[..., 0].astype(int)]
    )
    np.testing.assert_allclose(network(x, future), expected, atol=1e-6)


def test_an_unknown_category_takes_the_unknown_token():
    config = ModelConfig(
        model_type="lstm",
        hidden=(3,),
        dropout=0.0,
        normalization="none",
        lookback=2,
        horizon=1,
        features=("y", "kind"),
        targets=("y",),
        target_indices=(0,),
        categories=("kind",),
        category_sizes=(3,),
        category_dims=(2,),
    )
    network = build(config, key=jax.random.key(0))
    x = np.ones((1, 2, 2), np.float32)
    unknown, beyond = x.copy(), x.copy()
    unknown[..., 1], beyond[..., 1] = 0, 7
    np.testing.assert_array_equal(network(unknown), network(beyond))


def test_training_reaches_the_unknown_token_of_statics_and_categories():
    config = dataclasses.replace(
        BASE,
        static_sizes=(3,),
        static_dims=(2,),
        categories=("b",),
        category_sizes=(4,),
        category_dims=(2,),
    )
    config = dataclasses.replace(config, targets=("a",), target_indices=(0,), normalization="none")
    graph, weights = nnx.split(build(config, key=jax.random.key(0)), nnx.Param)
    x = np.random.default_rng(0).normal(size=(200, 8, 3)).astype(np.float32)
    x[:, :, 2] = 2.0
    static = np.ones((200, 1), np.int32)
    keys = jax.random.split(jax.random.key(1), 200)

    def loss(weights, keys):
        return nnx.merge(graph, weights)(x, None, static, keys=keys).sum()

    with_keys, without = (to_arrays(jax.grad(loss)(weights, given)) for given in (keys, None))
    for table in ("static.0.table", "category.0.table"):
        assert np.abs(with_keys[table][0]).sum() > 0
        np.testing.assert_array_equal(without[table][0], 0)
