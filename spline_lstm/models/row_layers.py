"""What the networks of rows share: how numbers and categories enter, dropout, members' mean."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from spline_lstm.models.layers import UNKNOWN_SHARE
from spline_lstm.models.row_config import RowConfig, most_pieces, piece_arrays

# Of what is dropped, in parts of 2^16: half as many random bits as a float32 needs.
PARTS = 2**16


class LinearTokens(nnx.Module):
    """A vector for each number: ``number * kernel + bias``, or a learned one where it is missing.

    The feature tokenizer of Gorishniy et al. (NeurIPS 2021), uniform in +-1/sqrt(width) at first.
    """

    def __init__(self, numbers: int, width: int, *, key: PRNGKeyArray) -> None:
        shape = (numbers, width)
        self.kernel, self.bias, self.missing = (
            nnx.Param(uniform(each, shape, width)) for each in jax.random.split(key, 3)
        )

    def __call__(
        self, numbers: Float[Array, "rows numbers"], missing: Bool[Array, "rows numbers"]
    ) -> Float[Array, "rows numbers width"]:
        """Vectors of the numbers of rows."""
        vectors = numbers[..., None].astype(self.kernel.dtype) * self.kernel[...] + self.bias[...]
        return jnp.where(missing[..., None], self.missing[...], vectors)


class CategoryTokens(nnx.Module):
    """A vector for each category of a row, from one table of all ids.

    Parameters
    ----------
    sizes : ids of each category, the unknown token (0) included; ids out of range count as it
    width : of a vector
    biased : whether the vectors of a category share a learned bias
    """

    def __init__(
        self, sizes: Sequence[int], width: int, *, biased: bool = False, key: PRNGKeyArray
    ) -> None:
        of_table, of_bias = jax.random.split(key)
        self.sizes = nnx.static(tuple(sizes))
        self.table = nnx.Param(uniform(of_table, (sum(sizes), width), width))
        if biased:
            self.bias = nnx.Param(uniform(of_bias, (len(sizes), width), width))

    def __call__(
        self, ids: Int[Array, "rows categories"], *, keys: PRNGKeyArray | None = None
    ) -> Float[Array, "rows categories width"]:
        """Vectors of the ids; with `keys`, one per row, some ids become unknown."""
        offsets = np.cumsum([0, *self.sizes[:-1]])
        vectors = self.table[...][known_ids(ids, self.sizes, keys=keys) + offsets]
        return vectors + self.bias[...] if hasattr(self, "bias") else vectors


def known_ids(
    ids: Int[Array, "rows categories"], sizes: Sequence[int], *, keys: PRNGKeyArray | None
) -> Int[Array, "rows categories"]:
    """Ids, 0 for those out of range; with `keys` also for some others, so that 0 is learned."""
    known = (ids >= 0) & (ids < jnp.array(sizes))
    if keys is not None:
        draw = jax.vmap(lambda key: jax.random.bernoulli(key, UNKNOWN_SHARE, ids.shape[1:]))
        known &= ~draw(keys)
    return jnp.where(known, ids, 0)


class PieceTokens(nnx.Module):
    """A vector for each number, linear in each of its pieces; learned where it is missing.

    ``number * kernel + bias + pieces @ piece_kernel``: version "B" of the piecewise-linear
    embeddings (Gorishniy et al., NeurIPS 2022), as TabM uses it. The piece kernel starts at zero,
    so that the vector is linear in the number at first.

    Parameters
    ----------
    bins : edges of the pieces of each number, ascending
    width : of a vector
    """

    def __init__(self, bins: Sequence[Sequence[float]], width: int, *, key: PRNGKeyArray) -> None:
        self.bins = nnx.static(tuple(map(tuple, bins)))
        self.linear = LinearTokens(len(bins), width, key=key)
        self.piece_kernel = nnx.Param(jnp.zeros((len(bins), most_pieces(bins), width)))

    def __call__(
        self, numbers: Float[Array, "rows numbers"], missing: Bool[Array, "rows numbers"]
    ) -> Float[Array, "rows numbers width"]:
        """Vectors of the numbers of rows."""
        shares = pieces(numbers, self.bins).astype(self.piece_kernel.dtype)
        shares = jnp.where(missing[..., None], 0.0, shares)
        added = jnp.einsum("rnp,npw->rnw", shares, self.piece_kernel[...])
        return self.linear(numbers, missing) + added


def pieces(
    numbers: Float[Array, "rows numbers"], bins: Sequence[Sequence[float]]
) -> Float[Array, "rows numbers pieces"]:
    """Piecewise-linear encoding: 1 for pieces below a number, the share of its own, 0 above.

    Equation 1 of Gorishniy et al. (NeurIPS 2022); beyond the edges the outer pieces go on.
    """
    left, inverse, low, high = piece_arrays(bins)
    return jnp.clip((numbers[..., None] - left) * inverse, low, high)


def drop(
    x: Float[Array, "rows ..."], rate: float, *, keys: PRNGKeyArray | None
) -> Float[Array, "rows ..."]:
    """Zero a share of `x` and scale the rest (Srivastava et al., JMLR 2014), with a key per row.

    Without keys `x` stays as it is. The share is a multiple of 2^-16.
    """
    parts = round(rate * PARTS)
    if parts == 0 or keys is None:
        return x
    draw = jax.vmap(lambda key: jax.random.bits(key, x.shape[1:], jnp.uint16))
    return jnp.where(draw(keys) >= parts, x / (1.0 - parts / PARTS), 0.0)


def members_mean(
    outputs: Float[Array, "rows members outputs"], kind: str
) -> Float[Array, "rows outputs"]:
    """The prediction of members: their mean value, or the logits of their mean probabilities."""
    if kind == "regression":
        return outputs.mean(axis=1)
    if outputs.shape[-1] == 1:
        positive, negative = (
            jax.nn.logsumexp(jax.nn.log_sigmoid(sign * outputs), axis=1) for sign in (1.0, -1.0)
        )
        return positive - negative
    # The mean's constant factor, 1 / members, changes no probability.
    return jax.nn.logsumexp(jax.nn.log_softmax(outputs), axis=1)


def ensemble_mean(
    outputs: Float[Array, "members rows outputs"], kind: str
) -> Float[Array, "rows outputs"]:
    """The prediction of an ensemble of networks, as `members_mean`."""
    return members_mean(jnp.moveaxis(outputs, 0, 1), kind)


def probabilities(
    outputs: Float[Array, "... rows outputs"], config: RowConfig
) -> Float[Array, "... rows outputs"]:
    """What the outputs of a network mean: probabilities, or values of a regression as they are."""
    if config.kind == "regression":
        return outputs
    return jax.nn.sigmoid(outputs) if config.outputs == 1 else jax.nn.softmax(outputs)


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan: int) -> Array:
    """Uniform in +-1/sqrt(fan)."""
    return jax.random.uniform(key, shape, minval=-(fan**-0.5), maxval=fan**-0.5)
