"""Moving blocks of forecast origins, for intervals of scores whose rows are not independent.

Künsch (1989), "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 17, 1217-1241.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

LEVEL = 0.95
MIN_BLOCKS = 10


@dataclass(frozen=True)
class Interval:
    """A difference and its bootstrap interval."""

    difference: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the difference is more than the noise of the test windows."""
        return self.low > 0.0 or self.high < 0.0


def block_length(origins: int, wanted: int) -> int:
    """Forecast origins per block: `wanted`, but at most a tenth of all.

    Resamples of a few long blocks are nearly all alike, and their interval is far too narrow.

    >>> block_length(8000, 288), block_length(500, 288), block_length(5, 288)
    (288, 50, 1)
    """
    return max(1, min(wanted, origins // MIN_BLOCKS))


def draw_blocks(
    origins: int, block: int, repetitions: int, seed: int
) -> tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]]:
    """First origin of each drawn block, and the length of each: `origins` in all per repetition."""
    length = min(block, origins)
    count = -(-origins // length)
    lengths = np.full(count, length)
    lengths[-1] = origins - length * (count - 1)
    starts = np.random.default_rng(seed).integers(
        0, origins - length + 1, size=(repetitions, count)
    )
    return starts, lengths
