"""TabM: an MLP whose members share all weights but a scaling of the inputs and the head.

Gorishniy, Kotelnikov, Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling" (ICLR 2025), in its form TabM-mini with piecewise-linear embeddings. Defaults are those
of the package tabm, with which a test compares this network: 32 members, 2 blocks of 512 units,
dropout .1; embeddings of 16 numbers with 48 pieces; AdamW at 2e-3 with a weight decay of 3e-4.

::

    numbers --pieces--> vectors --|
    categories --------> one-hot -|-> x --scaling of each member--> shared blocks --> own head

Training compares every member with the label by itself. The prediction is the mean of the members:
of their probabilities, or of their values.
"""

from collections.abc import Iterator
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from spline_lstm.models.layers import Dense, fold_each
from spline_lstm.models.row_config import MOST_ONE_HOT, RowConfig
from spline_lstm.models.row_layers import (
    CategoryTokens,
    PieceTokens,
    drop,
    known_ids,
    members_mean,
    uniform,
)


class TabM(nnx.Module):
    """Numbers, missing and categories [rows, ...] -> [rows, outputs]; see the module."""

    undecayed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: RowConfig, *, key: PRNGKeyArray) -> None:
        of_numbers, of_vectors, of_scaling, of_blocks, of_head = jax.random.split(key, 5)
        self.config = nnx.static(config)
        if config.numbers:
            self.numbers = PieceTokens(config.bins, config.embedding, key=of_numbers)
        if many := sizes_of(config, one_hot=False):
            self.vectors = CategoryTokens(many, config.embedding, key=of_vectors)
        self.scaling = nnx.Param(_scaling(config, of_scaling))
        widths = [self.scaling.shape[1], *[config.width] * config.blocks]
        self.blocks = nnx.List(
            [
                Dense(inputs, config.width, key=each)
                for inputs, each in zip(
                    widths[:-1], jax.random.split(of_blocks, config.blocks), strict=True
                )
            ]
        )
        of_kernel, of_bias = jax.random.split(of_head)
        shape = (config.members, config.width, config.outputs)
        self.head_kernel = nnx.Param(uniform(of_kernel, shape, config.width))
        self.head_bias = nnx.Param(uniform(of_bias, (shape[0], shape[2]), config.width))

    def __call__(
        self,
        numbers: Float[Array, "rows numbers"],
        missing: Bool[Array, "rows numbers"],
        categories: Int[Array, "rows categories"],
        *,
        keys: PRNGKeyArray | None = None,
    ) -> Float[Array, "rows *members outputs"]:
        """Logits or z-scores: of the mean, or with `keys` (one per row; dropout) of each member."""
        config: RowConfig = self.config
        x = self._features(numbers, missing, categories, fold_each(keys, 0))
        x = x[:, None] * self.scaling[...]
        for index, block in enumerate(self.blocks):
            x = drop(jax.nn.relu(block(x)), config.dropout, keys=fold_each(keys, index + 1))
        # Not a matmul per member: its heads have one output, or a few.
        outputs = jnp.stack(
            [(x * self.head_kernel[:, :, output]).sum(axis=-1) for output in range(config.outputs)],
            axis=-1,
        )
        outputs += self.head_bias[...]
        return outputs if keys is not None else members_mean(outputs, config.kind)

    def _features(
        self, numbers: Array, missing: Array, categories: Array, keys: PRNGKeyArray | None
    ) -> Float[Array, "rows inputs"]:
        """Vectors of the numbers, one-hot categories, vectors of the other categories."""
        config: RowConfig = self.config
        parts = []
        if config.numbers:
            parts.append(self.numbers(numbers, missing).reshape(len(numbers), -1))
        few, many = (positions(config, one_hot=one_hot) for one_hot in (True, False))
        if few:
            sizes = sizes_of(config, one_hot=True)
            ids = known_ids(categories[:, np.array(few)], sizes, keys=keys)
            parts += [
                jax.nn.one_hot(ids[:, index], size, dtype=self.scaling.dtype)
                for index, size in enumerate(sizes)
            ]
        if many:
            vectors = self.vectors(categories[:, np.array(many)], keys=fold_each(keys, 1))
            parts.append(vectors.reshape(len(numbers), -1))
        return jnp.concatenate(parts, axis=1)


def positions(config: RowConfig, *, one_hot: bool) -> tuple[int, ...]:
    """Positions of the categories that enter one-hot, or of the others."""
    sizes = enumerate(config.category_sizes)
    return tuple(index for index, size in sizes if (size <= MOST_ONE_HOT) == one_hot)


def sizes_of(config: RowConfig, *, one_hot: bool) -> tuple[int, ...]:
    """Their ids, the unknown token included."""
    return tuple(config.category_sizes[index] for index in positions(config, one_hot=one_hot))


def _widths(config: RowConfig) -> Iterator[int]:
    """Inputs of the network that come from each feature, in their order."""
    yield from [config.embedding] * len(config.numbers)
    yield from sizes_of(config, one_hot=True)
    yield from [config.embedding] * len(positions(config, one_hot=False))


def _scaling(config: RowConfig, key: PRNGKeyArray) -> Float[Array, "members inputs"]:
    """Normal at first, one number for all inputs of a feature (section 3 of the paper)."""
    widths = jnp.array([*_widths(config)])
    drawn = jax.random.normal(key, (config.members, len(widths)))
    return jnp.repeat(drawn, widths, axis=1, total_repeat_length=sum(_widths(config)))
