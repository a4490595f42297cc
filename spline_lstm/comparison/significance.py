"""Whether a difference of two RMSEs is more than noise: of the seeds, and of the test windows.

Test windows overlap and errors come in spells, so that windows are not independent. The moving-block
bootstrap (Künsch 1989, "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 17, 1217-1241) draws blocks of consecutive forecast origins, long enough to hold such spells. All
forecasts are measured on the same drawn blocks (paired), so that what makes a stretch hard for all cancels out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean over seeds and half the range: the seeds lie within mean ± half_range, and two of them at its ends."""

    mean: float
    half_range: float

    def below(self, other: "Spread") -> bool:
        """Whether every seed of the one lies below every seed of the other.

        >>> Spread(1.0, 0.1).below(Spread(1.3, 0.1)), Spread(1.0, 0.2).below(Spread(1.3, 0.2))
        (True, False)
        """
        return self.mean + self.half_range < other.mean - other.half_range


def spread(values: Sequence[float]) -> Spread:
    """Mean and half range.

    >>> spread([1.0, 1.5])
    Spread(mean=1.25, half_range=0.25)
    """
    return Spread(float(np.mean(values)), (max(values) - min(values)) / 2)


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


def draw_blocks(
    origins: int, block: int, repetitions: int, seed: int
) -> tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]]:
    """First origin of each drawn block, and the length of each: together `origins` of them per repetition.

    A block longer than the series is cut to half of it, so that there is something to draw.
    """
    length = max(1, min(block, origins // 2))
    count = -(-origins // length)
    lengths = np.full(count, length)
    lengths[-1] = origins - length * (count - 1)
    starts = np.random.default_rng(seed).integers(0, origins - length + 1, size=(repetitions, count))
    return starts, lengths


def resampled_rmse(
    squared: Float[np.ndarray, " origins"],
    counts: Float[np.ndarray, " origins"],
    blocks: tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]],
) -> Float[np.ndarray, " repetitions"]:
    """RMSE of one forecast on each resample.

    Parameters
    ----------
    squared : np.ndarray
        [origins] sum of the squared errors of an origin.
    counts : np.ndarray
        [origins] number of its observed values.
    blocks : tuple
        As `draw_blocks` gives them.
    """
    starts, lengths = blocks

    def total(values: Float[np.ndarray, " origins"]) -> Float[np.ndarray, " repetitions"]:
        until = np.concatenate([[0.0], np.cumsum(values)])
        return (until[starts + lengths] - until[starts]).sum(axis=1)

    return np.sqrt(total(squared) / total(counts))


def rmse_difference(
    one: Sequence[Float[np.ndarray, " origins"]],
    other: Sequence[Float[np.ndarray, " origins"]],
    counts: Float[np.ndarray, " origins"],
    blocks: tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]],
) -> Interval:
    """Mean RMSE of the seeds of `one` minus that of `other`, with the central 95 % of its resamples."""
    everything = (np.zeros((1, 1), dtype=np.int64), np.array([len(counts)]))

    def mean(members: Sequence[np.ndarray], blocks: tuple[np.ndarray, np.ndarray]) -> Float[np.ndarray, " repetitions"]:
        return np.mean([resampled_rmse(squared, counts, blocks) for squared in members], axis=0)

    (difference,) = mean(one, everything) - mean(other, everything)
    low, high = np.quantile(mean(one, blocks) - mean(other, blocks), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(difference), float(low), float(high))


def intervals_to_best(
    squared: Mapping[str, Float[np.ndarray, " origins"]],
    counts: Float[np.ndarray, " origins"],
    members: Mapping[str, Sequence[str]],
    best: str,
    blocks: tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]],
) -> dict[str, Interval]:
    """Interval of each group of forecasts (`members`: group -> names in `squared`) against the group `best`."""
    chosen = [squared[name] for name in members[best]]
    return {
        group: rmse_difference([squared[name] for name in names], chosen, counts, blocks)
        for group, names in members.items()
    }
