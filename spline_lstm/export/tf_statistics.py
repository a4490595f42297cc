"""Mean and median over the rows of a window in TensorFlow, over the observed entries if told which.

TFLite and ONNX have TopK, but no sort: the largest of the negative values are the values in rising
order. With a mask, entries that do not count come last, and their number says where the middle is.
"""

from typing import Any

import numpy as np

from spline_lstm.export.tf_recurrence import Tensor

# Beyond every value that counts.
LAST = np.float32(1e30)


def counted(tf: Any, observed: Tensor) -> Tensor:
    """The mask [batch, rows, targets]; all ones where nothing was observed."""
    seen = tf.reduce_sum(observed, axis=1, keepdims=True)
    return tf.where(seen > 0.0, observed, tf.ones_like(observed))


def mean(tf: Any, values: Tensor, counts: Tensor | None) -> Tensor:
    """Mean over the rows of [batch, rows, targets]: [batch, 1, targets].

    `counts` is a result of `counted`.
    """
    if counts is None:
        return tf.reduce_mean(values, axis=1, keepdims=True)
    total = tf.reduce_sum(values * counts, axis=1, keepdims=True)
    return total / tf.reduce_sum(counts, axis=1, keepdims=True)


def median(tf: Any, values: Tensor, counts: Tensor | None) -> Tensor:
    """Median over the rows of [batch, rows, targets]: [batch, 1, targets]; as in `mean`."""
    rows = values.shape[1]
    if counts is not None:
        values = tf.where(counts > 0.0, values, LAST * tf.ones_like(values))
    rising = -tf.math.top_k(-tf.transpose(values, [0, 2, 1]), k=rows).values
    if counts is None:
        lower, upper = (rising[:, :, at : at + 1] for at in ((rows - 1) // 2, rows // 2))
    else:
        count = tf.transpose(tf.reduce_sum(counts, axis=1, keepdims=True), [0, 2, 1])
        lower, upper = (
            _at(tf, rising, tf.floor(part / 2.0)) for part in (count - 1.0, count + 0.0)
        )
    return tf.transpose((lower + upper) * 0.5, [0, 2, 1])


def _at(tf: Any, rising: Tensor, position: Tensor) -> Tensor:
    """The entries [batch, targets, 1] of [batch, targets, rows] at the given positions."""
    places = np.arange(rising.shape[2], dtype=np.float32)
    chosen = tf.where(tf.abs(position - places) < 0.5, rising, tf.zeros_like(rising))
    return tf.reduce_sum(chosen, axis=2, keepdims=True)
