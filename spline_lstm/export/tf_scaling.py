"""Scaling and window normalisation inside the exported graph, in float32 and in data units.

The formulas are those of `spline_lstm.windows.scaling` and `spline_lstm.models.normalization`,
rearranged: with mean 1e6 and standard deviation 1, ``x / scale - center / scale`` would keep no
digit. The center is subtracted first, as the nearest float32 number (exact for x near the center),
and the level of a window is added back in data units::

    d = x - center32                 z = (d - shift) / scale / std
    f = network(z)                   forecast = f * scale * std + level

    normalisation   shift                level                   std (of the window)
    none            center - center32    center32                1
    last            d of the last row    x of the last row       1
    revin           mean of d            mean of d + center32    sqrt(mean(z0^2) + 1e-5),
                                                                 z0 = (d - shift) / scale

Features other than targets are scaled as with ``none``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.models.config import VARIANCE_FLOOR


@dataclass(frozen=True)
class TargetLevels:
    """Constants of each window that turn the outputs of the network into data units.

    Attributes
    ----------
    level : [batch, 1, F_target] or [F_target], data units
    scale : [batch, 1, F_target] or [F_target], data units per output
    """

    level: Tensor
    scale: Tensor

    def for_quantiles(self) -> "TargetLevels":
        """The same for outputs with a last axis of quantile levels."""
        return TargetLevels(self.level[..., None], self.scale[..., None])


def normalize(tf: Any, spec: EdgeSpec, history: Tensor) -> tuple[Tensor, TargetLevels]:
    """Raw history to the inputs of the network.

    Parameters
    ----------
    tf : the module tensorflow
    history : [batch, lookback, F_total], data units

    Returns
    -------
    z : [batch, lookback, F_total]
    levels : TargetLevels
    """
    targets = list(spec.config.target_indices)
    center, rest = split_center(spec.center)
    target_scale = spec.target_scale.astype(np.float32)
    per_scale = (1 / spec.scale).astype(np.float32)
    centered = history - center
    if spec.config.normalization == "none":
        # In z-scores, because a converter would merge two subtractions in data units into one.
        return centered * per_scale - rest * per_scale, TargetLevels(center[targets], target_scale)
    if spec.config.normalization == "last":
        z = (centered - _of_targets_or(spec, centered[:, -1:, :], rest)) * per_scale
        return z, TargetLevels(_targets(tf, spec, history[:, -1:, :]), target_scale)
    mean = tf.reduce_mean(centered, axis=1, keepdims=True)
    z = (centered - _of_targets_or(spec, mean, rest)) * per_scale
    variance = tf.reduce_mean(z * z, axis=1, keepdims=True)
    window_std = tf.sqrt(
        _of_targets_or(spec, variance + np.float32(VARIANCE_FLOOR), np.ones_like(rest))
    )
    levels = TargetLevels(
        _targets(tf, spec, mean + center), _targets(tf, spec, window_std) * target_scale
    )
    return z / window_std, levels


def scale_future(spec: EdgeSpec, future: Tensor) -> Tensor:
    """Known-future features [batch, horizon, F_future], data units, to z-scores."""
    indices = [spec.config.features.index(name) for name in spec.config.future_features]
    center, rest = split_center(spec.center[indices])
    per_scale = (1 / spec.scale[indices]).astype(np.float32)
    return (future - center) * per_scale - rest * per_scale


def denormalize(outputs: Tensor, levels: TargetLevels) -> Tensor:
    """Outputs of the network [batch, horizon, F_target] to data units."""
    return outputs * levels.scale + levels.level


def split_center(center: Float[np.ndarray, " features"]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest float32 numbers, and the remainders, as float32 too.

    >>> nearest, rest = split_center(np.array([1e6 + 0.3]))
    >>> nearest.item(), round(rest.item(), 6)
    (1000000.3125, -0.0125)
    """
    nearest = center.astype(np.float32)
    return nearest, (center - nearest).astype(np.float32)


def _of_targets_or(spec: EdgeSpec, of_window: Tensor, otherwise: np.ndarray) -> Tensor:
    """`of_window` [batch, 1, F_total] for targets, constants `otherwise` [F_total] elsewhere."""
    is_target = np.zeros(len(spec.config.features), np.float32)
    is_target[list(spec.config.target_indices)] = 1.0
    if is_target.all():
        return of_window
    return of_window * is_target + otherwise * (1 - is_target)


def _targets(tf: Any, spec: EdgeSpec, of_features: Tensor) -> Tensor:
    """The targets of [batch, 1, F_total]."""
    indices = spec.config.target_indices
    everything = indices == tuple(range(len(spec.config.features)))
    return of_features if everything else tf.gather(of_features, indices, axis=2)
