"""Logarithms and Box-Cox powers of targets in TensorFlow: `spline_lstm.windows.power` again.

Forecasts are kept inside their bounds before the inverse, so that nothing overflows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spline_lstm.export.formats import POWER_HIGH, POWER_LOW
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.windows.power import Power


def forward(tf: Any, power: Power, values: Tensor) -> Tensor:
    """Columns [batch, rows, columns] in data units to transformed ones."""
    columns = [
        _of_column(tf, power, index, values[:, :, index : index + 1])
        for index in range(len(power.exponent))
    ]
    return tf.concat(columns, axis=2)


def power_bounds(spec: EdgeSpec, given: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """Lowest and highest forecasts of the targets after their power.

    [F_target], or of each window [batch, 1, F_target] if the file is fed them; None without powers.
    """
    power = spec.target_power
    if power is None:
        return None
    if spec.fed is not None:
        return given[POWER_LOW][:, None], given[POWER_HIGH][:, None]
    low, high = (power.forward(bound).astype(np.float32) for bound in (power.low, power.high))
    return low, high


def backward(tf: Any, power: Power, values: Tensor, bounds: tuple[Tensor, Tensor]) -> Tensor:
    """Forecasts [batch, horizon, targets, levels], transformed, to data units.

    `bounds` as `power_bounds` gives them.
    """
    columns = []
    for index, exponent in enumerate(power.exponent.tolist()):
        column = values[:, :, index : index + 1]
        low, high = (_bound(side, index, len(column.shape)) for side in bounds)
        kept = tf.clip_by_value(column, low, high)
        if exponent == 0.0:
            columns.append(tf.exp(kept))
        else:
            base = tf.maximum(kept * np.float32(exponent) + 1.0, 0.0)
            raised = tf.pow(base, np.float32(1.0 / exponent))
            columns.append(raised * np.float32(power.unit[index]))
    return tf.concat(columns, axis=2)


def _bound(side: Tensor, index: int, axes: int) -> Tensor:
    """Of one column, for values with so many axes."""
    if len(side.shape) == 1:
        return side[index]
    column = side[:, :, index : index + 1]
    return column if axes == 3 else column[..., None]


def _of_column(tf: Any, power: Power, index: int, values: Tensor) -> Tensor:
    exponent = float(power.exponent[index])
    if np.isnan(exponent):
        return values
    raised = tf.maximum(values, np.float32(power.floor[index]))
    if exponent == 0.0:
        return tf.math.log(raised)
    shares = raised * np.float32(1.0 / power.unit[index])
    return (tf.pow(shares, np.float32(exponent)) - 1.0) * np.float32(1.0 / exponent)
