"""LSTM and GRU layers over whole sequences with their own backward passes.

Both form the derivative coefficients of the cell before the backward scan (an LSTM in the forward
scan, while its gates are in the cache), which leaves one small matmul per step to it, and the
gradients of all weights as one matmul over many steps afterwards. Automatic differentiation of the
same scan would add to the weight gradients at every step. ``sigmoid(z) = tanh(z / 2) / 2 + 1/2``,
so with the weights of the sigmoid gates scaled by 1/2 all gates of a step are one tanh: ``gate = m
tanh(m z) + k``. The projection x W of all steps is one matmul. D_t is dL/dh_t, already summed over
later steps; a "." is the product by elements.

LSTM (Hochreiter & Schmidhuber 1997, with forget gate, Gers et al. 2000), for t = 1..T::

    z_t = x_t W + h_{t-1} U + b          blocks i, f, g, o
    i, f, o = sigmoid(z)   g = tanh(z)
    c_t = f . c_{t-1} + i . g            h_t = o . tanh(c_t)

Backward, with E_t = dL/dc_t::

    E_t  <- E_t + D_t . o (1 - tanh(c_t)^2)
    dz_t = [E_t, E_t, E_t, D_t] . K_t
    K_t  = [g i (1 - i), c_{t-1} f (1 - f), i (1 - g^2), tanh(c_t) o (1 - o)]
    D_{t-1} = dL/dh_{t-1} + dz_t U^T     E_{t-1} = E_t . f
    [dW; dU; db] = [X, H_{t-1}, 1]^T dZ      dX = dZ W^T

GRU (Cho et al. 2014; reset after the matmul, as in cuDNN), for t = 1..T::

    a_t = x_t W + b    u_t = h_{t-1} U    blocks r, z, n
    r, z = sigmoid(a + u)    q = u_n + c    n = tanh(a_n + r . q)
    h_t = (1 - z) . n + z . h_{t-1}

Backward, where da and du are the gradients of a_t and u_t::

    du_t = [D_t, D_t, D_t] . K_t
    K_t  = [k q r (1 - r), (h_{t-1} - n) z (1 - z), k r]   with k = (1 - z)(1 - n^2)
    da_t = du_t in the blocks r and z, D_t . k in the block n
    D_{t-1} = dL/dh_{t-1} + D_t . z + du_t U^T
    [dW; db] = [X, 1]^T dA    [dU; dc] = [H_{t-1}, 1]^T dU    dX = dA W^T
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from spline_lstm.models.jax_setup import scan

Residuals = tuple[Array, ...]
# Rows (steps of all sequences) of one matmul for the gradients of weights: 800 kB of gradients of
# 256 gates, which stay in the cache.
BLOCK_ROWS = 768
LSTMState = tuple[Float[Array, "batch units"], Float[Array, "batch units"]]
GRUState = tuple[Float[Array, "batch units"]]


@jax.custom_vjp
def lstm(
    input_kernel: Float[Array, "inputs four_units"],
    recurrent_kernel: Float[Array, "units four_units"],
    bias: Float[Array, " four_units"],
    x: Float[Array, "time batch inputs"],
    initial: LSTMState,
) -> tuple[Float[Array, "time batch units"], LSTMState]:
    """Hidden states of an LSTM layer; gate order i, f, g, o.

    Parameters
    ----------
    input_kernel : [inputs, 4 * units]
    recurrent_kernel : [units, 4 * units]
    bias : [4 * units]
    x : [time, batch, inputs]
    initial : (h_0, c_0), each [batch, units]

    Returns
    -------
    hidden states [time, batch, units], and the final (h_T, c_T)
    """
    return _lstm_forward(input_kernel, recurrent_kernel, bias, x, initial)[0]


def lstm_states(
    input_kernel: Float[Array, "inputs four_units"],
    recurrent_kernel: Float[Array, "units four_units"],
    bias: Float[Array, " four_units"],
    x: Float[Array, "time batch inputs"],
    initial: LSTMState,
) -> tuple[Float[Array, "time batch units"], LSTMState]:
    """`lstm` where no gradient follows: without the coefficients, which take a tenth of its time.

    The scan of `lstm` keeps them in its buffer even if nobody asks for them.
    """
    units = recurrent_kernel.shape[0]
    half, shift = _tanh_form((0.5, 0.5, 1.0, 0.5), units, x.dtype)
    recurrent = recurrent_kernel * half

    def step(carry: LSTMState, z: Array) -> tuple[LSTMState, Array]:
        h, c = carry
        gates = jnp.tanh(z + h @ recurrent) * half + shift
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), h

    final, h = lax.scan(step, initial, _project(x, input_kernel * half, bias * half))
    return h, final


def _lstm_forward(
    input_kernel: Array, recurrent_kernel: Array, bias: Array, x: Array, initial: LSTMState
) -> tuple[tuple[Array, LSTMState], Residuals]:
    units = recurrent_kernel.shape[0]
    half, shift = _tanh_form((0.5, 0.5, 1.0, 0.5), units, x.dtype)
    projected = _project(x, input_kernel * half, bias * half)
    recurrent = recurrent_kernel * half
    # The slope of a gate a is (a + 0)(1 - a) for a sigmoid, (a + 1)(1 - a) for a tanh.
    is_tanh = 2 * half - 1

    # A step reads its row of the projection and puts its coefficients there: one buffer for both.
    def step(
        carry: tuple[Array, Array, Array], t: Array
    ) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
        h, c_before, rows = carry
        z = lax.dynamic_index_in_dim(rows, t, keepdims=False)
        gates = jnp.tanh(z + h @ recurrent) * half + shift
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = f * c_before + i * g
        tanh_c = jnp.tanh(c)
        h = o * tanh_c
        coefficients = (gates + is_tanh) * (1 - gates) * _joined(g, c_before, i, tanh_c)
        rows = lax.dynamic_update_index_in_dim(rows, coefficients, t, 0)
        return (h, c, rows), (h, f, o * (1 - tanh_c * tanh_c))

    (h_last, c_last, coefficients), (h, f, through_h) = scan(
        step, (*initial, projected), jnp.arange(len(x))
    )
    residuals = (input_kernel, recurrent_kernel, x, initial[0], h, coefficients, f, through_h)
    return (h, (h_last, c_last)), residuals


def _lstm_backward(
    residuals: Residuals, gradient: tuple[Array, LSTMState]
) -> tuple[Array | LSTMState, ...]:
    input_kernel, recurrent_kernel, x, h_0, h, coefficients, f, through_h = residuals
    h_grad, (h_final, c_final) = gradient
    h_before = _shifted(h_0, h)
    recurrent_transposed = lax.optimization_barrier(recurrent_kernel.T)

    # A step reads its row of the coefficients and puts its gradient there: one buffer for both.
    def step(
        carry: tuple[Array, Array, Array], at: tuple[Array, ...]
    ) -> tuple[tuple[Array, Array, Array], None]:
        h_later, c_later, rows = carry
        t, h_here, through_h, f = at
        dh = h_later + h_here
        dc = c_later + dh * through_h
        row = lax.dynamic_index_in_dim(rows, t, keepdims=False)
        # Without the barrier XLA would compute the product twice, and copy the whole buffer at each
        # step.
        dz = lax.optimization_barrier(row * _joined(dc, dc, dc, dh))
        rows = lax.dynamic_update_index_in_dim(rows, dz, t, 0)
        return (dz @ recurrent_transposed, dc * f, rows), None

    (dh, dc, dz), _ = scan(
        step,
        (h_final, c_final, coefficients),
        (jnp.arange(len(x)), h_grad, through_h, f),
        reverse=True,
    )
    input_gradient, recurrent_gradient, bias_gradient = _weight_gradients((x, h_before), dz)
    return input_gradient, recurrent_gradient, bias_gradient, dz @ input_kernel.T, (dh, dc)


lstm.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def gru(
    input_kernel: Float[Array, "inputs three_units"],
    recurrent_kernel: Float[Array, "units three_units"],
    bias: Float[Array, " three_units"],
    recurrent_bias: Float[Array, " units"],
    x: Float[Array, "time batch inputs"],
    initial: GRUState,
) -> tuple[Float[Array, "time batch units"], GRUState]:
    """Hidden states of a GRU layer; gate order r, z, n.

    Parameters
    ----------
    input_kernel : [inputs, 3 * units]
    recurrent_kernel : [units, 3 * units]
    bias : [3 * units]
    recurrent_bias : [units], inside the reset of the block n
    x : [time, batch, inputs]
    initial : (h_0,), [batch, units]

    Returns
    -------
    hidden states [time, batch, units], and the final (h_T,)
    """
    return _gru_forward(input_kernel, recurrent_kernel, bias, recurrent_bias, x, initial)[0]


def _gru_forward(
    input_kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    recurrent_bias: Array,
    x: Array,
    initial: GRUState,
) -> tuple[tuple[Array, GRUState], Residuals]:
    units = recurrent_kernel.shape[0]
    half, _ = _tanh_form((0.5, 0.5, 1.0), units, x.dtype)
    projected = _project(x, input_kernel * half, bias * half)
    recurrent = recurrent_kernel * half

    def step(carry: GRUState, a: Array) -> tuple[GRUState, tuple[Array, ...]]:
        (h,) = carry
        u = h @ recurrent
        r, z = jnp.split(jnp.tanh(a[:, : 2 * units] + u[:, : 2 * units]) * 0.5 + 0.5, 2, axis=-1)
        q = u[:, 2 * units :] + recurrent_bias
        n = jnp.tanh(a[:, 2 * units :] + r * q)
        h = n + z * (h - n)
        return (h,), (h, r, z, q, n)

    final, states = scan(step, initial, projected)
    return (states[0], final), (input_kernel, recurrent_kernel, x, *initial, *states)


def _gru_backward(
    residuals: Residuals, gradient: tuple[Array, GRUState]
) -> tuple[Array | GRUState, ...]:
    input_kernel, recurrent_kernel, x, h_0, h, r, z, q, n = residuals
    h_grad, final = gradient
    units = recurrent_kernel.shape[0]
    h_before = _shifted(h_0, h)
    through_n = (1 - z) * (1 - n * n)
    coefficients = (through_n * q * r * (1 - r), (h_before - n) * z * (1 - z), through_n * r)
    recurrent_transposed = lax.optimization_barrier(recurrent_kernel.T)

    def step(carry: GRUState, at: tuple[Any, ...]) -> tuple[GRUState, tuple[Array, Array]]:
        (h_later,) = carry
        h_here, z, coefficients = at
        dh = h_later + h_here
        du = jnp.concatenate([dh * coefficient for coefficient in coefficients], axis=-1)
        return (dh * z + du @ recurrent_transposed,), (dh, du)

    initial, (dh, du) = scan(step, final, (h_grad, z, coefficients), reverse=True)
    da = jnp.concatenate([du[..., : 2 * units], dh * through_n], axis=-1)
    input_gradient, bias_gradient = _weight_gradients((x,), da)
    recurrent_gradient, recurrent_bias_gradient = _weight_gradients((h_before,), du)
    gradients = (
        input_gradient,
        recurrent_gradient,
        bias_gradient,
        recurrent_bias_gradient[2 * units :],
    )
    return *gradients, da @ input_kernel.T, initial


gru.defvjp(_gru_forward, _gru_backward)


def _project(x: Array, kernel: Array, bias: Array) -> Array:
    """X W + b of all steps as one matmul."""
    time, batch, inputs = x.shape
    return (x.reshape(time * batch, inputs) @ kernel + bias).reshape(time, batch, kernel.shape[1])


def _joined(*parts: Array) -> Array:
    """Blocks side by side, joined before what is computed from them.

    XLA on CPU copies whole rows into a concatenation, but computes one that it fuses with
    arithmetic element by element.
    """
    return lax.optimization_barrier(jnp.concatenate(parts, axis=-1))


def _shifted(initial: Array, states: Array) -> Array:
    """States before each step."""
    return jnp.concatenate([initial[None], states[:-1]])


def _tanh_form(factors: tuple[float, ...], units: int, dtype: jnp.dtype) -> tuple[Array, Array]:
    """Factor m and shift k of the ``gate = m tanh(m z) + k``: 1/2, 1/2 (sigmoid), 1, 0 (tanh)."""
    half = jnp.array(factors, dtype)
    return jnp.repeat(half, units), jnp.repeat(1 - half, units)


def _weight_gradients(inputs: tuple[Array, ...], gradient: Array) -> list[Array]:
    """Sum over time and batch of a^T gradient for each input a, and of the gradient itself.

    On a CPU the steps are summed block by block, so that the operands of a matmul stay in the
    cache and a long lookback needs no transpose of all its states.
    """
    time, batch, outputs = gradient.shape
    arrays = (*inputs, gradient)
    # Accelerators get all of it as one matmul.
    steps = max(1, BLOCK_ROWS // batch) if jax.default_backend() == "cpu" else time
    whole = time - time % steps
    blocks = [a[:whole].reshape(whole // steps, steps, *a.shape[1:]) for a in arrays]
    rest = [a[whole:] for a in arrays]
    widths = [a.shape[-1] for a in inputs]
    # In bfloat16 each sum of blocks would be rounded to eight bits.
    total = jnp.zeros((sum(widths) + 1, outputs), jnp.float32)
    total, _ = scan(lambda sums, block: (sums + _of_block(*block), None), total, blocks)
    if whole < time:
        total += _of_block(*rest)
    *parts, of_bias = jnp.split(total.astype(gradient.dtype), np.cumsum(widths))
    return [*parts, of_bias[0]]


def _of_block(*arrays: Array) -> Array:
    """The float32 sums of `_weight_gradients` of some steps, below each other, as one matmul.

    It reads the gradient once. The transpose is written out: XLA on CPU is slow when the left
    operand contracts axis 0.
    """
    *inputs, gradient = arrays
    ones = jnp.ones((*gradient.shape[:-1], 1), gradient.dtype)
    joined = jnp.concatenate([*inputs, ones], axis=-1)
    rows = joined.reshape(-1, joined.shape[-1])
    return jnp.matmul(
        lax.optimization_barrier(rows.T),
        gradient.reshape(len(rows), -1),
        preferred_element_type=jnp.float32,
    )
