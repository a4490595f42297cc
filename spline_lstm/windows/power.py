"""Logarithm and Box-Cox powers of columns, before they are scaled.

Box & Cox 1964, "An analysis of transformations", Journal of the Royal Statistical Society B 26(2)::

    T(x) = log x for the power 0, ((x / unit)^p - 1) / p for others

The unit is the training median: a negative power of large numbers would leave no digit of them.
Smaller values than `floor` count as this one, so that every number has a transform. The inverse of
a forecast is kept inside bounds, because it grows exponentially.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int

# Bounds of what has none: JSON has no infinity.
LARGEST = float(np.finfo(np.float64).max)

Columns = Float[np.ndarray, "... columns"]


@dataclass(frozen=True)
class Power:
    """The transform of each column, and what is known of its values in the training split.

    Attributes
    ----------
    exponent : [columns] float64, NaN for a column that stays as it is
    floor : [columns] float64, data units
    unit : [columns] float64, data units, 1 with a logarithm
    low, high : float64, data units: bounds of forecasts; [columns], or [series + 1, columns] as in
        a scaler per series
    center, scale : float64, data units, as `low`: the scaling that the values themselves would have
    """

    exponent: Float[np.ndarray, " columns"]
    floor: Float[np.ndarray, " columns"]
    unit: Float[np.ndarray, " columns"]
    low: Columns
    high: Columns
    center: Columns
    scale: Columns

    def forward(self, values: Columns) -> Columns:
        """Data units to transformed ones, float64; NaN stays."""
        return self._each(values, self.of_column)

    def backward(self, values: Columns) -> Columns:
        """Transformed to data units, float64."""
        return self._each(values, self._inverse)

    def of_column(self, index: int, values: Float[np.ndarray, " ..."]) -> Float[np.ndarray, " ..."]:
        """Transform of the values of one column."""
        exponent = self.exponent[index]
        if np.isnan(exponent):
            return values
        raised = np.maximum(values, self.floor[index])
        if exponent == 0.0:
            return np.log(raised)
        return ((raised / self.unit[index]) ** exponent - 1.0) / exponent

    def _inverse(self, index: int, values: np.ndarray) -> np.ndarray:
        exponent = self.exponent[index]
        if np.isnan(exponent):
            return values
        if exponent == 0.0:
            return np.exp(values)
        # 0 is the limit of what a power can give: the transform has an end on one side.
        return self.unit[index] * np.maximum(exponent * values + 1.0, 0.0) ** (1.0 / exponent)

    def _each(self, values: Columns, function: Any) -> Columns:
        results = np.array(values, dtype=np.float64)
        for index in range(len(self.exponent)):
            results[..., index] = function(index, values[..., index])
        return results

    def columns(self, indices: Any) -> "Power":
        """The transform of some of the columns."""
        return Power(*(part[..., indices] for part in self._parts))

    def of_series(self, rows: Int[np.ndarray, " chosen"]) -> "Power":
        """The constants of some of the rows of a scaler per series."""
        return Power(*(part[rows] if part.ndim == 2 else part for part in self._parts))

    @property
    def overall(self) -> "Power":
        """The constants of all series together."""
        return Power(*(part[-1] if part.ndim == 2 else part for part in self._parts))

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        return tuple(getattr(self, item.name) for item in fields(self))

    def to_json(self) -> dict[str, Any]:
        """Plain content for preprocessor.json; null for a column that stays as it is."""
        exponent = [None if np.isnan(item) else item for item in self.exponent.tolist()]
        rest = {item.name: getattr(self, item.name).tolist() for item in fields(self)[1:]}
        return {"exponent": exponent, **rest}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Power":
        """Read what `to_json` gave."""
        return cls(*(np.array(content[item.name], dtype=np.float64) for item in fields(cls)))
