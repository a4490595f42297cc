"""A network beside a linear forecast in TensorFlow, in float32 and in data units.

The formulas are those of `spline_lstm.models.combined` and `spline_lstm.models.skips`, rearranged
around the last row x of each target, so that a high level costs no digits::

    forecast = x + (w_linear + w_network) (linear - x) + w_network addition
                 + sum_s w_s (seasonal naive_s - x)

Without a stack the weight of the network is 1, and the others are 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spline_lstm.export.formats import FORECAST, HISTORY, QUANTILES
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_linear import linear_changes
from spline_lstm.export.tf_power import backward, forward, power_bounds
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.export.tf_scaling import (
    ScalingConstants,
    TargetLevels,
    scaling_constants,
    targets_of,
)
from spline_lstm.models.combined import Combination
from spline_lstm.models.config import DIFFERENCE_CAP, LEVEL_CAP, ModelConfig
from spline_lstm.models.seasons import season_rows


@dataclass(frozen=True)
class Skips:
    """What leaves the history on another way than through the cells.

    Attributes
    ----------
    targets : [batch, lookback, F_target] data units
    change : [batch, horizon, F_target] linear forecast less the last row, data units; without a
        linear part it is None
    powers, power_change : the same after the power of the targets, if they have one
    head : what the head sees, for `tf_network.network`; None without a seasonal skip
    scale : [F_target] or [batch, 1, F_target] data units, or their powers, per z-score
    bounds : of powers, see `power_bounds`; None without them
    """

    targets: Tensor
    change: Tensor
    powers: Tensor
    power_change: Tensor
    head: Tensor
    scale: Tensor
    bounds: tuple[Tensor, Tensor] | None

    @property
    def last(self) -> Tensor:
        """The last row [batch, 1, F_target], data units."""
        return self.targets[:, -1:]


def read_skips(tf: Any, spec: EdgeSpec, given: Mapping[str, Tensor]) -> Skips:
    """From the inputs of the file by name."""
    config, constants = spec.config, scaling_constants(tf, spec, given)
    targets, change, head = targets_of(tf, spec, given[HISTORY]), None, None
    if config.is_combined:
        forecasters = Combination.of(spec.weights, config).forecasters
        change = linear_changes(tf, spec, forecasters, given)
    powers, power_change, power = targets, change, spec.target_power
    if power is not None:
        powers = forward(tf, power, targets)
        if change is not None:
            power_change = forward(tf, power, targets[:, -1:] + change) - powers[:, -1:]
    if config.seasonal_skip:
        head = _head_inputs(tf, spec, constants, powers, power_change)
    bounds = power_bounds(spec, given)
    return Skips(targets, change, powers, power_change, head, constants.target_scale, bounds)


def _head_inputs(
    tf: Any,
    spec: EdgeSpec,
    constants: ScalingConstants,
    targets: Tensor,
    change: Tensor | None,
) -> Tensor:
    """As `models.skips.head_inputs`: [batch, width], of independent channels one after another."""
    config, last = spec.config, targets[:, -1:]
    columns, scale = list(config.target_indices), constants.target_scale
    level = (last - constants.target_center) / scale - constants.rest[columns] / scale
    changes = [_season_change(tf, config, targets, season) for season in config.seasons]
    changes += [change] if config.sees_linear else []
    parts = [tf.clip_by_value(level, -LEVEL_CAP, LEVEL_CAP)]
    parts += [_bounded(tf, each / scale) for each in changes]
    if config.is_independent:
        rows = tf.concat(parts, axis=1)
        return tf.reshape(tf.transpose(rows, [0, 2, 1]), [-1, config.skip_width])
    flat = [tf.reshape(part, [-1, part.shape[1] * part.shape[2]]) for part in parts]
    return tf.concat(flat, axis=1)


def addition(
    tf: Any,
    spec: EdgeSpec,
    skips: Skips,
    weights: Any,
    output: Tensor,
    levels: TargetLevels,
) -> Tensor:
    """What a network adds, without its factor [batch, horizon, F_target, levels].

    In data units, or in their powers.
    """
    config, residual = spec.config, Combination.of(spec.weights, spec.config).residual_scale
    added = output * levels.for_quantiles().scale
    if config.linear_skip == "beside":
        # What it forecasts by itself, less the linear forecast.
        of_level = levels.level - skips.powers[:, -1:] - skips.power_change
        added = added + tf.expand_dims(of_level, 3)
    if config.linear_skip == "trained":
        differences = _bounded(tf, (skips.powers - skips.powers[:, -1:]) / skips.scale)
        kernel = weights["correction.kernel"]
        each = [
            tf.matmul(differences[:, :, index], kernel[0 if config.is_independent else index])
            for index in range(len(config.targets))
        ]
        added = added + tf.expand_dims(tf.stack(each, axis=2) * skips.scale, 3)
    return added * residual[:, :, None]


def combined(
    tf: Any, spec: EdgeSpec, skips: Skips, additions: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Outputs of the file from the additions of all members."""
    config, parts = spec.config, Combination.of(spec.weights, spec.config)
    shares = parts.factor / np.float32(len(additions))
    added = additions[0] * shares[0]
    for each, share in zip(additions[1:], shares[1:], strict=True):
        added = added + each * share

    def change_of(values: Tensor) -> Tensor:
        return _in_data_units(tf, spec, skips, values)

    if config.quantiles:
        # Descending order of the negative values: TFLite and ONNX have TopK, but no sort.
        rising = -tf.math.top_k(-added, k=config.levels).values
        return {
            FORECAST: skips.last + (skips.change + change_of(added[..., config.median])),
            QUANTILES: skips.last[..., None] + (skips.change[..., None] + change_of(rising)),
        }
    added = change_of(added[..., 0])
    if parts.stack is None:
        return {FORECAST: skips.last + (skips.change + added)}
    weights = parts.stack.T.astype(np.float32)
    total = skips.change * (weights[0] + weights[1]) + added * weights[1]
    for season, weight in zip(config.seasons, weights[3:], strict=True):
        total = total + _season_change(tf, config, skips.targets, season) * weight
    return {FORECAST: skips.last + total}


def _in_data_units(tf: Any, spec: EdgeSpec, skips: Skips, added: Tensor) -> Tensor:
    """What is added to the linear forecast, data units; [batch, horizon, F_target, ...]."""
    power = spec.target_power
    if power is None or skips.bounds is None:
        return added
    linear, transformed = skips.last + skips.change, skips.powers[:, -1:] + skips.power_change
    if len(added.shape) == 4:
        linear, transformed = linear[..., None], transformed[..., None]
    return backward(tf, power, transformed + added, skips.bounds) - linear


def _season_change(tf: Any, config: ModelConfig, targets: Tensor, season: int) -> Tensor:
    """The seasonal naive forecast less the last row [batch, horizon, F_target], data units."""
    rows = config.lookback + season_rows(season, config.horizon)
    return tf.gather(targets, rows.tolist(), axis=1) - targets[:, -1:]


def _bounded(tf: Any, differences: Tensor) -> Tensor:
    return tf.clip_by_value(differences, -DIFFERENCE_CAP, DIFFERENCE_CAP)
