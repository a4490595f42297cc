"""Scalers: an affine map per column, fitted on the observed training rows only.

Before, the columns may go through a logarithm or a power.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.windows.power import Power

IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class Scaler:
    """z = (x - center) / scale, per column, for all series or for each its own.

    Attributes
    ----------
    kind : str
        standard (mean, standard deviation), minmax (to 0..1), robust (median, normal-consistent
        quartile range) or none.
    center, scale : float64, data units
        [columns] for all series; [series + 1, columns] per series, the last row being that of all
        series together, for a series without training rows.
    reason : str
        Why there is one scaling or one per series, if the data decided.
    power : Power
        What columns go through before; center and scale are then those of the result. None: they
        go through nothing.
    """

    kind: str
    center: Float[np.ndarray, "... columns"]
    scale: Float[np.ndarray, "... columns"]
    reason: str = ""
    power: Power | None = None

    @property
    def per_series(self) -> bool:
        """Each series has a scaling of its own."""
        return self.center.ndim == 2

    def transform(
        self, values: Float[np.ndarray, "... columns"], series: Int[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "... columns"]:
        """Data units to z-scores, float64; `series` of each first index, if scaled per series."""
        values = values if self.power is None else self.power.forward(values)
        return (values - self._of(self.center, values, series)) / self._of(
            self.scale, values, series
        )

    def inverse(
        self, scores: Float[np.ndarray, "... columns"], series: Int[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "... columns"]:
        """z-scores to data units, computed in float64; `series` as in `transform`."""
        values = self._unscaled(scores, series)
        return values if self.power is None else self.power.backward(values)

    def forecast(
        self, scores: Float[np.ndarray, "... columns"], series: Int[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "... columns"]:
        """`inverse` of forecasts: inside the bounds of the power."""
        values = self._unscaled(scores, series)
        if self.power is None:
            return values
        low, high = (
            self.power.forward(self._of(bound, scores, series))
            for bound in (self.power.low, self.power.high)
        )
        return self.power.backward(np.clip(values, low, high))

    @property
    def plain(self) -> "Scaler":
        """The scaling of the values themselves, for errors in data units as z-scores."""
        if self.power is None:
            return self
        return Scaler(self.kind, self.power.center, self.power.scale)

    def _unscaled(self, scores: np.ndarray, series: np.ndarray | None) -> np.ndarray:
        return scores * self._of(self.scale, scores, series) + self._of(self.center, scores, series)

    def widths(
        self, scores: Float[np.ndarray, "... columns"], series: Int[np.ndarray, " n"] | None = None
    ) -> Float[np.ndarray, "... columns"]:
        """Differences of z-scores in data units: they have no center, only the scale counts.

        With a power the values around which they lie count, too: see `changes`.
        """
        return self.inverse(scores, series) - self.inverse(np.zeros_like(scores), series)

    def changes(
        self,
        values: Float[np.ndarray, "... columns"],
        added: Float[np.ndarray, "... columns"],
        series: Int[np.ndarray, " n"] | None = None,
    ) -> Float[np.ndarray, "... columns"]:
        """What adding z-scores to forecasts changes them by, data units.

        `widths` without a power; with one the sums keep to its bounds.
        """
        if self.power is None:
            return self.widths(added, series)
        return self.forecast(self.transform(values, series) + added, series) - values

    def _of(
        self, constants: np.ndarray, values: np.ndarray, series: np.ndarray | None
    ) -> np.ndarray:
        if not self.per_series:
            return constants
        if series is None:
            raise ValueError("the scaling is per series: say which series each value belongs to")
        between = (1,) * (values.ndim - 2)
        return constants[series].reshape(len(series), *between, -1)

    def columns(self, indices: Int[np.ndarray, " chosen"]) -> "Scaler":
        """The scaler of some of the columns."""
        power = None if self.power is None else self.power.columns(indices)
        return Scaler(self.kind, self.center[..., indices], self.scale[..., indices], power=power)

    def of_series(self, rows: Int[np.ndarray, " series"]) -> "Scaler":
        """The scaler of the series in these rows, in this order, and of all together."""
        if not self.per_series:
            return self
        kept = np.append(rows, -1)
        power = None if self.power is None else self.power.of_series(kept)
        return replace(self, center=self.center[kept], scale=self.scale[kept], power=power)

    @property
    def overall(self) -> "Scaler":
        """The scaling of all series together."""
        if not self.per_series:
            return self
        power = None if self.power is None else self.power.overall
        return Scaler(self.kind, self.center[-1], self.scale[-1], power=power)

    def to_json(self) -> dict[str, Any]:
        """Plain content for preprocessor.json."""
        power = {} if self.power is None else {"power": self.power.to_json()}
        return {
            "kind": self.kind,
            "scope": "per_series" if self.per_series else "global",
            "reason": self.reason,
            "center": self.center.tolist(),
            "scale": self.scale.tolist(),
            **power,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Scaler":
        """Read what `to_json` gave."""
        center, scale = np.array(content["center"]), np.array(content["scale"])
        power = Power.from_json(content["power"]) if "power" in content else None
        return cls(content["kind"], center, scale, content.get("reason", ""), power)


def fit_scaler(observed: Float[np.ndarray, "rows columns"], kind: str) -> Scaler:
    """Fit on training rows; NaN is skipped, a constant or empty column keeps scale 1.

    Parameters
    ----------
    observed : [rows, columns] observed values of the training split, NaN if missing
    kind : standard, minmax, robust or none
    """
    pairs = [center_and_scale(column[~np.isnan(column)], kind) for column in observed.T]
    center, scale = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return Scaler(kind=kind, center=center, scale=scale)


def lend_scales(
    scale: Float[np.ndarray, " groups"],
    constant: Bool[np.ndarray, " groups"],
    own: Bool[np.ndarray, " groups"],
) -> Float[np.ndarray, " groups"]:
    """Scales of which those of constant series are the median of the others.

    Errors of a series that is constant in training, and moves later, then count as those of the
    others. The last group is all series together; it lends only if all others are constant.

    Series without a scale of their own keep the one they have and lend none: how many begin only
    after the training split must not count in it.

    >>> scale, own = np.array([2.0, 1.0, 4.0, 9.0, 9.0]), np.array([True, True, True, False, False])
    >>> lend_scales(scale, np.array([False, True, False, False, False]), own).tolist()
    [2.0, 3.0, 4.0, 9.0, 9.0]
    """
    moving = scale[:-1][(own & ~constant)[:-1]]
    return np.where(constant, np.median(moving) if len(moving) else scale[-1], scale)


def center_and_scale(values: Float[np.ndarray, " n"], kind: str) -> tuple[float, float]:
    """Constants of one column from its observed values; (0, 1) if none, scale 1 for a constant."""
    if kind == "none" or len(values) == 0:
        return 0.0, 1.0
    if kind == "standard":
        center, scale = np.mean(values), np.std(values)
    elif kind == "minmax":
        center, scale = np.min(values), np.ptp(values)
    else:
        quarter, center, three_quarters = np.quantile(values, [0.25, 0.5, 0.75])
        scale = (three_quarters - quarter) / IQR_OF_NORMAL
    return usable(float(center), float(scale))


def usable(center: float, scale: float) -> tuple[float, float]:
    """Center, and the scale, or 1 for one that is only rounding noise of the center.

    It would blow that noise up to signal.
    """
    constant = not scale > 1e-12 * max(abs(center), 1e-290)
    return center, 1.0 if constant else scale
