"""The log loss of probabilities: what training, tuning, calibration and scores all mean by it.

Good (1952), "Rational decisions", Journal of the Royal Statistical Society B 14, 107-114.
"""

import numpy as np
from jaxtyping import Float, Int

# Probabilities nearer to 0 and 1 count as this near: one wrong certainty must not make the loss
# infinite.
CERTAIN = 1e-7


def log_loss(labels: Float[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> float:
    """Mean negative log likelihood, ``-mean(y log p + (1 - y) log(1 - p))``; 0 is perfect.

    Labels are 0 or 1, probabilities those of 1; NaN without any.

    >>> round(log_loss(np.array([1.0, 0.0]), np.array([0.5, 0.5])), 6)
    0.693147
    """
    if not len(labels):
        return float("nan")
    kept = np.clip(probabilities.astype(np.float64), CERTAIN, 1 - CERTAIN)
    return float(-np.mean(np.where(labels == 1, np.log(kept), np.log1p(-kept))))


def class_log_loss(
    truth: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, "n classes"]
) -> float:
    """Mean of ``-log p`` of the class that is true, given as its position; NaN without any.

    >>> round(class_log_loss(np.array([2]), np.array([[0.2, 0.3, 0.5]])), 6)
    0.693147
    """
    if not len(truth):
        return float("nan")
    own = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.mean(np.log(np.clip(own, CERTAIN, 1 - CERTAIN))))
