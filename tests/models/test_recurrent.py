import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from spline_lstm.models import recurrent
from spline_lstm.models.jax_setup import compact_loops, small_matmuls
from spline_lstm.models.recurrent import gru, lstm, lstm_states

SHAPES = [(24, 5, 1, 8), (1, 3, 4, 2), (12, 32, 6, 16)]


def plain_lstm(input_kernel, recurrent_kernel, bias, x, initial):
    """The cell as in the textbook, differentiated by JAX: the oracle of the hand-written layer."""

    def step(carry, x_t):
        h, c = carry
        i, f, g, o = jnp.split(x_t @ input_kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    final, states = lax.scan(step, initial, x)
    return states, final


def plain_gru(input_kernel, recurrent_kernel, bias, recurrent_bias, x, initial):
    """The cell as in the textbook, differentiated by JAX."""

    def step(carry, x_t):
        (h,) = carry
        x_r, x_z, x_n = jnp.split(x_t @ input_kernel + bias, 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ recurrent_kernel, 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * (h_n + recurrent_bias))
        h = (1 - z) * n + z * h
        return (h,), h

    final, states = lax.scan(step, initial, x)
    return states, final


def numpy_lstm(input_kernel, recurrent_kernel, bias, x, initial):
    units = recurrent_kernel.shape[0]
    h, c = initial
    states = []
    for x_t in x:
        z = x_t @ input_kernel + h @ recurrent_kernel + bias
        i, f, g, o = (z[:, k * units : (k + 1) * units] for k in range(4))
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        states.append(h)
    return np.stack(states), (h, c)


def numpy_gru(input_kernel, recurrent_kernel, bias, recurrent_bias, x, initial):
    units = recurrent_kernel.shape[0]
    (h,) = initial
    states = []
    for x_t in x:
        a, u = x_t @ input_kernel + bias, h @ recurrent_kernel
        r, z = (1 / (1 + np.exp(-(a + u)[:, k * units : (k + 1) * units])) for k in range(2))
        n = np.tanh(a[:, 2 * units :] + r * (u[:, 2 * units :] + recurrent_bias))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states), (h,)


def lstm_arguments(time, batch, inputs, units, seed=0):
    return arguments(
        [(inputs, 4 * units), (units, 4 * units), (4 * units,), (time, batch, inputs)],
        batch,
        units,
        2,
        seed,
    )


def gru_arguments(time, batch, inputs, units, seed=0):
    shapes = [
        (inputs, 3 * units),
        (units, 3 * units),
        (3 * units,),
        (units,),
        (time, batch, inputs),
    ]
    return arguments(shapes, batch, units, 1, seed)


def arguments(shapes, batch, units, states, seed):
    rng = np.random.default_rng(seed)
    arrays = [
        rng.normal(scale=0.5, size=shape).astype(np.float32)
        for shape in [*shapes, *[(batch, units)] * states]
    ]
    return [*arrays[: len(shapes)], tuple(arrays[len(shapes) :])]


LAYERS = {
    "lstm": (lstm, plain_lstm, numpy_lstm, lstm_arguments),
    "gru": (gru, plain_gru, numpy_gru, gru_arguments),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LAYERS)
def test_states_equal_the_formula_in_numpy(name, shape):
    layer, _, formula, draw = LAYERS[name]
    given = draw(*shape)
    expected, final = formula(*jax.tree.map(lambda value: value.astype(np.float64), given))
    states, last = layer(*given)
    np.testing.assert_allclose(states, expected, atol=2e-6)
    for mine, theirs in zip(last, final, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_states_without_coefficients_for_gradients_are_the_same(shape):
    given = lstm_arguments(*shape)
    for mine, theirs in zip(
        *map(jax.tree.leaves, (lstm_states(*given), lstm(*given))), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_equal_automatic_differentiation_of_the_plain_cell(name, shape):
    layer, plain, _, draw = LAYERS[name]
    given = draw(*shape)
    rng = np.random.default_rng(1)
    weights = [
        rng.normal(size=size).astype(np.float32)
        for size in [(shape[0], shape[1], shape[3]), (shape[1], shape[3])]
    ]

    def loss(function):
        def of(values):
            states, final = function(*values)
            return jnp.sum(weights[0] * jnp.square(states)) + sum(
                jnp.sum(weights[1] * state**3) for state in final
            )

        return of

    ours, theirs = (
        jax.tree.leaves(jax.jit(jax.grad(loss(function)))(given)) for function in (layer, plain)
    )
    assert len(ours) == len(jax.tree.leaves(given))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5 * max(1.0, float(jnp.abs(other).max())))


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_vectorised_over_several_weights_by_vmap(name):
    layer, _, _, draw = LAYERS[name]
    first, second = draw(6, 2, 3, 4, seed=1), draw(6, 2, 3, 4, seed=2)
    gradient = jax.jit(jax.grad(lambda values: jnp.sum(jnp.square(layer(*values)[0]))))
    together = jax.jit(jax.vmap(gradient))(
        jax.tree.map(lambda *pair: np.stack(pair), first, second)
    )
    for mine, alone in zip(
        jax.tree.leaves(together), jax.tree.leaves(gradient(second)), strict=True
    ):
        np.testing.assert_allclose(mine[1], alone, atol=1e-5)


def test_gradients_of_weights_in_bfloat16_are_rounded_once():
    rng = np.random.default_rng(3)
    # Many blocks of steps, whose sums would lose digits if they were rounded one after another.
    x, gradient = (jnp.array(rng.normal(size=(720, 64, width)), jnp.bfloat16) for width in (16, 32))
    found, of_bias = recurrent._weight_gradients((x,), gradient)
    exact = np.einsum("tbi,tbo->io", *(np.array(each, np.float64) for each in (x, gradient)))
    assert found.dtype == of_bias.dtype == jnp.bfloat16
    # Half a unit of its last of eight bits.
    assert (np.abs(np.array(found, np.float64) - exact) <= 2.0**-8 * np.abs(exact) + 1e-2).all()


@pytest.mark.parametrize("time", [1, 2, 5])
def test_compact_loops_give_the_bytes_of_others(time):
    weights = jax.random.normal(jax.random.key(0), (3, 8))
    recurrent = jax.random.normal(jax.random.key(1), (2, 8))
    x = jax.random.normal(jax.random.key(2), (time, 4, 3))
    zero = jnp.zeros((4, 2))

    def loss(weights, recurrent):
        return jnp.sum(lstm(weights, recurrent, jnp.ones(8), x, (zero, zero))[0] ** 2)

    def compact(*arguments):
        with compact_loops():
            return jax.grad(loss, argnums=(0, 1))(*arguments)

    plain = jax.jit(jax.grad(loss, argnums=(0, 1)), compiler_options=small_matmuls())
    program = jax.jit(compact, compiler_options=small_matmuls())
    assert ("xla_cpu_small_call" in program.lower(weights, recurrent).as_text()) == (time > 1)
    results = zip(program(weights, recurrent), plain(weights, recurrent), strict=True)
    for found, expected in results:
        np.testing.assert_array_equal(found, expected)
