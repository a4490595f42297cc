"""A few of many rows."""

import numpy as np
from jaxtyping import Int


def evenly_spaced(count: int, at_most: int) -> Int[np.ndarray, " kept"]:
    """Positions of at most `at_most` of `count` rows, evenly spaced, first and last among them.

    >>> evenly_spaced(9, 3).tolist()
    [0, 4, 8]
    """
    return np.unique(np.linspace(0, count - 1, min(count, at_most)).round().astype(np.int64))
