"""Scalers: an affine map per column, fitted on the observed training rows only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class Scaler:
    """z = (x - center) / scale, per column.

    Attributes
    ----------
    kind : str
        standard (mean, standard deviation), minmax (to 0..1), robust (median, normal-consistent
        quartile range) or none.
    center, scale : [columns] float64, data units
    """

    kind: str
    center: Float[np.ndarray, " columns"]
    scale: Float[np.ndarray, " columns"]

    def transform(self, values: Float[np.ndarray, "... columns"]) -> Float[np.ndarray, "... columns"]:
        """Data units to z-scores, computed in float64."""
        return (values - self.center) / self.scale

    def inverse(self, scores: Float[np.ndarray, "... columns"]) -> Float[np.ndarray, "... columns"]:
        """z-scores to data units, computed in float64."""
        return scores * self.scale + self.center

    def to_json(self) -> dict[str, Any]:
        """Plain content for preprocessor.json."""
        return {"kind": self.kind, "center": self.center.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scaler":
        """Read what `to_json` gave."""
        return cls(content["kind"], np.array(content["center"]), np.array(content["scale"]))


def fit_scaler(observed: Float[np.ndarray, "rows columns"], kind: str) -> Scaler:
    """Fit on training rows; NaN cells are skipped, a constant or empty column keeps scale 1.

    Parameters
    ----------
    observed : [rows, columns] observed values of the training part, NaN where missing
    kind : standard, minmax, robust or none
    """
    pairs = [_center_and_scale(column[~np.isnan(column)], kind) for column in observed.T]
    center, scale = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return Scaler(kind=kind, center=center, scale=scale)


def _center_and_scale(values: np.ndarray, kind: str) -> tuple[float, float]:
    if kind == "none" or len(values) == 0:
        return 0.0, 1.0
    if kind == "standard":
        center, scale = np.mean(values), np.std(values)
    elif kind == "minmax":
        center, scale = np.min(values), np.ptp(values)
    else:
        quarter, center, three_quarters = np.quantile(values, [0.25, 0.5, 0.75])
        scale = (three_quarters - quarter) / IQR_OF_NORMAL
    # A spread that is only rounding noise of the center would blow that noise up to signal.
    constant = not scale > 1e-12 * max(abs(float(center)), 1e-290)
    return float(center), 1.0 if constant else float(scale)
