"""The loss that trees are trained by, of what they predict."""

import numpy as np
from jaxtyping import Float

from spline_lstm.trees.trees import Objective

# A certainty that was wrong must not make the loss infinite.
CERTAIN = 1e-7


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
        right = np.where(y == 1, predicted, 1.0 - predicted)
    else:
        right = predicted[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.mean(np.log(np.maximum(right, CERTAIN))))
