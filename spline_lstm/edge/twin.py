"""The network once more, in TensorFlow, as a function of raw history: what the exported files compute.

history -> levels (scaling, window normalisation) -> recurrent layers -> context -> head -> data units.
Each arrow is a function, so that another input or layer is one more function, here and in the Flax model.
"""

from collections.abc import Mapping
from typing import Any

from spline_lstm.edge.exported import INPUT, OUTPUT
from spline_lstm.edge.levels import denormalize, normalize
from spline_lstm.edge.recurrence import Layer, Tensor, layer_arrays, looped, read_layers, unrolled
from spline_lstm.edge.spec import EdgeSpec


def build_twin(tf: Any, spec: EdgeSpec, *, unroll: bool) -> Any:
    """The forecaster as a TensorFlow module.

    Parameters
    ----------
    tf : the module tensorflow
    spec : EdgeSpec
    unroll : True for TFLite, False for ONNX

    Returns
    -------
    ``tf.Module`` with the ``tf.function`` `forecast`: history [batch, lookback, F_total] to
    {"forecast": [batch, horizon, F_target]}, float32, data units
    """
    config = spec.config
    module = tf.Module()
    # Variables, because tf2onnx turns captured constants into required inputs; the module keeps them alive.
    module.weights = {name: tf.Variable(value, trainable=False) for name, value in layer_arrays(spec).items()}
    weights = dict(module.weights)

    def forecast(history: Tensor) -> dict[str, Tensor]:
        z, levels = normalize(tf, spec, history)
        layers = read_layers(tf, weights, config)
        states, last = (_unrolled if unroll else _looped)(tf, layers, z)
        context = _attend(tf, weights, states, last) if config.model_type == "attention_lstm" else last
        outputs = _dense(tf, context, weights["head.kernel"], weights["head.bias"])
        outputs = tf.reshape(outputs, [-1, config.horizon, len(config.targets)])
        return {OUTPUT: denormalize(outputs, levels)}

    signature = tf.TensorSpec([None, config.lookback, len(config.features)], tf.float32, name=INPUT)
    module.forecast = tf.function(forecast, input_signature=[signature], autograph=False)
    return module


def _looped(tf: Any, layers: list[Layer], z: Tensor) -> tuple[Tensor, Tensor]:
    """States of the top layer [batch, steps, units] and the last of them [batch, units]."""
    sequence, last = tf.transpose(z, [1, 0, 2]), None
    for layer in layers:
        sequence, last = looped(tf, layer, sequence)
    return tf.transpose(sequence, [1, 0, 2]), last


def _unrolled(tf: Any, layers: list[Layer], z: Tensor) -> tuple[Tensor, Tensor]:
    """As `_looped`; the projection of the lowest layer is one matmul over all steps."""
    lowest, *others = layers
    projected = tf.unstack(_dense(tf, z, lowest.input_kernel, lowest.bias), axis=1)
    states = unrolled(tf, lowest, projected)
    for layer in others:
        states = unrolled(tf, layer, [_dense(tf, state, layer.input_kernel, layer.bias) for state in states])
    return tf.stack(states, axis=1), states[-1]


def _attend(tf: Any, weights: Mapping[str, Tensor], states: Tensor, last: Tensor) -> Tensor:
    """Attention over all states, beside the last: [batch, 2 * units].

    Additive attention (Bahdanau et al., ICLR 2015): score_t = v . tanh(h_t K + b + h_last Q).
    """
    _, steps, units = states.shape
    keys = _dense(tf, states, weights["attention.key_kernel"], weights["attention.key_bias"])
    query = tf.expand_dims(tf.matmul(last, weights["attention.query_kernel"]), 1)
    score_kernel = tf.reshape(weights["attention.score_kernel"], [units, 1])
    scores = tf.matmul(tf.reshape(tf.tanh(keys + query), [-1, units]), score_kernel)
    shares = tf.nn.softmax(tf.reshape(scores, [-1, 1, steps]))
    context = tf.reshape(tf.matmul(shares, states), [-1, units])
    return tf.concat([context, last], axis=1)


def _dense(tf: Any, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Product with `kernel` over the last axis, always of two matrices, which both converters map to one op."""
    if len(x.shape) == 2:
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)
    flat = _dense(tf, tf.reshape(x, [-1, x.shape[-1]]), kernel, bias)
    return tf.reshape(flat, [-1, *x.shape[1:-1], kernel.shape[1]])
