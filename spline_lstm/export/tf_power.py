"""Logarithms and Box-Cox powers of targets in TensorFlow: `spline_lstm.windows.power` again.

Forecasts are kept inside their bounds before the inverse, so that nothing overflows.
"""

from typing import Any

import numpy as np

from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.windows.power import Power


def forward(tf: Any, power: Power, values: Tensor) -> Tensor:
    """Columns [batch, rows, columns] in data units to transformed ones."""
    columns = [
        _of_column(tf, power, index, values[:, :, index : index + 1])
        for index in range(len(power.exponent))
    ]
    return tf.concat(columns, axis=2)


def backward(tf: Any, power: Power, values: Tensor) -> Tensor:
    """Forecasts [batch, horizon, targets, levels], transformed, to data units."""
    low, high = (power.forward(bound) for bound in (power.low, power.high))
    columns = []
    for index, exponent in enumerate(power.exponent.tolist()):
        kept = tf.clip_by_value(
            values[:, :, index : index + 1], np.float32(low[index]), np.float32(high[index])
        )
        if exponent == 0.0:
            columns.append(tf.exp(kept))
        else:
            base = tf.maximum(kept * np.float32(exponent) + 1.0, 0.0)
            columns.append(tf.pow(base, np.float32(1.0 / exponent)))
    return tf.concat(columns, axis=2)


def _of_column(tf: Any, power: Power, index: int, values: Tensor) -> Tensor:
    exponent = float(power.exponent[index])
    if np.isnan(exponent):
        return values
    raised = tf.maximum(values, np.float32(power.floor[index]))
    if exponent == 0.0:
        return tf.math.log(raised)
    return (tf.pow(raised, np.float32(exponent)) - 1.0) * np.float32(1.0 / exponent)
