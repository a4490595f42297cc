"""Calibrated probabilities: of all rows with 0.3, three in ten have the label 1."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float

Method = Literal["isotonic", "platt", "none"]
# Probabilities nearer to 0 and 1 than this have this logit.
CERTAIN = 1e-7

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class Calibration:
    """A rising function of a probability.

    Attributes
    ----------
    method : "isotonic", "platt" or "none"
    x, y : of isotonic: [knots] probabilities before and after, linear in between
    slope, intercept : of platt: on the logit
    """

    method: Method = "none"
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, probabilities: Probabilities) -> Probabilities:
        """Calibrated probabilities."""
        if self.method == "isotonic":
            return np.interp(probabilities, self.x, self.y)
        if self.method == "platt":
            return 1.0 / (1.0 + np.exp(-(self.slope * logit(probabilities) + self.intercept)))
        return probabilities

    def to_json(self) -> dict[str, Any]:
        """The keys that the method needs."""
        if self.method == "isotonic":
            return {"method": self.method, "x": list(self.x), "y": list(self.y)}
        if self.method == "platt":
            return {"method": self.method, "slope": self.slope, "intercept": self.intercept}
        return {"method": self.method}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(
            content["method"],
            tuple(content.get("x", ())),
            tuple(content.get("y", ())),
            content.get("slope", 1.0),
            content.get("intercept", 0.0),
        )


def logit(probabilities: Probabilities) -> Float[np.ndarray, " rows"]:
    """Logarithm of the odds, bounded."""
    kept = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1.0 - CERTAIN)
    return np.log(kept) - np.log1p(-kept)
