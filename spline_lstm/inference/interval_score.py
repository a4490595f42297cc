"""The interval score, which rewards narrow intervals and punishes misses."""

import numpy as np
from jaxtyping import Float

Bounds = Float[np.ndarray, "..."]


def interval_score(y_true: Bounds, lower: Bounds, upper: Bounds, level: float) -> Bounds:
    """Width, plus 2 / (1 - level) times the distance of an observation outside; lower is better.

    Winkler 1972, "A Decision-Theoretic Approach to Interval Estimation", Journal of the American
    Statistical Association 67, 187-191; Gneiting and Raftery 2007, "Strictly Proper Scoring Rules,
    Prediction, and Estimation", ibid. 102, 359-378, equation (43).

    Parameters
    ----------
    y_true, lower, upper : np.ndarray
        Data units, of shapes that broadcast. NaN gives NaN.
    level : float
        Percent.

    >>> interval_score(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([4.0, 4.0]), 80.0)
    array([ 4., 14.])
    """
    outside = np.maximum(np.maximum(lower - y_true, y_true - upper), 0.0)
    return (upper - lower) + outside * (200.0 / (100.0 - level))
