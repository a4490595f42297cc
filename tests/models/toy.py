"""A type of network that the project does not have: one linear layer from the targets' lookback."""

import jax
import jax.numpy as jnp
from flax import nnx

from spline_lstm.models.types import MODEL_TYPES, ModelType

ENTRY = ModelType(
    network="tests.models.toy:ToyNetwork",
    defaults=MODEL_TYPES["lstm"].defaults.model_copy(update={"type": "toy"}),
    colour="#123456",
    allowed={"bidirectional": (False,), "decoder": ("dense",), "channels": ("mixed",)},
)


class ToyNetwork(nnx.Module):
    """X [batch, lookback, F_total] -> [batch, horizon * F_target]."""

    def __init__(self, config, *, key):
        self.config = nnx.static(config)
        shape = (config.lookback * len(config.targets), config.outputs)
        self.kernel = nnx.Param(0.01 * jax.random.normal(key, shape))

    def __call__(self, x, future=None, static=None, *, keys=None):
        """Forecast."""
        targets = x[:, :, jnp.array(self.config.target_indices)]
        return targets.reshape(len(x), -1) @ self.kernel[...]
