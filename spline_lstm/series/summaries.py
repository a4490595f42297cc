"""What one pass over a partition keeps of a column, to fit constants on all partitions together.

Counts, means, standard deviations and extremes are combined exactly, up to rounding, in the order
of the partitions. Quantiles are those of sketches: `POINTS` quantiles of each partition, so that
the rank of a combined quantile is wrong by at most 1 / (2 * POINTS) of all values, 0.05 %. The
summary of a single partition gives the constants that the values themselves give.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spline_lstm.windows.scaling import IQR_OF_NORMAL, usable

POINTS = 1024
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Summary:
    """Training observations of a column, float64, data units.

    Attributes
    ----------
    count : number of them; the other fields of none are 0
    mean, std, low, high : mean, standard deviation (of the population) and extremes
    quartiles : [3] lower quartile, median, upper quartile
    sketch : [POINTS] quantiles at the middles of as many equal shares
    """

    count: int
    mean: float
    std: float
    low: float
    high: float
    quartiles: Float[np.ndarray, "three"]
    sketch: Float[np.ndarray, " points"]

    @classmethod
    def of(cls, values: Float[np.ndarray, " observed"]) -> "Summary":
        """Of the training observations of one partition."""
        if not len(values):
            return cls(0, 0.0, 0.0, 0.0, 0.0, np.zeros(3), np.zeros(POINTS))
        middles = (np.arange(POINTS) + 0.5) / POINTS
        quantiles = np.quantile(values, [*QUARTILES, *middles])
        return cls(
            len(values),
            float(values.mean()),
            float(values.std()),
            float(values.min()),
            float(values.max()),
            quantiles[:3],
            quantiles[3:],
        )

    @classmethod
    def of_all(cls, parts: Sequence["Summary"]) -> "Summary":
        """Of all partitions; Chan, Golub and LeVeque 1983 for means and standard deviations."""
        parts = [part for part in parts if part.count]
        if len(parts) < 2:
            return parts[0] if parts else cls.of(np.empty(0))
        count = sum(part.count for part in parts)
        mean = math.fsum(part.count * part.mean for part in parts) / count
        square = math.fsum(part.count * (part.std**2 + (part.mean - mean) ** 2) for part in parts)
        return cls(
            count,
            mean,
            math.sqrt(square / count),
            min(part.low for part in parts),
            max(part.high for part in parts),
            merged_quantiles(parts, QUARTILES),
            np.zeros(POINTS),
        )

    def center_and_scale(self, kind: str) -> tuple[float, float]:
        """Constants of a scaler; see `spline_lstm.windows.scaling.center_and_scale`."""
        if kind == "none" or self.count == 0:
            return 0.0, 1.0
        if kind == "standard":
            return usable(self.mean, self.std)
        if kind == "minmax":
            return usable(self.low, self.high - self.low)
        quarter, center, three_quarters = self.quartiles.tolist()
        return usable(center, (three_quarters - quarter) / IQR_OF_NORMAL)


def merged_quantiles(
    parts: Sequence[Summary], shares: Sequence[float]
) -> Float[np.ndarray, " shares"]:
    """Quantiles of all values together, from the sketches of their partitions."""
    values = np.concatenate([part.sketch for part in parts])
    weights = np.concatenate([np.full(POINTS, part.count / POINTS) for part in parts])
    order = np.argsort(values, kind="stable")
    # Each point stands for the middle of its share.
    ranks = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(np.array(shares) * weights.sum(), ranks, values[order])
