"""Layers that the forecasters share."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from spline_lstm.models.recurrent import lstm


class LSTMLayer(nnx.Module):
    """One LSTM layer over a whole sequence, [time, batch, inputs] -> [time, batch, units].

    Weights start uniform in +-1/sqrt(units), forget biases at 1 (Jozefowicz et al., ICML 2015).
    """

    def __init__(self, inputs: int, units: int, *, key: PRNGKeyArray) -> None:
        of_input, of_recurrence = jax.random.split(key)
        bound = units**-0.5
        gates = 4 * units
        self.input_kernel = nnx.Param(jax.random.uniform(of_input, (inputs, gates), minval=-bound, maxval=bound))
        self.recurrent_kernel = nnx.Param(
            jax.random.uniform(of_recurrence, (units, gates), minval=-bound, maxval=bound)
        )
        self.bias = nnx.Param(jnp.zeros(gates).at[units : 2 * units].set(1.0))

    def __call__(self, x: Float[Array, "time batch inputs"]) -> Float[Array, "time batch units"]:
        """Hidden states of all steps."""
        return lstm(self.input_kernel[...], self.recurrent_kernel[...], self.bias[...], x)


class Head(nnx.Module):
    """Dense layer from a context vector to all steps and targets."""

    def __init__(self, inputs: int, outputs: int, *, key: PRNGKeyArray) -> None:
        bound = inputs**-0.5
        self.kernel = nnx.Param(jax.random.uniform(key, (inputs, outputs), minval=-bound, maxval=bound))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, context: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        """All outputs of each window."""
        return context @ self.kernel[...] + self.bias[...]


def dropout(x: Float[Array, "..."], rate: float, *, key: PRNGKeyArray) -> Float[Array, "..."]:
    """Zero a share of `x` and scale the rest by 1 / (1 - rate) (Srivastava et al., JMLR 2014)."""
    if rate == 0.0:
        return x
    kept = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(kept, x / (1.0 - rate), 0.0)
