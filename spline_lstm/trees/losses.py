"""The loss that trees are trained by, of what they predict."""

import numpy as np
from jaxtyping import Float

from spline_lstm.core.log_loss import class_log_loss, log_loss
from spline_lstm.trees.trees import Objective


def mean_loss(
    objective: Objective,
    y: Float[np.ndarray, " rows"],
    predicted: Float[np.ndarray, "rows *classes"],
) -> float:
    """Log loss of probabilities, RMSE of numbers; NaN without rows.

    >>> mean_loss(Objective("regression"), np.array([1.0, 2.0]), np.array([1.0, 4.0])) ** 2
    2.0000000000000004
    """
    if not len(y):
        return float("nan")
    if objective.kind == "regression":
        return float(np.sqrt(np.mean((predicted - y) ** 2)))
    if objective.kind == "binary":
        return log_loss(y, predicted)
    return class_log_loss(y.astype(np.int64), predicted)
