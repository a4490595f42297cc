"""Recurrent layers in TensorFlow, in the two forms that converters understand.

``looped``: a ``while_loop`` over a TensorArray, written exactly as tf2onnx's matcher expects a Keras layer,
so that each layer becomes one native ONNX LSTM or GRU node.
``unrolled``: one copy of the step per row of the lookback, free of loops and of state between calls, for
TFLite (its loops refuse a dynamic batch, its fused LSTM keeps the state of the former call).

Every function takes the module ``tf`` first: it is imported late (`tensorflow_import`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.edge.spec import EdgeSpec
from spline_lstm.models.config import ModelConfig

# Tensors and variables of TensorFlow, whose import is too slow for annotations.
Tensor = Any


@dataclass(frozen=True)
class Layer:
    """Variables of one recurrent layer.

    Attributes
    ----------
    is_gru : bool
    input_kernel : [inputs, blocks * units]; blocks i, f, g, o of an LSTM, z, r, n of a GRU
    recurrent_kernel : [units, blocks * units]
    bias : [blocks * units]
    recurrent_bias : [blocks * units] of a GRU (zero in the blocks z and r), None of an LSTM
    """

    is_gru: bool
    input_kernel: Tensor
    recurrent_kernel: Tensor
    bias: Tensor
    recurrent_bias: Tensor = None

    @property
    def units(self) -> int:
        """Width of the hidden state."""
        return self.recurrent_kernel.shape[0]


def layer_arrays(spec: EdgeSpec) -> dict[str, np.ndarray]:
    """All weights by name; the gates of a GRU in the order of Keras and ONNX, z, r, n instead of r, z, n."""
    arrays = dict(spec.weights)
    if spec.config.model_type == "gru":
        for name, value in spec.weights.items():
            if name.endswith(".recurrent_bias"):
                zero = np.zeros_like(value)
                arrays[name] = np.concatenate([zero, zero, value])
            elif name.startswith("rnn."):
                arrays[name] = _z_r_n(value)
    return arrays


def read_layers(tf: Any, weights: Mapping[str, Tensor], config: ModelConfig) -> list[Layer]:
    """Layers, bottom to top, out of the variables made of `layer_arrays`."""
    # Read before the loop: tf2onnx finds the weights of a GRU only as inputs of the loop.
    tensors = {name: tf.convert_to_tensor(value) for name, value in weights.items()}
    return [_layer(tensors, f"rnn.{index}", config.model_type == "gru") for index in range(len(config.hidden))]


def _layer(tensors: Mapping[str, Tensor], prefix: str, is_gru: bool) -> Layer:
    return Layer(
        is_gru=is_gru,
        input_kernel=tensors[f"{prefix}.input_kernel"],
        recurrent_kernel=tensors[f"{prefix}.recurrent_kernel"],
        bias=tensors[f"{prefix}.bias"],
        recurrent_bias=tensors[f"{prefix}.recurrent_bias"] if is_gru else None,
    )


def _z_r_n(weight: Float[np.ndarray, "... blocks"]) -> Float[np.ndarray, "... blocks"]:
    r, z, n = np.split(weight, 3, axis=-1)
    return np.ascontiguousarray(np.concatenate([z, r, n], axis=-1))


def looped(tf: Any, layer: Layer, sequence: Tensor) -> tuple[Tensor, Tensor]:
    """A layer as a loop.

    Parameters
    ----------
    sequence : [steps, batch, inputs]

    Returns
    -------
    states : [steps, batch, units]
    last : [batch, units]
    """
    steps = sequence.shape[0]
    zero = tf.zeros([tf.shape(sequence)[1], layer.units])
    inputs = tf.TensorArray(tf.float32, size=steps, element_shape=sequence.shape[1:]).unstack(sequence)
    states = tf.TensorArray(tf.float32, size=steps, element_shape=zero.shape)

    def gru(time: Tensor, states: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        x_gates = tf.nn.bias_add(tf.matmul(inputs.read(time), layer.input_kernel), layer.bias)
        h_gates = tf.nn.bias_add(tf.matmul(h, layer.recurrent_kernel), layer.recurrent_bias)
        z_x, r_x, n_x = tf.split(x_gates, 3, axis=1)
        z_h, r_h, n_h = tf.split(h_gates, 3, axis=1)
        z, r = tf.sigmoid(z_x + z_h), tf.sigmoid(r_x + r_h)
        h = z * h + (1 - z) * tf.tanh(n_x + r * n_h)
        return time + 1, states.write(time, h), h

    def lstm(time: Tensor, states: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        gates = tf.matmul(inputs.read(time), layer.input_kernel) + tf.matmul(h, layer.recurrent_kernel)
        h, c = _lstm_state(tf, tf.nn.bias_add(gates, layer.bias), c)
        return time + 1, states.write(time, h), h, c

    body, initial = (gru, (zero,)) if layer.is_gru else (lstm, (zero, zero))
    _, states, last, *_ = tf.while_loop(
        lambda time, *_: time < steps, body, (tf.constant(0), states, *initial), maximum_iterations=steps
    )
    return states.stack(), last


def unrolled(tf: Any, layer: Layer, projected: list[Tensor]) -> list[Tensor]:
    """A layer without loop, from zero initial state.

    Parameters
    ----------
    projected : per step [batch, blocks * units], the inputs times `input_kernel` plus `bias`

    Returns
    -------
    per step [batch, units]
    """
    return _unrolled_gru(tf, layer, projected) if layer.is_gru else _unrolled_lstm(tf, layer, projected)


def _unrolled_lstm(tf: Any, layer: Layer, projected: list[Tensor]) -> list[Tensor]:
    h, c = _lstm_state(tf, projected[0], None)
    states = [h]
    for gates in projected[1:]:
        h, c = _lstm_state(tf, gates + tf.matmul(h, layer.recurrent_kernel), c)
        states.append(h)
    return states


def _lstm_state(tf: Any, gates: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
    """The next h and c; no `c` stands for zero."""
    i, f, g, o = tf.split(gates, 4, axis=1)
    new = tf.sigmoid(i) * tf.tanh(g)
    c = new if c is None else tf.sigmoid(f) * c + new
    return tf.sigmoid(o) * tf.tanh(c), c


def _unrolled_gru(tf: Any, layer: Layer, projected: list[Tensor]) -> list[Tensor]:
    z_x, r_x, n_x = tf.split(projected[0], 3, axis=1)
    n_bias = layer.recurrent_bias[2 * layer.units :]
    h = (1 - tf.sigmoid(z_x)) * tf.tanh(n_x + tf.sigmoid(r_x) * n_bias)
    states = [h]
    for gates in projected[1:]:
        z_x, r_x, n_x = tf.split(gates, 3, axis=1)
        h_gates = tf.nn.bias_add(tf.matmul(h, layer.recurrent_kernel), layer.recurrent_bias)
        z_h, r_h, n_h = tf.split(h_gates, 3, axis=1)
        z, r = tf.sigmoid(z_x + z_h), tf.sigmoid(r_x + r_h)
        n = tf.tanh(n_x + r * n_h)
        h = n + z * (h - n)
        states.append(h)
    return states
