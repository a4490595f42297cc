"""An LSTM layer over whole sequences with its own backward pass.

Forward (Hochreiter & Schmidhuber 1997, with forget gate, Gers et al. 2000), for t = 1..T::

    z_t = x_t W + h_{t-1} U + b          blocks i, f, g, o
    i, f, o = sigmoid(z)   g = tanh(z)
    c_t = f c_{t-1} + i g
    h_t = o tanh(c_t)

``sigmoid(z) = tanh(z / 2) / 2 + 1/2``, so with W, U, b scaled by 1/2 in the blocks i, f, o all four
gates are one tanh: ``a_t = m tanh(z'_t) + k``. The projection x W of all steps is one matmul.

Backward. With D_t = dL/dh_t and E_t = dL/dc_t (both already summed over later steps)::

    E_t <- E_t + D_t o (1 - tanh(c_t)^2)
    dz_t = [E_t, E_t, E_t, D_t] * K_t
    K_t  = [g i (1 - i), c_{t-1} f (1 - f), i (1 - g^2), tanh(c_t) o (1 - o)]
    D_{t-1} = dL/dh_{t-1} + dz_t U^T        E_{t-1} = E_t f

K_t and o (1 - tanh(c)^2) do not depend on the gradient: they are formed for all steps at once, and
the backward scan is left with one small matmul per step. The weight gradients are then single matmuls
over all steps: dW = X^T dZ, dU = H_{t-1}^T dZ, db = sum dZ. Automatic differentiation of the same
scan would instead add to dW and dU at every step.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Residuals = tuple[Array, ...]


@jax.custom_vjp
def lstm(
    input_kernel: Float[Array, "inputs four_units"],
    recurrent_kernel: Float[Array, "units four_units"],
    bias: Float[Array, " four_units"],
    x: Float[Array, "time batch inputs"],
) -> Float[Array, "time batch units"]:
    """Hidden states of an LSTM layer from zero initial state; gate order i, f, g, o.

    Parameters
    ----------
    input_kernel : [inputs, 4 * units]
    recurrent_kernel : [units, 4 * units]
    bias : [4 * units]
    x : [time, batch, inputs]

    Returns
    -------
    [time, batch, units]
    """
    return _forward(input_kernel, recurrent_kernel, bias, x)[0]


def _forward(input_kernel: Array, recurrent_kernel: Array, bias: Array, x: Array) -> tuple[Array, Residuals]:
    time, batch, inputs = x.shape
    units = recurrent_kernel.shape[0]
    half, shift = _tanh_form(units, x.dtype)
    projected = x.reshape(time * batch, inputs) @ (input_kernel * half) + bias * half
    recurrent = recurrent_kernel * half

    def step(carry: tuple[Array, Array], z: Array) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        h, c = carry
        gates = jnp.tanh(z + h @ recurrent) * half + shift
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (h, c), (h, gates, c)

    zero = jnp.zeros((batch, units), x.dtype)
    _, (h, gates, c) = lax.scan(step, (zero, zero), projected.reshape(time, batch, 4 * units))
    return h, (input_kernel, recurrent_kernel, x, h, gates, c)


def _backward(residuals: Residuals, h_grad: Array) -> tuple[Array, Array, Array, Array]:
    input_kernel, recurrent_kernel, x, h, gates, c = residuals
    time, batch, inputs = x.shape
    units = recurrent_kernel.shape[0]
    zero = jnp.zeros((1, batch, units), x.dtype)
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    tanh_c = jnp.tanh(c)
    c_before = jnp.concatenate([zero, c[:-1]])
    h_before = jnp.concatenate([zero, h[:-1]])
    through_h = o * (1 - tanh_c * tanh_c)
    coefficients = jnp.concatenate(
        [g * i * (1 - i), c_before * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], axis=-1
    )
    recurrent_transposed = lax.optimization_barrier(recurrent_kernel.T)

    def step(carry: tuple[Array, Array], at: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        h_later, c_later = carry
        h_here, through_h, coefficients, f = at
        dh = h_later + h_here
        dc = c_later + dh * through_h
        dz = jnp.concatenate([dc, dc, dc, dh], axis=-1) * coefficients
        return (dz @ recurrent_transposed, dc * f), dz

    _, dz = lax.scan(step, (zero[0], zero[0]), (h_grad, through_h, coefficients, f), reverse=True)
    dz = dz.reshape(time * batch, 4 * units)
    return (
        _transposed_matmul(x.reshape(time * batch, inputs), dz),
        _transposed_matmul(h_before.reshape(time * batch, units), dz),
        dz.sum(axis=0),
        (dz @ input_kernel.T).reshape(x.shape),
    )


lstm.defvjp(_forward, _backward)


def _tanh_form(units: int, dtype: jnp.dtype) -> tuple[Array, Array]:
    """Give m and k of ``gate = m tanh(m z) + k``: 1/2, 1/2 for the sigmoids i, f, o and 1, 0 for g."""
    half = jnp.array([0.5, 0.5, 1.0, 0.5], dtype)
    return jnp.repeat(half, units), jnp.repeat(1 - half, units)


def _transposed_matmul(a: Array, b: Array) -> Array:
    """a^T b with the transpose written out: XLA on CPU is slow when the left operand contracts axis 0."""
    return lax.optimization_barrier(a.T) @ b
