"""Blocks of windows on the clock: what counts as one piece of evidence.

Neighbouring windows share labels, and windows at the same time in different series of a panel share
what happened that day. So evidence is counted in horizons of time that the windows cover, not in
windows, and blocks are cut at times, never within one: all series of a moment are in one block
(Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference", Journal of Human
Resources 50, 317-372).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MOST_BLOCKS = 20
# Standard errors up to which a gain may be chance: 19 times of 20.
NOISE = 2.0


def is_beyond_noise(gain: float, error: float) -> bool:
    """Whether a gain is more than `NOISE` of its standard errors, the rule wherever one is judged.

    >>> is_beyond_noise(0.03, 0.01), is_beyond_noise(0.02, 0.01), is_beyond_noise(-0.1, 0.0)
    (True, False, False)
    """
    return gain > max(NOISE * error, 0.0)


def covered_rows(times: Int[np.ndarray, " windows"], horizon: int) -> int:
    """Rows of the clock that origins stand for: up to the next one, at most a horizon each.

    Parameters
    ----------
    times : [windows] row of the clock of each origin, in any order; several series may share one

    >>> covered_rows(np.array([0, 1, 2, 0, 1, 2]), horizon=2)
    3
    >>> covered_rows(np.array([0, 5, 10]), horizon=2)
    5
    """
    distinct = np.unique(times)
    return int(np.minimum(np.diff(distinct), horizon).sum()) + min(len(distinct), 1)


@dataclass(frozen=True)
class Extent:
    """How much windows of one or several series can tell.

    Attributes
    ----------
    blocks : float, horizons of time that they cover
    series : float, windows per time: at most the number of series
    """

    blocks: float
    series: float

    @classmethod
    def of(cls, times: Int[np.ndarray, " windows"], horizon: int) -> "Extent":
        """Of windows with origins at these rows of the clock."""
        distinct = max(len(np.unique(times)), 1)
        return cls(covered_rows(times, horizon) / horizon, len(times) / distinct)

    @property
    def evidence(self) -> float:
        """Horizons that count: those of one series, times the root of the number of series.

        Halfway (in logarithms) between series that are copies of each other and series that have
        nothing to do with each other.
        """
        return self.blocks * float(np.sqrt(self.series))


def blocks_of(times: Int[np.ndarray, " windows"], count: int) -> Int[np.ndarray, " windows"]:
    """Index of the block of each window: `count` blocks of as many distinct times, in time order.

    Fewer if there are fewer times.

    >>> blocks_of(np.array([0, 1, 2, 3, 0, 1]), 2).tolist()
    [0, 0, 1, 1, 0, 0]
    """
    distinct, position = np.unique(times, return_inverse=True)
    parts = np.array_split(distinct, min(count, len(distinct)))
    sizes = [len(part) for part in parts]
    return np.repeat(np.arange(len(parts)), sizes)[position]


def evidence_blocks(
    times: Int[np.ndarray, " windows"], horizon: int, most: int = MOST_BLOCKS
) -> Int[np.ndarray, " windows"]:
    """Index of the block of each window; blocks are at least a horizon long, but two at least."""
    rows = covered_rows(times, horizon)
    return blocks_of(times, max(2, rows // max(horizon, -(-rows // most))))


def block_sums(
    values: Float[np.ndarray, "... windows"], blocks: Int[np.ndarray, " windows"]
) -> Float[np.ndarray, "... blocks"]:
    """Sums over the windows of each block."""
    count = int(blocks.max(initial=-1)) + 1
    return np.stack([values[..., blocks == k].sum(axis=-1) for k in range(count)], axis=-1)


def standard_error(
    gains: Float[np.ndarray, " windows"], times: Int[np.ndarray, " windows"], horizon: int
) -> float:
    """Of the mean of `gains`, from blocks of time.

    With a single time nothing is known of it: then it is as large as the mean.
    """
    mean = float(gains.mean())
    blocks = evidence_blocks(times, horizon)
    sums = block_sums(gains - mean, blocks)
    if len(sums) < 2:
        return abs(mean)
    return float(np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1)) / len(gains))
