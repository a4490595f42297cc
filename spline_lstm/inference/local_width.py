"""Widths of intervals that follow the recent changes of their window.

A half width is ``q * r ** g``: q belongs to the step and target, r is the recent change of the
window relative to the usual one (`RecentChange`), kept between 1/10 and 10, and g one of
`EXPONENTS`, chosen for each target in `spline_lstm.inference.width_choice`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.inference.recent_change import PerWindow, RecentChange

# Quarters: square roots compute them, with the same bits on every CPU. 0 is a constant width, 1 one
# in proportion to the change.
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
LOW, HIGH = 0.1, 10.0


def width_factors(relative: PerWindow, exponents: Float[np.ndarray, " targets"]) -> PerWindow:
    """``r ** g`` of relative changes r, kept between `LOW` and `HIGH`, and `EXPONENTS` g.

    >>> width_factors(np.array([[16.0, 4.0, 0.0]]), np.array([1.0, 0.5, 0.5])).round(2).tolist()
    [[10.0, 2.0, 0.32]]
    """
    kept = np.minimum(np.maximum(relative, LOW), HIGH)
    columns = zip(kept.T, exponents.tolist(), strict=True)
    return np.column_stack([_power(column, exponent) for column, exponent in columns])


def _power(values: Float[np.ndarray, " windows"], exponent: float) -> Float[np.ndarray, " windows"]:
    """Values to the power of one of `EXPONENTS`."""
    if exponent in (0.0, 1.0):
        return values if exponent else np.ones_like(values)
    half = np.sqrt(values)
    if exponent == 0.5:
        return half
    quarter = np.sqrt(half)
    return quarter if exponent == 0.25 else half * quarter


@dataclass(frozen=True)
class LocalWidth:
    """How widths follow the recent changes.

    Attributes
    ----------
    change : RecentChange
    exponents : [targets] float64, of `EXPONENTS`
    """

    change: RecentChange
    exponents: Float[np.ndarray, " targets"]

    def factors(
        self,
        history: Float[np.ndarray, "windows lookback targets"],
        series: Int[np.ndarray, " windows"],
    ) -> PerWindow:
        """What the half widths of each window are multiplied by."""
        return width_factors(self.change.relative(history, series), self.exponents)

    def to_json(self) -> dict[str, Any]:
        """Plain content: `exponents` [target], and that of `RecentChange`."""
        return {"exponents": self.exponents.tolist(), **self.change.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the content that `to_json` wrote; KeyError or ValueError if it is damaged."""
        exponents = np.array(content["exponents"], dtype=np.float64)
        if not np.isin(exponents, EXPONENTS).all():
            raise ValueError(f"exponents of {EXPONENTS}")
        return cls(RecentChange.from_json(content), exponents)
