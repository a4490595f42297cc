"""Normalisation of each window by its own targets, undone on the forecast.

``last``: subtract the last target value (the N of NLinear; Zeng et al., AAAI 2023).
``revin``: subtract the mean and divide by the standard deviation over the lookback, without learned
affine weights (RevIN; Kim et al., ICLR 2022).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from spline_lstm.models.config import VARIANCE_FLOOR


class WindowScale(NamedTuple):
    """Shift and scale of the targets of each window: [batch, 1, F_target], z-scores."""

    shift: Float[Array, "batch 1 targets"]
    scale: Float[Array, "batch 1 targets"]


def normalize(
    x: Float[Array, "batch lookback features"], target_indices: tuple[int, ...], kind: str
) -> tuple[Float[Array, "batch lookback features"], WindowScale]:
    """Normalise the target channels of `x`; the others stay.

    Parameters
    ----------
    x : [batch, lookback, F_total] z-scores
    target_indices : positions of the targets among the features
    kind : none, last or revin
    """
    x, index = jnp.asarray(x), jnp.array(target_indices)
    targets = x[:, :, index]
    if kind == "last":
        window = WindowScale(targets[:, -1:], jnp.ones_like(targets[:, -1:]))
    elif kind == "revin":
        mean = targets.mean(axis=1, keepdims=True)
        variance = jnp.square(targets - mean).mean(axis=1, keepdims=True)
        window = WindowScale(mean, jnp.sqrt(variance + VARIANCE_FLOOR))
    else:
        return x, WindowScale(jnp.zeros_like(targets[:, -1:]), jnp.ones_like(targets[:, -1:]))
    return x.at[:, :, index].set((targets - window.shift) / window.scale), window


def denormalize(
    forecast: Float[Array, "batch horizon targets"], window: WindowScale
) -> Float[Array, "batch horizon targets"]:
    """Undo `normalize` on a forecast."""
    return forecast * window.scale + window.shift
