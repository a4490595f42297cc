"""The linear forecast beside which a network is trained.

The labels of the network are what the linear forecast misses, and its outputs are in units of the
root mean square of that, step by step: one learning rate then means the same on every series.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Float, Int

from spline_lstm.models.build import NetworkConfig
from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.row_config import RowConfig
from spline_lstm.training.device_windows import LinearTable, padded

# Share of the learning rate at which training corrects the linear forecast: at the full rate it is
# lost within an epoch.
CORRECTION_RATE = 0.03


@dataclass(frozen=True)
class LinearPart:
    """A fitted linear forecast of all targets, and its forecasts of the windows to train on.

    Attributes
    ----------
    forecasters : of each target
    scores : [windows, horizon * F_target] float32, z-scores of its forecasts, and a row of zeros
    position : [rows] int32, row of `scores` of each origin; the last one for other rows
    residual_scale : [horizon, F_target] float32, z-scores per output of the network
    unit : root mean square of all residuals of the training split, z-scores
    train_loss, validation_loss : of the linear forecast alone; mean squared error, with quantiles
        the pinball loss
    quantiles : of the network
    """

    forecasters: tuple[LinearForecaster, ...]
    scores: Float[np.ndarray, "windows values"]
    position: Int[np.ndarray, " rows"]
    residual_scale: Float[np.ndarray, "horizon targets"]
    unit: float
    train_loss: float
    validation_loss: float
    quantiles: tuple[float, ...] = ()

    def in_z_scores(self) -> "LinearPart":
        """For a network that forecasts by itself: its outputs are z-scores."""
        return replace(self, residual_scale=np.ones_like(self.residual_scale))

    def table(self, delta: float, unit: float) -> LinearTable:
        """The arrays that the device needs, and constants of the loss (see `Loss`)."""
        levels = max(1, len(self.quantiles))
        scale = np.repeat(self.residual_scale.reshape(-1), levels)
        return LinearTable(
            scores=jax.device_put(padded(self.scores)),
            position=jax.device_put(padded(self.position)),
            scale=jax.device_put(scale),
            delta=jax.device_put(np.float32(delta)),
            unit=jax.device_put(np.float32(unit)),
        )


def slowed(
    optimizer: optax.GradientTransformation, config: NetworkConfig
) -> optax.GradientTransformation:
    """The optimizer, at a small rate for the correction of a trained linear part."""
    if isinstance(config, RowConfig) or config.linear_skip != "trained":
        return optimizer

    def slow(updates: Any, params: Any) -> Any:
        return jax.tree.map_with_path(
            lambda path, update: (
                update * CORRECTION_RATE if "correction" in jax.tree_util.keystr(path) else update
            ),
            updates,
        )

    return optax.chain(optimizer, optax.stateless(slow))
