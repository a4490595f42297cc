import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from spline_lstm.models.recurrent import lstm


def plain_lstm(input_kernel, recurrent_kernel, bias, x):
    """The cell as in the textbook, differentiated by JAX: the oracle of the hand-written layer."""

    def step(carry, x_t):
        h, c = carry
        i, f, g, o = jnp.split(x_t @ input_kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[1], recurrent_kernel.shape[0]), x.dtype)
    return lax.scan(step, (zero, zero), x)[1]


def numpy_lstm(input_kernel, recurrent_kernel, bias, x):
    units = recurrent_kernel.shape[0]
    h = c = np.zeros((x.shape[1], units))
    states = []
    for x_t in x:
        z = x_t @ input_kernel + h @ recurrent_kernel + bias
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        states.append(h)
    return np.stack(states)


def random_layer(time, batch, inputs, units, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(inputs, 4 * units), (units, 4 * units), (4 * units,), (time, batch, inputs)]
    return [rng.normal(scale=0.5, size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("shape", [(24, 5, 1, 8), (1, 3, 4, 2), (7, 1, 3, 16)])
def test_hidden_states_equal_the_formula_in_numpy(shape):
    arguments = random_layer(*shape)
    expected = numpy_lstm(*(value.astype(np.float64) for value in arguments))
    np.testing.assert_allclose(lstm(*arguments), expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(24, 5, 1, 8), (1, 3, 4, 2), (12, 32, 6, 16)])
def test_gradients_equal_automatic_differentiation_of_the_plain_cell(shape):
    arguments = random_layer(*shape)
    weight = np.random.default_rng(1).normal(size=(shape[0], shape[1], shape[3])).astype(np.float32)

    def loss(layer):
        return lambda *values: jnp.sum(weight * jnp.square(layer(*values)))

    ours = jax.grad(loss(lstm), argnums=(0, 1, 2, 3))(*arguments)
    plain = jax.grad(loss(plain_lstm), argnums=(0, 1, 2, 3))(*arguments)
    for mine, theirs in zip(ours, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5 * max(1.0, float(jnp.abs(theirs).max())))


def test_layer_is_vectorised_over_several_weights_by_vmap():
    first, second = random_layer(6, 2, 3, 4, seed=1), random_layer(6, 2, 3, 4, seed=2)
    together = jax.vmap(lstm)(*(np.stack(pair) for pair in zip(first, second, strict=True)))
    np.testing.assert_allclose(together[1], lstm(*second), atol=1e-6)
