"""Layers that the forecasters share.

Weights start uniform in +-1/sqrt(inputs) (recurrent layers: units), embeddings and positions
normal.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.models.config import LAYER_NORM_EPSILON, UNSEEN_PENALTY
from spline_lstm.models.recurrent import GRUState, LSTMState, gru, lstm, lstm_states

# Share of ids that training replaces by the unknown token, so that its row is learned, too.
UNKNOWN_SHARE = 0.05


class LSTMLayer(nnx.Module):
    """One LSTM layer; forget biases start at 1 (Jozefowicz et al., ICML 2015).

    Attributes
    ----------
    has_gradients : bool
        False in programs of forecasts, see `recurrent.lstm_states`.
    """

    def __init__(self, inputs: int, units: int, *, key: PRNGKeyArray) -> None:
        self.has_gradients = True
        of_input, of_recurrence = jax.random.split(key)
        self.input_kernel = nnx.Param(_uniform(of_input, (inputs, 4 * units), units))
        self.recurrent_kernel = nnx.Param(_uniform(of_recurrence, (units, 4 * units), units))
        self.bias = nnx.Param(jnp.zeros(4 * units).at[units : 2 * units].set(1.0))

    def __call__(
        self, x: Float[Array, "time batch inputs"], initial: LSTMState | None = None
    ) -> tuple[Float[Array, "time batch units"], LSTMState]:
        """Hidden states of all steps, and the final state; `initial` is zero if not given."""
        zero = jnp.zeros((x.shape[1], self.recurrent_kernel.shape[0]), x.dtype)
        weights = self.input_kernel[...], self.recurrent_kernel[...], self.bias[...]
        return (lstm if self.has_gradients else lstm_states)(*weights, x, initial or (zero, zero))


class GRULayer(nnx.Module):
    """One GRU layer."""

    def __init__(self, inputs: int, units: int, *, key: PRNGKeyArray) -> None:
        of_input, of_recurrence = jax.random.split(key)
        self.input_kernel = nnx.Param(_uniform(of_input, (inputs, 3 * units), units))
        self.recurrent_kernel = nnx.Param(_uniform(of_recurrence, (units, 3 * units), units))
        self.bias = nnx.Param(jnp.zeros(3 * units))
        self.recurrent_bias = nnx.Param(jnp.zeros(units))

    def __call__(
        self, x: Float[Array, "time batch inputs"], initial: GRUState | None = None
    ) -> tuple[Float[Array, "time batch units"], GRUState]:
        """Hidden states of all steps, and the final state; `initial` is zero if not given."""
        zero = jnp.zeros((x.shape[1], self.recurrent_kernel.shape[0]), x.dtype)
        weights = (
            self.input_kernel[...],
            self.recurrent_kernel[...],
            self.bias[...],
            self.recurrent_bias[...],
        )
        return gru(*weights, x, initial or (zero,))


class Dense(nnx.Module):
    """x -> x kernel + bias."""

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray) -> None:
        self.kernel = nnx.Param(_uniform(key, (inputs, outputs), inputs))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "... inputs"]) -> Float[Array, "... outputs"]:
        """Apply to the last axis."""
        return x @ self.kernel[...] + self.bias[...]


class Correction(nnx.Module):
    """A linear map of the rows of each target, zero at the start; see `models.skips.corrected`."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.kernel = nnx.Param(jnp.zeros(shape))


class LayerNorm(nnx.Module):
    """Mean 0 and variance 1 over the units, then a learned scale and bias (Ba et al. 2016)."""

    def __init__(self, units: int) -> None:
        self.scale = nnx.Param(jnp.ones(units))
        self.bias = nnx.Param(jnp.zeros(units))

    def __call__(self, x: Float[Array, "... units"]) -> Float[Array, "... units"]:
        """Normalise the last axis."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        return (
            centred * jax.lax.rsqrt(variance + LAYER_NORM_EPSILON) * self.scale[...]
            + self.bias[...]
        )


class Attention(nnx.Module):
    """Additive attention (Bahdanau et al., ICLR 2015).

    ``score_t = v . tanh(h_t K + b + query Q)``, softmax over t, ``context = sum_t score_t h_t``.
    """

    def __init__(self, units: int, *, key: PRNGKeyArray) -> None:
        of_key, of_query, of_score = jax.random.split(key, 3)
        self.key_kernel = nnx.Param(_uniform(of_key, (units, units), units))
        self.key_bias = nnx.Param(jnp.zeros(units))
        self.query_kernel = nnx.Param(_uniform(of_query, (units, units), units))
        self.score_kernel = nnx.Param(_uniform(of_score, (units,), units))

    def __call__(
        self,
        states: Float[Array, "time batch units"],
        query: Float[Array, "steps batch units"],
        seen: Float[Array, "time batch"] | None = None,
    ) -> Float[Array, "steps batch units"]:
        """Context of each query; states of which `seen` is 0 count only if all are so."""
        keys = states @ self.key_kernel[...] + self.key_bias[...]
        scores = (
            jnp.tanh(keys[None] + (query @ self.query_kernel[...])[:, None])
            @ self.score_kernel[...]
        )
        if seen is not None:
            scores -= UNSEEN_PENALTY * (1 - seen).astype(scores.dtype)
        return jnp.einsum("stb,tbu->sbu", jax.nn.softmax(scores, axis=1), states)


class Embedding(nnx.Module):
    """A vector per category; row 0 is the unknown token, also used for ids out of range."""

    def __init__(self, size: int, width: int, *, key: PRNGKeyArray) -> None:
        self.table = nnx.Param(jax.random.normal(key, (size, width)))

    def __call__(
        self, ids: Int[Array, "batch *rows"], *, keys: PRNGKeyArray | None = None
    ) -> Float[Array, "batch *rows width"]:
        """Rows of the ids; with `keys`, one per window, the ids of some windows become unknown."""
        known = (ids >= 0) & (ids < self.table.shape[0])
        if keys is not None:
            hidden = jax.vmap(lambda key: jax.random.bernoulli(key, UNKNOWN_SHARE))(keys)
            known &= ~hidden.reshape(-1, *[1] * (ids.ndim - 1))
        return self.table[...][jnp.where(known, ids, 0)]


def dropout(
    x: Float[Array, "steps batch units"], rate: float, *, keys: PRNGKeyArray | None
) -> Float[Array, "steps batch units"]:
    """Zero a share of `x` and scale the rest by 1 / (1 - rate) (Srivastava et al., JMLR 2014).

    There is a key for each window, so that what is dropped does not depend on how a batch is split
    over devices. Without keys `x` stays as it is.
    """
    if rate == 0.0 or keys is None:
        return x
    steps, _, units = x.shape
    draw = jax.vmap(lambda key: jax.random.bernoulli(key, 1.0 - rate, (steps, units)), out_axes=1)
    return jnp.where(draw(keys), x / (1.0 - rate), 0.0)


def fold_each(keys: PRNGKeyArray | None, number: int) -> PRNGKeyArray | None:
    """Derive keys for another purpose; None stays None."""
    return (
        None
        if keys is None
        else jax.vmap(lambda key: jax.random.fold_in(key, number % 2**32))(keys)
    )


def _uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan: int) -> Array:
    return jax.random.uniform(key, shape, minval=-(fan**-0.5), maxval=fan**-0.5)
