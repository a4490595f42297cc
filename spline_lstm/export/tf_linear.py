"""The linear forecaster in TensorFlow, in float32 and in data units.

The formula is that of `spline_lstm.models.linear`, rearranged around the last row x of a window, so
that a large center costs no digits and weights in fewer bits only meet differences::

    u = (rows - x) / scale          l = (x - center) / scale
    z = u W + l sum(W) + b          natural scale:     x + scale (z - l)
                                    of logarithms:     exp(center + scale min(z, LOG_CAP)),
                                                       rows: log(max(rows, floor))

An exported file does not know the series of a window: the constants are those of all series.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from spline_lstm.export.formats import FORECAST
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tf_recurrence import Tensor
from spline_lstm.export.tf_scaling import split_center
from spline_lstm.models.linear import LOG_CAP, LinearForecaster
from spline_lstm.models.linear_targets import from_arrays


def linear_function(tf: Any, spec: EdgeSpec) -> Callable[[Tensor], dict[str, Tensor]]:
    """The history [batch, lookback, F_total] to the forecast [batch, horizon, F_target]."""
    indices = spec.config.target_indices
    forecasters = from_arrays(spec.weights, len(indices))

    def forecast(history: Tensor) -> dict[str, Tensor]:
        each = [
            _of_target(tf, forecaster, history[:, :, index])
            for index, forecaster in zip(indices, forecasters, strict=True)
        ]
        return {FORECAST: tf.stack(each, axis=2)}

    return forecast


def _of_target(tf: Any, forecaster: LinearForecaster, rows: Tensor) -> Tensor:
    """Rows [batch, lookback] to the forecast [batch, horizon]."""
    parts = [_on_scale(tf, forecaster, index, rows) for index in range(len(forecaster.scales))]
    shares = forecaster.share.astype(np.float32)
    total = parts[0] * shares[0]
    for part, share in zip(parts[1:], shares[1:], strict=True):
        total = total + part * share
    return total


def _on_scale(tf: Any, forecaster: LinearForecaster, index: int, rows: Tensor) -> Tensor:
    scale, kernel = forecaster.scales[index], forecaster.kernel[index].copy()
    sums = kernel.sum(axis=0)
    # The last row's difference to itself is 0.
    kernel[-1] = 0.0
    center, rest = split_center(scale.center[-1:])
    size = scale.scale[-1:].astype(np.float32)
    if scale.log:
        rows = tf.math.log(tf.maximum(rows, np.float32(scale.floor[-1])))
    last = rows[:, -1:]
    level = (last - center) / size - rest / size
    differences = tf.matmul((rows - last) / size, kernel.astype(np.float32))
    intercept = forecaster.intercept[index].astype(np.float32)
    if not scale.log:
        return last + (differences + level * (sums - 1.0).astype(np.float32) + intercept) * size
    z = differences + level * sums.astype(np.float32) + intercept
    return tf.exp(tf.minimum(z, np.float32(LOG_CAP)) * size + scale.center[-1:].astype(np.float32))
