"""What a network sees of a window beside the states of its cells.

Differences to the last value of each target, z-scores, at most `DIFFERENCE_CAP` away from 0, so
that a spike outside of the training data cannot blow up the head::

    head        level, values one season ago of every step (for each season), linear forecast
    correction  all rows of the lookback; a linear map of them adds to the forecast

The phase of a season is not among them: calendar features tell it, and the head sees those of the
horizon. Everything here is a function of the history, so an exported file needs no other input.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from spline_lstm.models.config import DIFFERENCE_CAP, LEVEL_CAP, ModelConfig
from spline_lstm.models.seasons import season_rows


def head_inputs(
    targets: Float[Array, "batch lookback targets"],
    linear: Float[Array, "batch horizon targets"] | None,
    config: ModelConfig,
) -> Float[Array, "batch width"]:
    """What the head sees with a seasonal skip: `config.skip_width` numbers.

    Parameters
    ----------
    targets : [batch, lookback, F_target] z-scores, of all rows of the lookback
    linear : [batch, horizon, F_target] z-scores of the linear forecast; None without one
    """
    last = targets[:, -1:]
    parts = [jnp.clip(last, -LEVEL_CAP, LEVEL_CAP)]
    for season in config.seasons:
        rows = config.lookback + season_rows(season, config.horizon)
        parts.append(difference(targets[:, rows], last))
    if linear is not None:
        parts.append(difference(linear, last))
    return jnp.concatenate([part.reshape(len(targets), -1) for part in parts], axis=1)


def corrected(
    targets: Float[Array, "batch lookback targets"],
    kernel: Float[Array, "targets lookback horizon"],
) -> Float[Array, "batch horizon targets"]:
    """What a trained linear part adds: a linear map of the rows of each target."""
    return jnp.einsum("blt,tlh->bht", difference(targets, targets[:, -1:]), kernel)


def difference(
    values: Float[Array, "batch rows targets"], last: Float[Array, "batch 1 targets"]
) -> Float[Array, "batch rows targets"]:
    """Bounded differences to the last value."""
    return jnp.clip(values - last, -DIFFERENCE_CAP, DIFFERENCE_CAP)
