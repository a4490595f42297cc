"""A network of rows of a user's own: one linear layer from the numbers."""

import jax
from flax import nnx


class OwnNetwork(nnx.Module):
    """Numbers [rows, n_numbers] -> [rows, outputs]."""

    def __init__(self, config, *, key):
        shape = (len(config.numbers), config.outputs)
        self.kernel = nnx.Param(0.01 * jax.random.normal(key, shape))

    def __call__(self, numbers, missing, categories, *, keys=None):
        """Logits or z-scores."""
        return numbers @ self.kernel[...]


NO_NETWORK = 1
