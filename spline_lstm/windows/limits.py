"""What every forecast must keep to: bounds of its target, the value of a constant series."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

Values = Float[np.ndarray, "windows horizon targets ..."]


@dataclass(frozen=True)
class ForecastLimits:
    """Limits of the forecasts, data units.

    Attributes
    ----------
    bounds : [targets, 2] float64
        Lowest and highest possible value of each target, -inf and inf without a bound.
    constants : [series + 1, targets] float64
        The value of a target that was constant in the training split of its series, NaN if it was
        not; the last row, all NaN, is for a series that training did not see.
    """

    bounds: Float[np.ndarray, "targets 2"]
    constants: Float[np.ndarray, "bounds targets"]

    @cached_property
    def _has_bounds(self) -> bool:
        return bool(np.isfinite(self.bounds).any())

    @cached_property
    def _has_constants(self) -> bool:
        return not np.isnan(self.constants).all()

    @property
    def are_none(self) -> bool:
        """Nothing limits a forecast: `keep` returns it as it is."""
        return not (self._has_bounds or self._has_constants)

    def clip(self, values: Values) -> Values:
        """Forecasts, quantiles or interval bounds inside the bounds; their dtype stays.

        >>> limits = ForecastLimits(np.array([[0.0, np.inf]]), np.array([[np.nan]]))
        >>> limits.clip(np.array([[[-1.0], [3.0]]])).ravel().tolist()
        [0.0, 3.0]
        """
        if not self._has_bounds:
            return values
        low, high = (side.reshape(-1, *(1,) * (values.ndim - 3)) for side in self.bounds.T)
        return np.clip(values, low, high).astype(values.dtype, copy=False)

    def held(
        self,
        history: Float[np.ndarray, "windows lookback targets"],
        series: Int[np.ndarray, " windows"],
    ) -> Bool[np.ndarray, "windows targets"]:
        """Where a constant series still had its constant in the whole lookback.

        Parameters
        ----------
        history : [windows, lookback, targets] data units, as known before the origin
        series : [windows] int, row in `constants`
        """
        constants = self.constants[series]
        known = ~np.isnan(constants)
        return known & (history == constants[:, None]).all(axis=1) if known.any() else known

    def keep(
        self,
        values: Values,
        history: Float[np.ndarray, "windows lookback targets"],
        series: Int[np.ndarray, " windows"],
    ) -> Values:
        """`clip`, and the constant wherever it is `held`."""
        clipped = self.clip(values)
        if not self._has_constants:
            return clipped
        held = self.held(history, series)
        if not held.any():
            return clipped
        shape = (len(held), 1, held.shape[1], *(1,) * (values.ndim - 3))
        constants = self.constants[series].reshape(shape)
        return np.where(held.reshape(shape), constants, clipped).astype(values.dtype, copy=False)
