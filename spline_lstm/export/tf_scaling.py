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
    robust          median of d          median of d + center32  max(median(abs(z0)) / 0.674, 0.1)

With masks among the features, mean and median are those of the observed entries. Features other
than targets are scaled as with ``none``. With a power, ``x`` are transformed targets. A file that
is fed its scaling (`fed_scaling`) has the level removed already: ``d`` is its input, center32 and
shift are 0; except of targets with a power, whose center it subtracts itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.export.formats import CENTER, FUTURE, HISTORY, SCALE
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_power import forward
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.export.tf_statistics import counted, mean, median
from spline_lstm.models.config import MAD_OF_NORMAL, ROBUST_FLOOR, VARIANCE_FLOOR


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


@dataclass(frozen=True)
class ScalingConstants:
    """Scaling of the history.

    Attributes
    ----------
    center, rest : [F_total], see `split_center`; None and zeros if the history comes without level;
        [batch, 1, F_total] and zeros if only the targets come with it
    target_center : [F_target] or [batch, 1, F_target], the center of the targets, 0 without level
    per_scale : [F_total] or [batch, 1, F_total], 1 / scale
    target_scale, target_per_scale : [F_target] or [batch, 1, F_target], the same of the targets
    """

    center: Tensor | None
    rest: np.ndarray
    target_center: Tensor
    per_scale: Tensor
    target_scale: Tensor
    target_per_scale: Tensor


def scaling_constants(tf: Any, spec: EdgeSpec, given: Mapping[str, Tensor]) -> ScalingConstants:
    """Of the history, from inside the file or from its inputs."""
    if spec.fed is None:
        center, rest = split_center(spec.center)
        per_scale = (1 / spec.scale).astype(np.float32)
        scale = spec.target_scale.astype(np.float32)
        columns = list(spec.config.target_indices)
        # Labels that are not among the features have no level.
        level = center[columns] if columns else np.zeros_like(scale)
        of_targets = per_scale[columns] if columns else np.ones_like(scale)
        return ScalingConstants(center, rest, level, per_scale, scale, of_targets)
    scale = given[SCALE][:, None, :]
    rest = np.zeros(len(spec.config.features), np.float32)
    of_targets = targets_of(tf, spec, scale)
    center, target_center = None, np.zeros(len(spec.config.targets), np.float32)
    if spec.fed.whole:
        whole = np.isin(np.arange(len(rest)), spec.fed.whole).astype(np.float32)
        center = given[CENTER][:, None, :] * whole
        target_center = targets_of(tf, spec, center)
    return ScalingConstants(center, rest, target_center, 1.0 / scale, of_targets, 1.0 / of_targets)


def normalize(tf: Any, spec: EdgeSpec, given: Mapping[str, Tensor]) -> tuple[Tensor, TargetLevels]:
    """Raw history to the inputs of the network.

    Parameters
    ----------
    tf : the module tensorflow
    given : inputs of the file by name
        The history [batch, lookback, F_total] is in data units.

    Returns
    -------
    z : [batch, rows read, F_total]
    levels : TargetLevels
    """
    history, constants = given[HISTORY], scaling_constants(tf, spec, given)
    history = history if spec.power is None else forward(tf, spec.power, history)
    if spec.config.rows_read < spec.config.lookback:
        history = history[:, -spec.config.rows_read :]
    center, rest, per_scale = constants.center, constants.rest, constants.per_scale
    target_scale = constants.target_scale
    centered = history if center is None else history - center
    if spec.config.normalization == "none":
        if spec.fed is not None:
            return centered * per_scale, TargetLevels(constants.target_center, target_scale)
        level = constants.target_center
        # In z-scores, because a converter would merge two subtractions in data units into one.
        return centered * per_scale - rest * per_scale, TargetLevels(level, target_scale)
    if spec.config.normalization == "last":
        z = (centered - _of_targets_or(spec, centered[:, -1:, :], rest)) * per_scale
        return z, TargetLevels(targets_of(tf, spec, history[:, -1:, :]), target_scale)
    masks = list(spec.config.mask_indices)
    counts = counted(tf, tf.gather(history, masks, axis=2)) if masks else None
    of_targets = targets_of(tf, spec, centered)
    robust = spec.config.normalization == "robust"
    shift = (median if robust else mean)(tf, of_targets, counts)
    scores = (of_targets - shift) * constants.target_per_scale
    window_std = _window_std(tf, scores, counts, robust=robust)
    z = (centered - _of_targets_or(spec, _placed(tf, spec, shift), rest)) * per_scale
    divisor = _of_targets_or(spec, _placed(tf, spec, window_std), np.ones_like(rest))
    level = shift if center is None else shift + constants.target_center
    return z / divisor, TargetLevels(level, window_std * target_scale)


def _window_std(tf: Any, scores: Tensor, counts: Tensor | None, *, robust: bool) -> Tensor:
    """Scale [batch, 1, F_target] of the targets around the middle of their window, z-scores."""
    if robust:
        deviation = median(tf, tf.abs(scores), counts) * np.float32(1 / MAD_OF_NORMAL)
        return tf.maximum(deviation, np.float32(ROBUST_FLOOR))
    return tf.sqrt(mean(tf, scores * scores, counts) + np.float32(VARIANCE_FLOOR))


def scale_future(tf: Any, spec: EdgeSpec, given: Mapping[str, Tensor]) -> Tensor | None:
    """Known-future features [batch, horizon, F_future] to z-scores, if the model reads any."""
    if FUTURE not in given:
        return None
    future = given[FUTURE]
    indices = [spec.config.features.index(name) for name in spec.config.future_features]
    if spec.fed is not None:
        return future / tf.gather(given[SCALE], indices, axis=1)[:, None, :]
    center, rest = split_center(spec.center[indices])
    per_scale = (1 / spec.scale[indices]).astype(np.float32)
    return (future - center) * per_scale - rest * per_scale


def denormalize(outputs: Tensor, levels: TargetLevels) -> Tensor:
    """Outputs of the network [batch, horizon, F_target] to data units."""
    return outputs * levels.scale + levels.level


def clipped(tf: Any, spec: EdgeSpec, values: Tensor, given: Mapping[str, Tensor]) -> Tensor:
    """Forecasts [batch, horizon, F_target] or quantiles, inside the bounds of the targets."""
    if spec.bounds is None:
        return values
    for side, limit in zip(spec.bounds.T.astype(np.float32), (tf.maximum, tf.minimum), strict=True):
        if np.isfinite(side).any():
            bound: Tensor = side[None, None]
            if spec.fed is not None and not spec.fed.whole:
                bound = bound - targets_of(tf, spec, given[CENTER][:, None, :])
            values = limit(values, bound if len(values.shape) == 3 else bound[..., None])
    return values


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


def _placed(tf: Any, spec: EdgeSpec, of_targets: Tensor) -> Tensor:
    """[batch, 1, F_target] at the places of the targets in [batch, 1, F_total]."""
    indices, features = spec.config.target_indices, range(len(spec.config.features))
    if indices == tuple(features):
        return of_targets
    places = [indices.index(feature) if feature in indices else 0 for feature in features]
    return tf.gather(of_targets, places, axis=2)


def targets_of(tf: Any, spec: EdgeSpec, of_features: Tensor) -> Tensor:
    """The targets of [batch, rows, F_total]."""
    indices = spec.config.target_indices
    everything = indices == tuple(range(len(spec.config.features)))
    return of_features if everything else tf.gather(of_features, indices, axis=2)
