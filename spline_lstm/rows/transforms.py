"""What numbers go through before they enter a model: by quantile, or standardised.

Both are piecewise linear, so that an exported file computes them with plain operators.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

# A column whose deviations are below this share of its size differs only by rounding.
CONSTANT = 1e-12
# Digits after the point of a stored z-score: the last ones differ between libraries of mathematics.
DIGITS = 6

Numbers = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class NumberTransform:
    """A number to a z-score: linear between knots, constant beyond the first and the last one.

    Standardising has no knots: ``(value - center) / scale``.

    Attributes
    ----------
    knots : tuple of float
        Ascending values of the training split, data units; none to standardise.
    scores : tuple of float
        z-score at each knot.
    center, scale : float
        Data units.
    """

    knots: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    center: float = 0.0
    scale: float = 1.0

    def apply(self, values: Numbers) -> Numbers:
        """z-scores [rows] float64 of values [rows]; NaN stays NaN."""
        if not self.knots:
            return (values - self.center) / self.scale
        scores = np.interp(values, self.knots, self.scores)
        return np.where(np.isnan(values), np.nan, scores)

    def inverse(self, scores: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Data units of z-scores, of a transform without knots."""
        return scores * self.scale + self.center

    def to_json(self) -> dict[str, Any]:
        """Content for preprocessor.json."""
        if self.knots:
            return {"knots": list(self.knots), "scores": list(self.scores)}
        return {"center": self.center, "scale": self.scale}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "NumberTransform":
        """Undo `to_json`."""
        return cls(
            tuple(content.get("knots", ())),
            tuple(content.get("scores", ())),
            content.get("center", 0.0),
            content.get("scale", 1.0),
        )


# Leaves a value as it is.
IDENTITY = NumberTransform()
# Of a column without a value in training, about which nothing is known: whatever comes later is 0.
UNKNOWN = NumberTransform(knots=(0.0,), scores=(0.0,))


def fit_quantiles(values: Numbers, count: int) -> NumberTransform:
    """The normal quantile of a value's place in the training split.

    The place of a value x is its mid-distribution function, the share of values below x plus half
    the share of values equal to x (Parzen, "Quantile probability and statistical data modeling",
    Statistical Science 2004), so ties get the mean of their places and no value becomes infinite.
    Knots are `count` order statistics with evenly spaced ranks, the smallest and the largest value
    among them; between knots the z-score is interpolated linearly, beyond them it is constant.

    Parameters
    ----------
    values : [rows] float64, NaN where missing
        Of the training split.
    count : int
        Most knots.
    """
    # Only a fit needs it: without it a forecast of an exported file starts in a fifth less time.
    from scipy.special import ndtri  # noqa: PLC0415

    ordered = np.sort(values[~np.isnan(values)])
    if not len(ordered):
        return UNKNOWN
    ranks = np.round(np.linspace(0, len(ordered) - 1, min(count, len(ordered)))).astype(np.int64)
    knots = np.unique(ordered[ranks])
    below = np.searchsorted(ordered, knots, side="left")
    places = (below + np.searchsorted(ordered, knots, side="right")) / (2 * len(ordered))
    scores = np.round(ndtri(places), DIGITS) + 0.0
    return NumberTransform(tuple(knots.tolist()), tuple(scores.tolist()))


def fit_standard(values: Numbers) -> NumberTransform:
    """Less the mean, divided by the standard deviation (of the population) of values [rows].

    A column that is constant but for rounding has the scale 1. NaN does not count.
    """
    seen = values[~np.isnan(values)]
    if not len(seen):
        return UNKNOWN
    center, scale = float(seen.mean()), float(seen.std())
    is_constant = scale <= CONSTANT * max(1.0, abs(center))
    return NumberTransform(center=center, scale=1.0 if is_constant else scale)
