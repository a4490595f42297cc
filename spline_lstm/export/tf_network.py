"""One member of the model in TensorFlow: `spline_lstm.models.network` again, option by option.

Arrays are [steps, batch, width] between the input and the contexts; `segments` counts the segments
of the horizon, 1 with a dense decoder. The batch axis has no fixed length, so nothing can be tiled
along it: constants are broadcast over it by adding them to zeros.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spline_lstm.export.tf_recurrence import (
    State,
    Tensor,
    advance,
    dense,
    looped,
    read_layers,
    unrolled,
)
from spline_lstm.models.config import LAYER_NORM_EPSILON, UNSEEN_PENALTY, ModelConfig
from spline_lstm.models.types import MODEL_TYPES

Weights = Mapping[str, Tensor]


def network(
    tf: Any,
    config: ModelConfig,
    weights: Weights,
    z: Tensor,
    future: Tensor | None,
    static: Tensor | None,
    skips: Tensor | None = None,
    *,
    unroll: bool,
) -> Tensor:
    """Outputs of one network, before the window normalisation is undone.

    Parameters
    ----------
    tf : the module tensorflow
    config : ModelConfig
    weights : name -> tensor, made from `tf_recurrence.prepared`
    z : [batch, rows read, F_total], normalised
    future : [batch, horizon, F_future], z-scores; None without future features
    static : [batch, n_static] int32; None without static covariates
    skips : [batch, width], with independent channels [batch * F_target, width], of
        `tf_combined.head_inputs`; None without a seasonal skip
    unroll : True for TFLite, False for ONNX

    Returns
    -------
    [batch, horizon, F_target, levels]
    """
    observed = tf.gather(z, config.mask_indices, axis=2) if config.mask_indices else None
    vector = None if static is None else _static_vector(tf, config, weights, static)
    z = _embedded(tf, config, weights, z, config.features)
    future = (
        None if future is None else _embedded(tf, config, weights, future, config.future_features)
    )
    if config.channels == "independent":
        z, future, vector = _split_channels(tf, config, weights, z, future, vector)
    states, finals = _encode(tf, config, weights, _steps(tf, config, weights, z), vector, unroll)
    if config.decoder == "segments":
        queries = _decode(tf, config, weights, finals, vector, future)
    else:
        queries = _last(tf, config, states)
    contexts = tf.transpose(queries, [1, 0, 2])
    if MODEL_TYPES[config.model_type].attention:
        seen = None if observed is None else _seen(tf, config, observed)
        contexts = _attend(tf, weights, tf.transpose(states, [1, 0, 2]), contexts, seen)
    if future is not None and config.decoder == "dense":
        contexts = tf.concat(
            [contexts, tf.reshape(future, [-1, 1, future.shape[1] * future.shape[2]])], axis=2
        )
    if skips is not None:
        seen = tf.concat([contexts, tf.expand_dims(skips, 1)], axis=2)
        hidden = dense(tf, seen, weights["skips.kernel"], weights["skips.bias"])
        contexts = tf.concat([contexts, _gelu(tf, hidden)], axis=2)
    if config.head_units:
        hidden = dense(tf, contexts, weights["last_layer.kernel"], weights["last_layer.bias"])
        contexts = tf.nn.relu(hidden)
    outputs = dense(tf, contexts, weights["head.kernel"], weights["head.bias"])
    if config.channels == "independent":
        return _join_channels(tf, config, outputs)
    return tf.reshape(outputs, [-1, config.horizon, len(config.targets), config.levels])


def _gelu(tf: Any, x: Tensor) -> Tensor:
    """The approximation by tanh, as `jax.nn.gelu`, in operators that every converter has."""
    cubed = x * x * x
    return 0.5 * x * (1.0 + tf.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + 0.044715 * cubed)))


def _static_vector(tf: Any, config: ModelConfig, weights: Weights, static: Tensor) -> Tensor:
    """Concatenated embeddings of the ids [batch, dims]."""
    sizes = enumerate(config.static_sizes)
    return tf.concat(
        [_looked_up(tf, weights[f"static.{i}.table"], static[:, i], size) for i, size in sizes],
        axis=1,
    )


def _embedded(
    tf: Any, config: ModelConfig, weights: Weights, values: Tensor, names: tuple[str, ...]
) -> Tensor:
    """Category ids [batch, rows, names] as vectors, appended to the other features."""
    present = [
        (index, names.index(name)) for index, name in enumerate(config.categories) if name in names
    ]
    if not present:
        return values
    others = [position for position, name in enumerate(names) if name not in config.categories]
    vectors = [
        _looked_up(
            tf,
            weights[f"category.{index}.table"],
            tf.cast(values[:, :, position], tf.int32),
            config.category_sizes[index],
        )
        for index, position in present
    ]
    return tf.concat([tf.gather(values, others, axis=2), *vectors] if others else vectors, axis=2)


def _looked_up(tf: Any, table: Tensor, ids: Tensor, size: int) -> Tensor:
    """Rows of a table from `tf_recurrence.prepared`; ids out of range get the unknown token."""
    return tf.gather(table, tf.clip_by_value(ids, -1, size) + 1)


def _split_channels(
    tf: Any,
    config: ModelConfig,
    weights: Weights,
    z: Tensor,
    future: Tensor | None,
    vector: Tensor | None,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Move the targets of a window into the batch axis, each with the non-target features."""
    channels, lookback = len(config.targets), config.rows_read
    others = np.setdiff1d(np.arange(z.shape[2]), config.target_indices)
    targets = tf.expand_dims(
        tf.transpose(tf.gather(z, config.target_indices, axis=2), [0, 2, 1]), 3
    )
    inputs = [targets]
    if len(others):
        inputs.append(tf.tile(tf.expand_dims(tf.gather(z, others, axis=2), 1), [1, channels, 1, 1]))
    identity = tf.zeros_like(z[:, :1, :1]) + tf.expand_dims(weights["channel.table"], 0)
    if vector is not None:
        identity = tf.concat(
            [tf.tile(tf.expand_dims(vector, 1), [1, channels, 1]), identity], axis=2
        )
    if future is not None:
        rows, width = future.shape[1:]
        future = tf.reshape(
            tf.tile(tf.expand_dims(future, 1), [1, channels, 1, 1]), [-1, rows, width]
        )
    z = tf.reshape(tf.concat(inputs, axis=3), [-1, lookback, 1 + len(others)])
    return z, future, tf.reshape(identity, [-1, identity.shape[2]])


def _join_channels(tf: Any, config: ModelConfig, outputs: Tensor) -> Tensor:
    outputs = tf.reshape(outputs, [-1, len(config.targets), config.horizon, config.levels])
    return tf.transpose(outputs, [0, 2, 1, 3])


def _steps(tf: Any, config: ModelConfig, weights: Weights, z: Tensor) -> Tensor:
    """Rows, or embedded segments of rows: [steps, batch, width]."""
    if config.segment > 1:
        z = _filled_up(tf, config, z)
        z = tf.reshape(z, [-1, z.shape[1] // config.segment, config.segment * z.shape[2]])
        z = tf.nn.relu(dense(tf, z, weights["embedding.kernel"], weights["embedding.bias"]))
    return tf.transpose(z, [1, 0, 2])


def _filled_up(tf: Any, config: ModelConfig, z: Tensor) -> Tensor:
    """Whole segments of rows: the oldest row is repeated to fill the first one."""
    spare = -config.rows_read % config.segment
    return tf.concat([*[z[:, :1]] * spare, z], axis=1) if spare else z


def _seen(tf: Any, config: ModelConfig, observed: Tensor) -> Tensor:
    """1 for a step, a row or a segment, in which a target was observed, else 0: [batch, steps]."""
    if config.channels == "independent":
        observed = tf.reshape(tf.transpose(observed, [0, 2, 1]), [-1, config.rows_read, 1])
    rows = _filled_up(tf, config, observed)
    steps = rows.shape[1] // config.segment
    return tf.reduce_max(tf.reshape(rows, [-1, steps, config.segment * rows.shape[2]]), axis=2)


def _encode(
    tf: Any,
    config: ModelConfig,
    weights: Weights,
    steps: Tensor,
    vector: Tensor | None,
    unroll: bool,
) -> tuple[Tensor, list[State]]:
    """States of the top layer, and the final state of each layer.

    Only the last state of the top layer is returned if nothing else is needed.
    """
    run = unrolled if unroll else looped
    only_last = not (MODEL_TYPES[config.model_type].attention or config.bidirectional)
    layers = read_layers(weights, config)
    backward = read_layers(weights, config, "reverse") if config.bidirectional else []
    states, finals = _with_vector(tf, steps, vector), []
    for index, layer in enumerate(layers):
        inputs = states
        states, final = run(tf, layer, inputs)
        finals.append(final)
        if config.bidirectional:
            reverse, _ = run(tf, backward[index], _reversed(tf, inputs))
            states = tf.concat([states, _reversed(tf, reverse)], axis=2)
        elif only_last and index == len(layers) - 1:
            states = tf.expand_dims(final[0], 0)
        states = _layer_norm(tf, config, weights, index, states)
    return states, finals


def _decode(
    tf: Any,
    config: ModelConfig,
    weights: Weights,
    finals: list[State],
    vector: Tensor | None,
    future: Tensor | None,
) -> Tensor:
    """One step of the cells per segment of the horizon, each from the final states.

    Returns
    -------
    [segments, batch, units]
    """
    position = tf.expand_dims(weights["position"], 1)
    segments = config.horizon // config.segment
    if future is None:
        steps = position + tf.expand_dims(tf.zeros_like(finals[0][0][:, :1]), 0)
    else:
        rows = tf.reshape(future, [-1, segments, config.segment * future.shape[2]])
        steps = position + tf.transpose(
            dense(tf, rows, weights["future.kernel"], weights["future.bias"]), [1, 0, 2]
        )
    states = _with_vector(tf, steps, vector)
    for index, layer in enumerate(read_layers(weights, config)):
        gates = dense(tf, states, layer.input_kernel, layer.bias)
        states = _layer_norm(
            tf, config, weights, index, advance(tf, layer, gates, finals[index])[0]
        )
    return states


def _last(tf: Any, config: ModelConfig, states: Tensor) -> Tensor:
    """State after the last row read [1, batch, units]; reverse cells read the first row last."""
    if not config.bidirectional:
        return states if states.shape[0] == 1 else states[-1:]
    units = config.hidden[-1]
    return tf.concat([states[-1:, :, :units], states[:1, :, units:]], axis=2)


def _attend(
    tf: Any, weights: Weights, states: Tensor, queries: Tensor, seen: Tensor | None
) -> Tensor:
    """Attention over all states, concatenated with the queries: [batch, segments, 2 * units].

    Additive attention (Bahdanau et al., ICLR 2015): score_t = v . tanh(h_t K + b + query Q).

    Parameters
    ----------
    states : [batch, steps, units]
    queries : [batch, segments, units]
    seen : [batch, steps] 0 for a step that counts only if all are so; None: all count
    """
    (_, steps, units), segments = states.shape, queries.shape[1]
    keys = dense(tf, states, weights["attention.key_kernel"], weights["attention.key_bias"])
    asked = tf.matmul(tf.reshape(queries, [-1, units]), weights["attention.query_kernel"])
    summed = tf.expand_dims(keys, 1) + tf.reshape(asked, [-1, segments, 1, units])
    score_kernel = tf.reshape(weights["attention.score_kernel"], [units, 1])
    scores = tf.matmul(tf.reshape(tf.tanh(summed), [-1, units]), score_kernel)
    scores = tf.reshape(scores, [-1, segments, steps])
    if seen is not None:
        scores = scores - tf.expand_dims((1.0 - seen) * np.float32(UNSEEN_PENALTY), 1)
    attention = tf.nn.softmax(scores)
    return tf.concat([tf.matmul(attention, states), queries], axis=2)


def _layer_norm(
    tf: Any, config: ModelConfig, weights: Weights, index: int, states: Tensor
) -> Tensor:
    if not config.layer_norm:
        return states
    centered = states - tf.reduce_mean(states, axis=2, keepdims=True)
    variance = tf.reduce_mean(centered * centered, axis=2, keepdims=True)
    return (
        centered * tf.math.rsqrt(variance + LAYER_NORM_EPSILON) * weights[f"norm.{index}.scale"]
        + weights[f"norm.{index}.bias"]
    )


def _with_vector(tf: Any, steps: Tensor, vector: Tensor | None) -> Tensor:
    """Append `vector` [batch, dims] to each step."""
    if vector is None:
        return steps
    return tf.concat([steps, tf.tile(tf.expand_dims(vector, 0), [steps.shape[0], 1, 1])], axis=2)


def _reversed(tf: Any, sequence: Tensor) -> Tensor:
    return tf.gather(sequence, np.arange(sequence.shape[0])[::-1].copy(), axis=0)
