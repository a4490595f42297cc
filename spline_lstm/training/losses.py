"""Elementwise losses of forecasts, and what they need to know."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

HUBER_DELTA = 1.0


class Loss(NamedTuple):
    """A loss and its constants.

    Attributes
    ----------
    kind : mse, mae, huber, quantile or bce
    quantiles : levels, for quantile
    positive_weight : weight of the label 1, for bce
    """

    kind: str
    quantiles: tuple[float, ...] = ()
    positive_weight: float = 1.0

    def __call__(
        self, output: Float[Array, "batch outputs levels"], y: Float[Array, "batch outputs"]
    ) -> Float[Array, "batch outputs"]:
        """Loss of each label, the mean over the levels.

        With e = output - y: mse e^2; mae abs(e); huber e^2 / 2 up to 1, abs(e) - 1/2 beyond (Huber
        1964); quantile max((1 - q) e, -q e) (Koenker & Bassett 1978); bce of the logits `output`
        with labels 0 and 1.
        """
        error = output - y[..., None]
        if self.kind == "mse":
            loss = jnp.square(error)
        elif self.kind == "mae":
            loss = jnp.abs(error)
        elif self.kind == "huber":
            loss = optax.losses.huber_loss(error, delta=HUBER_DELTA)
        elif self.kind == "quantile":
            levels = jnp.array(self.quantiles)
            loss = jnp.maximum((1 - levels) * error, -levels * error)
        else:
            label = y[..., None]
            weight = 1.0 + (self.positive_weight - 1.0) * label
            # -log sigmoid(logit) for label 1, -log(1 - sigmoid(logit)) for label 0
            loss = weight * (jax.nn.softplus(output) - label * output)
        return loss.mean(axis=-1)


def loss_sum(
    loss: Loss,
    output: Float[Array, "batch all_outputs"],
    y: Float[Array, "batch outputs"],
    counted: Float[Array, "batch outputs"],
) -> tuple[Array, Array]:
    """Weighted sum of the losses of a batch, and the sum of the weights."""
    return jnp.sum(loss(output.reshape(*y.shape, -1), y) * counted), jnp.sum(counted)
