"""FT-Transformer: every feature of a row is a token, and attention mixes them.

Gorishniy, Rubachev, Khrulkov, Babenko, "Revisiting Deep Learning Models for Tabular Data" (NeurIPS
2021). Defaults are those of the package rtdl_revisiting_models for three blocks, with which a test
compares this network: width 192, 8 heads, ReGLU with a factor of 4/3, dropout .2 of attention and
.1 of hidden units; AdamW at 1e-4 with a weight decay of 1e-5, but none on tokens, norms and biases.

::

    numbers, categories --tokens--> [CLS, tokens] --blocks--> CLS --norm, relu, dense--> outputs

    block:  x + attention(norm(x)),  then  x + dense(reglu(dense(norm(x))))

The first block has no norm before its attention. In the last block only the CLS token asks.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from spline_lstm.models.layers import Dense, LayerNorm, fold_each
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.row_layers import CategoryTokens, LinearTokens, drop, uniform

Tokens = Float[Array, "rows tokens width"]


class FTTransformer(nnx.Module):
    """Numbers, missing and categories [rows, ...] -> [rows, outputs]; see the module."""

    # Parts of names of weights that do not decay.
    undecayed: ClassVar[tuple[str, ...]] = ("numbers", "categories", "cls", "norm", "bias")

    def __init__(self, config: RowConfig, *, key: PRNGKeyArray) -> None:
        of_numbers, of_categories, of_cls, of_blocks, of_head = jax.random.split(key, 5)
        width = config.width
        self.config = nnx.static(config)
        self.cls = nnx.Param(uniform(of_cls, (width,), width))
        if config.numbers:
            self.numbers = LinearTokens(len(config.numbers), width, key=of_numbers)
        if config.categories:
            sizes = config.category_sizes
            self.categories = CategoryTokens(sizes, width, biased=True, key=of_categories)
        self.blocks = nnx.List(
            [
                Block(config, is_first=index == 0, key=each)
                for index, each in enumerate(jax.random.split(of_blocks, config.blocks))
            ]
        )
        self.norm = LayerNorm(width)
        self.head = Dense(width, config.outputs, key=of_head)

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
        cls = jnp.broadcast_to(self.cls[...], (len(numbers), 1, config.width))
        tokens = [cls]
        if config.numbers:
            tokens.append(self.numbers(numbers, missing))
        if config.categories:
            tokens.append(self.categories(categories, keys=keys))
        x = jnp.concatenate(tokens, axis=1)
        for index, block in enumerate(self.blocks):
            is_last = index == config.blocks - 1
            x = block(x, asking=1 if is_last else x.shape[1], keys=fold_each(keys, index + 1))
        return self.head(jax.nn.relu(self.norm(x[:, 0])))


class Block(nnx.Module):
    """Attention and a feed-forward layer, each added to its input."""

    def __init__(self, config: RowConfig, *, is_first: bool, key: PRNGKeyArray) -> None:
        of_attention, of_hidden, of_out = jax.random.split(key, 3)
        width, hidden = config.width, hidden_units(config)
        self.config = nnx.static(config)
        if not is_first:
            self.attention_norm = LayerNorm(width)
        self.attention = SelfAttention(config, key=of_attention)
        self.norm = LayerNorm(width)
        self.hidden = Dense(width, 2 * hidden, key=of_hidden)
        self.out = Dense(hidden, width, key=of_out)

    def __call__(self, x: Tokens, *, asking: int, keys: PRNGKeyArray | None) -> Tokens:
        """The first `asking` tokens, after they have seen all."""
        config: RowConfig = self.config
        seen = self.attention_norm(x) if hasattr(self, "attention_norm") else x
        added = self.attention(seen, asking=asking, keys=fold_each(keys, 0))
        x = x[:, :asking] + drop(added, config.residual_dropout, keys=fold_each(keys, 1))
        value, gate = jnp.split(self.hidden(self.norm(x)), 2, axis=-1)
        # ReGLU (Shazeer 2020)
        hidden = drop(value * jax.nn.relu(gate), config.dropout, keys=fold_each(keys, 2))
        return x + drop(self.out(hidden), config.residual_dropout, keys=fold_each(keys, 3))


class SelfAttention(nnx.Module):
    """Scaled dot products in several heads (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, config: RowConfig, *, key: PRNGKeyArray) -> None:
        width = config.width
        self.config = nnx.static(config)
        self.query, self.key, self.value, self.out = (
            Dense(width, width, key=each) for each in jax.random.split(key, 4)
        )

    def __call__(self, x: Tokens, *, asking: int, keys: PRNGKeyArray | None) -> Tokens:
        """What the first `asking` tokens learn from all."""
        config: RowConfig = self.config
        units = config.width // config.heads

        def split(x: Tokens) -> Float[Array, "rows tokens heads units"]:
            return x.reshape(*x.shape[:2], config.heads, units)

        query, key, value = split(self.query(x[:, :asking])), split(self.key(x)), self.value(x)
        scores = jnp.einsum("rqhu,rkhu->rhqk", query, key) / units**0.5
        attention = drop(jax.nn.softmax(scores), config.attention_dropout, keys=keys)
        learned = jnp.einsum("rhqk,rkhu->rqhu", attention, split(value))
        return self.out(learned.reshape(len(x), asking, config.width))


def hidden_units(config: RowConfig) -> int:
    """Units of the feed-forward layer of a block, after ReGLU."""
    return int(config.width * config.hidden_factor)
