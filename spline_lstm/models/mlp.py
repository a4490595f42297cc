"""MLP: dense layers on numbers and on vectors of categories.

The baseline of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data" (NeurIPS 2021):
blocks of a dense layer, ReLU and dropout, and a linear head. A missing number is a learned value,
and one more input says that it is missing.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from spline_lstm.models.layers import Dense, fold_each
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.row_layers import CategoryTokens, drop


class MLP(nnx.Module):
    """Numbers, missing and categories [rows, ...] -> [rows, outputs]; see the module."""

    undecayed: ClassVar[tuple[str, ...]] = ("missing", "categories", "bias")

    def __init__(self, config: RowConfig, *, key: PRNGKeyArray) -> None:
        of_categories, of_blocks, of_head = jax.random.split(key, 3)
        self.config = nnx.static(config)
        if config.numbers:
            self.missing = nnx.Param(jnp.zeros(len(config.numbers)))
        if config.categories:
            sizes = config.category_sizes
            self.categories = CategoryTokens(sizes, config.embedding, key=of_categories)
        inputs = 2 * len(config.numbers) + config.embedding * len(config.categories)
        self.blocks = nnx.List(
            [
                Dense(inputs if index == 0 else config.width, config.width, key=each)
                for index, each in enumerate(jax.random.split(of_blocks, config.blocks))
            ]
        )
        self.head = Dense(config.width, config.outputs, key=of_head)

    def __call__(
        self,
        numbers: Float[Array, "rows numbers"],
        missing: Bool[Array, "rows numbers"],
        categories: Int[Array, "rows categories"],
        *,
        keys: PRNGKeyArray | None = None,
    ) -> Float[Array, "rows outputs"]:
        """Logits or z-scores; `keys`, one per row, turn dropout on."""
        config: RowConfig = self.config
        dtype, parts = self.head.kernel.dtype, []
        if config.numbers:
            filled = jnp.where(missing, self.missing[...], numbers.astype(dtype))
            parts += [filled, missing.astype(dtype)]
        if config.categories:
            vectors = self.categories(categories, keys=fold_each(keys, 0))
            parts.append(vectors.reshape(len(numbers), -1))
        x = jnp.concatenate(parts, axis=1)
        for index, block in enumerate(self.blocks):
            x = drop(jax.nn.relu(block(x)), config.dropout, keys=fold_each(keys, index + 1))
        return self.head(x)
