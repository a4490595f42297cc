"""Whether a difference of two RMSEs is more than noise: of the seeds, and of the test windows.

Test windows overlap and errors come in spells, so windows are not independent. The moving-block
bootstrap (Künsch 1989, "The jackknife and the bootstrap for general stationary observations",
Annals of Statistics 17, 1217-1241) draws blocks of consecutive forecast origins, long enough to
contain such spells. All
forecasts are measured on the same drawn blocks (paired), so that what makes a period hard for all
cancels out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.evaluation.blocks import LEVEL, Interval


@dataclass(frozen=True)
class SeedRange:
    """Mean, lowest and highest over the seeds, and how many seeds there are."""

    mean: float
    low: float
    high: float
    seeds: int

    def below(self, other: "SeedRange") -> bool | None:
        """Whether every seed of the one is below every seed of the other; None if one has one seed.

        >>> seed_range([1.0, 1.1]).below(seed_range([1.2, 1.3]))
        True
        >>> seed_range([1.0, 1.2]).below(seed_range([1.1, 1.3]))
        False
        """
        return self.high < other.low if min(self.seeds, other.seeds) > 1 else None


def seed_range(values: Sequence[float]) -> SeedRange:
    """Mean, lowest and highest; NaN if a value is.

    >>> seed_range([1.0, 1.5])
    SeedRange(mean=1.25, low=1.0, high=1.5, seeds=2)
    """
    low, high = float(np.min(values)), float(np.max(values))
    return SeedRange(float(np.mean(values)), low, high, len(values))


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
        As returned by `draw_blocks`.
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
    """Mean RMSE of `one` minus that of `other`, and the central 95 % of its resamples.

    `one` and `other` have a forecast per seed.
    """
    everything = (np.zeros((1, 1), dtype=np.int64), np.array([len(counts)]))

    def mean(
        members: Sequence[np.ndarray], blocks: tuple[np.ndarray, np.ndarray]
    ) -> Float[np.ndarray, " repetitions"]:
        return np.mean([resampled_rmse(squared, counts, blocks) for squared in members], axis=0)

    (difference,) = mean(one, everything) - mean(other, everything)
    low, high = np.quantile(
        mean(one, blocks) - mean(other, blocks), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    return Interval(float(difference), float(low), float(high))


def intervals_to_best(
    squared: Mapping[str, Float[np.ndarray, " origins"]],
    counts: Float[np.ndarray, " origins"],
    members: Mapping[str, Sequence[str]],
    best: str,
    blocks: tuple[Int[np.ndarray, "repetitions blocks"], Int[np.ndarray, " blocks"]],
) -> dict[str, Interval]:
    """Interval of each group of forecasts against the group `best`.

    `members` maps a group to its names in `squared`.
    """
    chosen = [squared[name] for name in members[best]]
    return {
        group: rmse_difference([squared[name] for name in names], chosen, counts, blocks)
        for group, names in members.items()
    }
