"""Recurrent layers in TensorFlow, in the two forms that converters understand.

``looped``: a ``while_loop`` over a TensorArray, written exactly as tf2onnx's matcher expects a
Keras layer, so that each layer becomes one native ONNX LSTM or GRU node.
``unrolled``: one copy of the step per row of the lookback, free of loops and of state between
calls, for TFLite (its loops refuse a dynamic batch, its fused LSTM keeps the state of the previous
call).

Every function takes the module ``tf`` first, because it is imported late (`tf_import`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.export.recorder import Recorder
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.types import GRU, MODEL_TYPES

# Tensors and variables of TensorFlow, whose import is too slow for annotations.
Tensor = Any
# (h, c) of an LSTM, (h,) of a GRU, each [batch, units].
State = tuple[Tensor, ...]


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


def prepared(weights: Mapping[str, np.ndarray], config: ModelConfig) -> dict[str, np.ndarray]:
    """Weights by name, as the graphs need them.

    The gates of a GRU get the order of Keras and ONNX, z, r, n instead of r, z, n. The table of a
    static or category embedding gets its row 0, the unknown token, before and after its rows, for
    ids out of range.
    """
    arrays, is_gru = dict(weights), MODEL_TYPES[config.model_type].cell is GRU
    for name, value in weights.items():
        if name.startswith(("static.", "category.")):
            arrays[name] = np.concatenate([value[:1], value, value[:1]])
        elif is_gru and name.endswith(".recurrent_bias"):
            zero = np.zeros_like(value)
            arrays[name] = np.concatenate([zero, zero, value])
        elif is_gru and name.startswith(("rnn.", "reverse.")):
            arrays[name] = _z_r_n(value)
    return arrays


def read_layers(
    tensors: Mapping[str, Tensor], config: ModelConfig, side: str = "rnn"
) -> list[Layer]:
    """Layers of a side (rnn or reverse), bottom to top, from the tensors of `prepared`."""
    is_gru = MODEL_TYPES[config.model_type].cell is GRU
    return [_layer(tensors, f"{side}.{index}", is_gru) for index in range(len(config.hidden))]


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


def looped(tf: Any, layer: Layer, sequence: Tensor) -> tuple[Tensor, State]:
    """A layer as a loop, from zero initial state.

    Parameters
    ----------
    sequence : [steps, batch, inputs]

    Returns
    -------
    states : [steps, batch, units]
    final : State after the last step
    """
    if isinstance(tf, Recorder):
        return tf.recurrence(layer, sequence)
    steps = sequence.shape[0]
    zero = tf.zeros([tf.shape(sequence)[1], layer.units])
    inputs = tf.TensorArray(tf.float32, size=steps, element_shape=sequence.shape[1:]).unstack(
        sequence
    )
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
        gates = tf.matmul(inputs.read(time), layer.input_kernel) + tf.matmul(
            h, layer.recurrent_kernel
        )
        h, c = _lstm_state(tf, tf.nn.bias_add(gates, layer.bias), c)
        return time + 1, states.write(time, h), h, c

    body, initial = (gru, (zero,)) if layer.is_gru else (lstm, (zero, zero))
    _, states, *final = tf.while_loop(
        lambda time, *_: time < steps,
        body,
        (tf.constant(0), states, *initial),
        maximum_iterations=steps,
    )
    return states.stack(), tuple(final)


def unrolled(tf: Any, layer: Layer, sequence: Tensor) -> tuple[Tensor, State]:
    """Like `looped`; the projection of the inputs is one matmul over all steps."""
    state, states = None, []
    for gates in tf.unstack(dense(tf, sequence, layer.input_kernel, layer.bias), axis=0):
        state = advance(tf, layer, gates, state)
        states.append(state[0])
    assert state is not None
    return tf.stack(states, axis=0), state


def advance(tf: Any, layer: Layer, gates: Tensor, state: State | None) -> State:
    """One step of a layer.

    Parameters
    ----------
    gates : [batch, blocks * units]
        The inputs times `input_kernel` plus `bias`; or [segments, batch, ...] for parallel steps
        from the same state.
    state : State
        Of the previous step; None: zero.

    Returns
    -------
    the next state, each array with the leading axes of `gates`
    """
    if layer.is_gru:
        return (_gru_state(tf, layer, gates, state),)
    if state is None:
        return _lstm_state(tf, gates, None)
    h, c = (
        _aligned(tf, value, gates)
        for value in (tf.matmul(state[0], layer.recurrent_kernel), state[1])
    )
    return _lstm_state(tf, gates + h, c)


def dense(tf: Any, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Product with `kernel` over the last axis: of two matrices, which converters map to one op."""
    if len(x.shape) == 2:
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)
    flat = dense(tf, tf.reshape(x, [-1, x.shape[-1]]), kernel, bias)
    # At most one axis, the batch, has no fixed length.
    return tf.reshape(
        flat, [*(-1 if size is None else size for size in x.shape[:-1]), kernel.shape[1]]
    )


def _lstm_state(tf: Any, gates: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
    """The next h and c; None as `c` means zero."""
    i, f, g, o = tf.split(gates, 4, axis=len(gates.shape) - 1)
    new = tf.sigmoid(i) * tf.tanh(g)
    c = new if c is None else tf.sigmoid(f) * c + new
    return tf.sigmoid(o) * tf.tanh(c), c


def _gru_state(tf: Any, layer: Layer, gates: Tensor, state: State | None) -> Tensor:
    """The next h."""
    axis = len(gates.shape) - 1
    z_x, r_x, n_x = tf.split(gates, 3, axis=axis)
    if state is None:
        n_bias = layer.recurrent_bias[2 * layer.units :]
        return (1 - tf.sigmoid(z_x)) * tf.tanh(n_x + tf.sigmoid(r_x) * n_bias)
    h_gates = tf.nn.bias_add(tf.matmul(state[0], layer.recurrent_kernel), layer.recurrent_bias)
    z_h, r_h, n_h = tf.split(_aligned(tf, h_gates, gates), 3, axis=axis)
    z, r = tf.sigmoid(z_x + z_h), tf.sigmoid(r_x + r_h)
    n = tf.tanh(n_x + r * n_h)
    return n + z * (_aligned(tf, state[0], gates) - n)


def _aligned(tf: Any, value: Tensor, gates: Tensor) -> Tensor:
    """`value` [batch, width] with a leading axis of length one if `gates` has a third axis."""
    return value if len(gates.shape) == 2 else tf.expand_dims(value, 0)
