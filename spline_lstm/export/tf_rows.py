"""Networks of rows in TensorFlow: raw rows in, predictions out. Exported files compute this.

::

    numbers     --pieces-> z-scores --|
            |---not equal to itself-> missing --> network of each seed --mean--> prediction
    categories  --in range?-> ids ----|

The networks are those of `spline_lstm.models`, again; in prediction only, without dropout.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from spline_lstm.export.formats import CATEGORIES, NUMBERS, PREDICTION, ROW_INPUT_TYPES
from spline_lstm.export.row_spec import RowSpec
from spline_lstm.models.config import LAYER_NORM_EPSILON
from spline_lstm.models.row_config import MOST_ONE_HOT, RowConfig, piece_arrays

Tensor = Any
Weights = Mapping[str, Tensor]


class RowTensors(NamedTuple):
    """Inputs of a network: z-scores (0 where missing), missing (bool), ids; None without any."""

    numbers: Tensor | None
    missing: Tensor | None
    ids: Tensor | None


def row_twin(tf: Any, spec: RowSpec) -> Any:
    """The model as a ``tf.Module`` with the ``tf.function`` `forecast`.

    It takes the inputs of `RowSpec.inputs` and returns a dict of the outputs of `RowSpec.outputs`.
    """
    config, module = spec.config, tf.Module()
    # Variables, because tf2onnx turns captured constants into required inputs; the module keeps
    # them alive.
    module.members = [
        {name: tf.Variable(value, trainable=False) for name, value in member.items()}
        for member in spec.members()
    ]
    members, network = [dict(member) for member in module.members], NETWORKS[config.model_type]

    def forecast(*inputs: Tensor) -> dict[str, Tensor]:
        rows = _prepared(tf, spec, dict(zip(spec.inputs, inputs, strict=True)))
        predictions = [
            network(tf, config, {k: tf.convert_to_tensor(v) for k, v in member.items()}, rows)
            for member in members
        ]
        mean = predictions[0]
        if len(predictions) > 1:
            mean = tf.add_n(predictions) * (1 / len(predictions))
        if config.kind == "regression":
            mean = mean * np.float32(config.label_scale) + np.float32(config.label_center)
        return {PREDICTION: mean}

    signature = [
        tf.TensorSpec([None, *shape], ROW_INPUT_TYPES[name], name=name)
        for name, shape in spec.inputs.items()
    ]
    module.forecast = tf.function(forecast, input_signature=signature, autograph=False)
    return module


def _prepared(tf: Any, spec: RowSpec, given: Mapping[str, Tensor]) -> RowTensors:
    numbers, missing, ids = None, None, None
    if NUMBERS in given:
        raw, pieces = given[NUMBERS], spec.pieces
        # Only NaN differs from itself.
        missing = tf.not_equal(raw, raw)
        raw = tf.where(missing, tf.zeros_like(raw), raw)
        inside = _clipped(tf, tf.expand_dims(raw, 2) - pieces.left, pieces.low, pieces.high)
        numbers = pieces.start + tf.reduce_sum(inside * pieces.slope, axis=2)
        numbers = tf.where(missing, tf.zeros_like(numbers), numbers)
    if CATEGORIES in given:
        raw, sizes = given[CATEGORIES], np.array(spec.config.category_sizes, np.int32)
        known = tf.logical_and(tf.greater_equal(raw, 0), tf.less(raw, sizes))
        ids = tf.where(known, raw, tf.zeros_like(raw))
    return RowTensors(numbers, missing, ids)


def _clipped(tf: Any, x: Tensor, low: np.ndarray, high: np.ndarray) -> Tensor:
    return tf.minimum(tf.maximum(x, low), high)


def _mlp(tf: Any, config: RowConfig, weights: Weights, rows: RowTensors) -> Tensor:
    """`spline_lstm.models.mlp`."""
    parts = []
    if rows.numbers is not None:
        missing = tf.cast(rows.missing, tf.float32)
        parts += [rows.numbers + missing * weights["missing"], missing]
    if rows.ids is not None:
        parts.append(
            _flat(tf, _vectors(tf, weights, "categories", rows.ids, config.category_sizes))
        )
    x = tf.concat(parts, axis=1)
    for index in range(config.blocks):
        x = tf.nn.relu(_dense(tf, weights, f"blocks.{index}", x))
    return _meant(tf, config, _dense(tf, weights, "head", x))


def _tabm(tf: Any, config: RowConfig, weights: Weights, rows: RowTensors) -> Tensor:
    """`spline_lstm.models.tabm`; members are adjacent rows between scaling and head."""
    x = tf.expand_dims(tf.concat(_tabm_features(tf, config, weights, rows), axis=1), 1)
    x = tf.reshape(x * weights["scaling"], [-1, weights["scaling"].shape[1]])
    for index in range(config.blocks):
        x = tf.nn.relu(_dense(tf, weights, f"blocks.{index}", x))
    x = tf.reshape(x, [-1, config.members, config.width])
    outputs = [
        tf.reduce_sum(x * weights["head_kernel"][:, :, index], axis=2)
        for index in range(config.outputs)
    ]
    members = tf.stack(outputs, axis=2) + weights["head_bias"]
    return tf.reduce_mean(_meant(tf, config, members), axis=1)


def _tabm_features(tf: Any, config: RowConfig, weights: Weights, rows: RowTensors) -> list[Tensor]:
    parts = []
    if rows.numbers is not None:
        left, inverse, low, high = piece_arrays(config.bins)
        shares = _clipped(tf, (tf.expand_dims(rows.numbers, 2) - left) * inverse, low, high)
        added = tf.reduce_sum(tf.expand_dims(shares, 3) * weights["numbers.piece_kernel"], axis=2)
        known = _number_vectors(weights, "numbers.linear", rows.numbers, tf) + added
        parts.append(_flat(tf, _or_missing(tf, weights, "numbers.linear", rows.missing, known)))
    if rows.ids is None:
        return parts
    sizes = config.category_sizes
    many = [index for index, size in enumerate(sizes) if size > MOST_ONE_HOT]
    parts += [
        tf.one_hot(rows.ids[:, index], size)
        for index, size in enumerate(sizes)
        if size <= MOST_ONE_HOT
    ]
    if many:
        ids = tf.gather(rows.ids, many, axis=1)
        vectors = _vectors(tf, weights, "vectors", ids, [sizes[index] for index in many])
        parts.append(_flat(tf, vectors))
    return parts


def _ft_transformer(tf: Any, config: RowConfig, weights: Weights, rows: RowTensors) -> Tensor:
    """`spline_lstm.models.ft_transformer`."""
    tokens = []
    if rows.numbers is not None:
        known = _number_vectors(weights, "numbers", rows.numbers, tf)
        tokens.append(_or_missing(tf, weights, "numbers", rows.missing, known))
    if rows.ids is not None:
        vectors = _vectors(tf, weights, "categories", rows.ids, config.category_sizes)
        tokens.append(vectors + weights["categories.bias"])
    # The batch has no fixed length, so nothing can be tiled along it.
    cls = tf.zeros_like(tokens[0][:, :1]) + weights["cls"]
    x = tf.concat([cls, *tokens], axis=1)
    for index in range(config.blocks):
        asking = 1 if index == config.blocks - 1 else x.shape[1]
        x = _block(tf, config, weights, f"blocks.{index}", x, asking)
    x = tf.nn.relu(_norm(tf, weights, "norm", x[:, 0]))
    return _meant(tf, config, _dense(tf, weights, "head", x))


def _block(
    tf: Any, config: RowConfig, weights: Weights, name: str, x: Tensor, asking: int
) -> Tensor:
    seen = x
    if f"{name}.attention_norm.scale" in weights:
        seen = _norm(tf, weights, f"{name}.attention_norm", x)
    x = x[:, :asking] + _attention(tf, config, weights, f"{name}.attention", seen, asking)
    hidden = _dense(tf, weights, f"{name}.hidden", _norm(tf, weights, f"{name}.norm", x))
    half = hidden.shape[-1] // 2
    gated = hidden[..., :half] * tf.nn.relu(hidden[..., half:])
    return x + _dense(tf, weights, f"{name}.out", gated)


def _attention(
    tf: Any, config: RowConfig, weights: Weights, name: str, x: Tensor, asking: int
) -> Tensor:
    units = config.width // config.heads

    def split(part: str, x: Tensor) -> Tensor:
        """[batch, heads, tokens, units]."""
        projected = _dense(tf, weights, f"{name}.{part}", x)
        shape = [-1, x.shape[1], config.heads, units]
        return tf.transpose(tf.reshape(projected, shape), [0, 2, 1, 3])

    query, key, value = split("query", x[:, :asking]), split("key", x), split("value", x)
    scores = tf.matmul(query, tf.transpose(key, [0, 1, 3, 2])) * np.float32(units**-0.5)
    learned = tf.transpose(tf.matmul(tf.nn.softmax(scores), value), [0, 2, 1, 3])
    return _dense(tf, weights, f"{name}.out", tf.reshape(learned, [-1, asking, config.width]))


def _dense(tf: Any, weights: Weights, name: str, x: Tensor) -> Tensor:
    """On the last axis; the others are one, so that it is one matrix product."""
    kernel = weights[f"{name}.kernel"]
    flat = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel) + weights[f"{name}.bias"]
    return flat if len(x.shape) == 2 else tf.reshape(flat, [-1, *x.shape[1:-1], kernel.shape[1]])


def _norm(tf: Any, weights: Weights, name: str, x: Tensor) -> Tensor:
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    scale, bias = weights[f"{name}.scale"], weights[f"{name}.bias"]
    return centred * tf.math.rsqrt(variance + LAYER_NORM_EPSILON) * scale + bias


def _number_vectors(weights: Weights, name: str, numbers: Tensor, tf: Any) -> Tensor:
    return tf.expand_dims(numbers, 2) * weights[f"{name}.kernel"] + weights[f"{name}.bias"]


def _or_missing(tf: Any, weights: Weights, name: str, missing: Tensor, known: Tensor) -> Tensor:
    share = tf.expand_dims(tf.cast(missing, tf.float32), 2)
    return known * (1.0 - share) + weights[f"{name}.missing"] * share


def _vectors(tf: Any, weights: Weights, name: str, ids: Tensor, sizes: Any) -> Tensor:
    offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int32)
    return tf.gather(weights[f"{name}.table"], ids + offsets)


def _flat(tf: Any, vectors: Tensor) -> Tensor:
    return tf.reshape(vectors, [-1, vectors.shape[1] * vectors.shape[2]])


def _meant(tf: Any, config: RowConfig, outputs: Tensor) -> Tensor:
    """Probabilities from logits; values stay as they are."""
    if config.kind == "regression":
        return outputs
    return tf.sigmoid(outputs) if config.outputs == 1 else tf.nn.softmax(outputs)


NETWORKS: dict[str, Callable[..., Tensor]] = {
    "ft_transformer": _ft_transformer,
    "mlp": _mlp,
    "tabm": _tabm,
}
