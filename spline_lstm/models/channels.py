"""Independent channels: a window with several targets as adjacent windows with one each."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray


def split_channels(
    x: Float[Array, "batch lookback features"],
    future: Float[Array, "batch horizon future_features"] | None,
    vector: Float[Array, "batch dims"],
    table: Float[Array, "targets width"],
    target_indices: tuple[int, ...],
) -> tuple[
    Float[Array, "channels lookback kept"],
    Float[Array, "channels horizon future_features"] | None,
    Float[Array, "channels all_dims"],
]:
    """One window per target: [its target, the features that are not targets].

    A row of `table` joins the vector of each window, so that the network can distinguish the
    targets.
    """
    batch, _, features = x.shape
    channels = len(target_indices)
    others = np.setdiff1d(np.arange(features), target_indices)
    targets = per_channel(x[:, :, np.array(target_indices)])
    x = jnp.concatenate([targets, jnp.repeat(x[:, :, others], channels, axis=0)], axis=-1)
    future = None if future is None else jnp.repeat(future, channels, axis=0)
    vector = jnp.concatenate(
        [jnp.repeat(vector, channels, axis=0), jnp.tile(table, (batch, 1))], axis=-1
    )
    return x, future, vector


def per_channel(values: Float[Array, "batch rows targets"]) -> Float[Array, "channels rows 1"]:
    """Move the targets into the batch axis."""
    batch, rows, targets = values.shape
    return jnp.moveaxis(values, 2, 1).reshape(batch * targets, rows, 1)


def split_keys(keys: PRNGKeyArray, channels: int) -> PRNGKeyArray:
    """Keys [batch * channels] of the channels, derived from those of the windows [batch]."""
    return jax.vmap(lambda key: jax.random.split(key, channels))(keys).reshape(-1)


def join_channels(
    forecast: Float[Array, "channels horizon 1 levels"], targets: int
) -> Float[Array, "batch horizon targets levels"]:
    """Forecasts of `split_channels` windows, with the targets of a window on one axis again."""
    channels, horizon, _, levels = forecast.shape
    return jnp.moveaxis(forecast.reshape(channels // targets, targets, horizon, levels), 1, 2)
