"""The linear forecaster in TensorFlow, in float32 and in data units.

The formula is that of `spline_lstm.models.linear`, rearranged around the last row x of a window, so
that a large center costs no digits and weights in fewer bits only meet differences::

    u = (rows - x) / scale          l = (x - center) / scale
    z = u W + l sum(W) + b          natural scale:     x + scale (z - l)
                                    of logarithms:     x exp(scale (min(z, cap) - l)),
                                                       rows: log(max(rows, floor)),
                                                       cap: LOG_CAP + max(l, 0)

The constants are those of all series; a file that is fed its scaling (`fed_scaling`) reads those of
the window, and rows less the center.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spline_lstm.export.formats import (
    CENTER,
    FORECAST,
    HISTORY,
    LINEAR_CENTER,
    LINEAR_SCALE,
    LOG_CENTER,
    LOG_FLOOR,
    LOG_SCALE,
    SCALE,
)
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.export.tf_scaling import split_center
from spline_lstm.models.linear import LOG_CAP, LinearForecaster, Scale
from spline_lstm.models.linear_targets import from_arrays
from spline_lstm.windows.fed_scaling import FedScaling


@dataclass(frozen=True)
class _Constants:
    """Of one scale and the windows of a batch, [1] or [batch, 1].

    Attributes
    ----------
    center, rest : see `split_center`; the center is 0 if the rows come without it
    size : data units (or logarithms) per z-score
    floor : smallest value whose logarithm is taken, data units
    offset : what the rows lack, data units; None: nothing
    """

    center: Tensor
    rest: Tensor
    size: Tensor
    floor: Tensor
    offset: Tensor | None


def linear_function(tf: Any, spec: EdgeSpec) -> Callable[[Mapping[str, Tensor]], dict[str, Tensor]]:
    """Inputs of the file by name to the forecast [batch, horizon, F_target]."""
    indices = spec.config.target_indices
    forecasters = from_arrays(spec.weights, len(indices))

    def forecast(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        last = tf.gather(given[HISTORY][:, -1:], indices, axis=2)
        return {FORECAST: last + linear_changes(tf, spec, forecasters, given)}

    return forecast


def linear_changes(
    tf: Any,
    spec: EdgeSpec,
    forecasters: Sequence[LinearForecaster],
    given: Mapping[str, Tensor],
) -> Tensor:
    """Forecasts of the targets less their last row, data units: [batch, horizon, F_target].

    Parameters
    ----------
    forecasters : of each target
    given : inputs of the file by name
    """
    each = []
    pairs = zip(spec.config.target_indices, forecasters, strict=True)
    for target, (index, forecaster) in enumerate(pairs):
        fed = None if spec.fed is None else _of_windows(given, index, target, spec.fed)
        each.append(_of_target(tf, forecaster, given[HISTORY][:, :, index], fed))
    return tf.stack(each, axis=2)


def _of_windows(
    given: Mapping[str, Tensor], index: int, target: int, scaling: FedScaling
) -> Callable[[bool], _Constants]:
    """Constants of a target as the file is fed them, of the natural or the logarithmic scale."""

    def column(name: str, position: int) -> Tensor:
        return given[name][:, position, None]

    def constants(log: bool) -> _Constants:
        zero = np.zeros(1, np.float32)
        if log:
            names = (LOG_CENTER, LOG_SCALE, LOG_FLOOR)
            center, size, floor = (column(name, target) for name in names)
            offset = None if index in scaling.whole else column(CENTER, index)
            return _Constants(center, zero, size, floor, offset)
        if LINEAR_CENTER not in given:
            return _Constants(zero, zero, column(SCALE, index), zero, None)
        center, size = (column(name, target) for name in (LINEAR_CENTER, LINEAR_SCALE))
        return _Constants(center, zero, size, zero, None)

    return constants


def _of_all_series(scale: Scale) -> _Constants:
    center, rest = split_center(scale.center[-1:])
    size, floor = scale.scale[-1:].astype(np.float32), np.float32(scale.floor[-1])
    return _Constants(center, rest, size, floor, None)


def _of_target(
    tf: Any,
    forecaster: LinearForecaster,
    rows: Tensor,
    fed: Callable[[bool], _Constants] | None,
) -> Tensor:
    """Rows [batch, lookback] to the forecast less the last row [batch, horizon]."""
    parts = [
        _on_scale(
            tf, forecaster, index, rows, _of_all_series(scale) if fed is None else fed(scale.log)
        )
        for index, scale in enumerate(forecaster.scales)
    ]
    shares = forecaster.share.astype(np.float32)
    total = parts[0] * shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        total = total + part * share
    return total


def _on_scale(
    tf: Any, forecaster: LinearForecaster, index: int, rows: Tensor, of: _Constants
) -> Tensor:
    log, kernel = forecaster.scales[index].log, forecaster.kernel[index].copy()
    sums = kernel.sum(axis=0)
    # The last row's difference to itself is 0.
    kernel[-1] = 0.0
    size = of.size
    whole = floored = rows if of.offset is None else rows + of.offset
    if log:
        floored = tf.maximum(whole, of.floor)
        rows = tf.math.log(floored)
    last = rows[:, -1:]
    level = (last - of.center) / size - of.rest / size
    differences = tf.matmul((rows - last) / size, kernel.astype(np.float32))
    intercept = forecaster.intercept[index].astype(np.float32)
    if not log:
        return (differences + level * (sums - 1.0).astype(np.float32) + intercept) * size
    z = differences + level * sums.astype(np.float32) + intercept
    cap = tf.maximum(level, np.float32(0.0)) + np.float32(LOG_CAP)
    growth = (tf.minimum(z, cap) - level) * size
    last_whole, last_floored = whole[:, -1:], floored[:, -1:]
    return last_floored * (tf.exp(growth) - 1.0) + (last_floored - last_whole)
