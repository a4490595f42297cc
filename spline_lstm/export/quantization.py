"""Weights in fewer bits: what the smaller variants of an exported file have in common.

``float16``: half the bytes; 11 significant bits, so that a weight is off by at most 0.05 %.
``int8``: a quarter; ``weight = integer * scale`` with one scale per row, symmetric around zero.
"""

import numpy as np
from jaxtyping import Float, Int8

# Smaller constants stay as they are: they save next to nothing, and biases and scales are worth their bits.
MIN_ELEMENTS = 1024
INT8_LIMIT = 127


def is_large(shape: tuple[int, ...]) -> bool:
    """A constant of this shape is worth fewer bits."""
    return int(np.prod(shape)) >= MIN_ELEMENTS


def quantize(
    weights: Float[np.ndarray, "... rows columns"],
) -> tuple[Int8[np.ndarray, "... rows columns"], Float[np.ndarray, "... rows"]]:
    """Nearest integers from -127 to 127, and the scale of each row: weights = integers * scale.

    >>> integers, scale = quantize(np.array([[0.5, -1.0], [0.0, 0.0]], np.float32))
    >>> integers.tolist(), (scale * 127).tolist()
    ([[64, -127], [0, 0]], [1.0, 127.0])
    """
    largest = np.abs(weights).max(axis=-1)
    scale = np.where(largest > 0, largest / INT8_LIMIT, 1).astype(np.float32)
    return np.rint(weights / scale[..., np.newaxis]).astype(np.int8), scale
