"""Fit the transform of the targets on their observed training values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.features import Feature
from spline_lstm.windows.power import LARGEST, Power
from spline_lstm.windows.scaling import Scaler, center_and_scale

# Powers that are looked at, and the steps that a fitted one is rounded to: so that rounding errors
# of a processor do not change it.
POWERS, ROUNDING = (-1.0, 2.0), 0.05
# Observations that a power is fitted on: more tell no more.
MOST_FITTED = 20_000
# Training values from which on a series has bounds of its own.
FEWEST = 20
# Part of the smallest training value below which values count as this part.
FLOOR_PART = 0.5


@dataclass(frozen=True)
class TargetPower:
    """The transform of one target; `rows` are [groups, 4] low, high, center and scale."""

    exponent: float
    floor: float
    unit: float
    rows: Float[np.ndarray, "groups four"]

    def power(self) -> Power:
        """As the transform of a table of one column, with the constants of all series."""
        ends = np.array([self.rows[-1]]).T
        single = (np.array([part]) for part in (self.exponent, self.floor, self.unit))
        return Power(*single, *ends)


def fit_power(
    groups: list[Float[np.ndarray, " observed"]], options: TargetOptions, kind: str, name: str
) -> TargetPower:
    """The transform of a target.

    Parameters
    ----------
    groups : list of [observed] float64, data units
        Observed training values of each series if each is scaled by itself; the last: of all.
    options : TargetOptions
    kind : str
        Of the scaler.
    name : str
        The target, for messages.

    Raises
    ------
    DataContractError
        A training value is not positive.
    """
    everything = groups[-1]
    wrong = everything[everything <= 0.0]
    if len(wrong):
        raise DataContractError(
            f"target {name} has {len(wrong)} training values that are not positive, the lowest is "
            f"{wrong.min():g}; target.transform {options.transform} needs positive ones: set it "
            "to none"
        )
    smallest = everything.min() if len(everything) else 1.0
    floor = float(FLOOR_PART * smallest)
    exponent = 0.0 if options.transform == "log" else box_cox_power(everything)
    unit = float(np.median(everything)) if exponent and len(everything) else 1.0
    rows = [_constants(values if len(values) else everything, options, kind) for values in groups]
    # The range of few values, or of a constant, would pin the forecasts of a series for ever.
    narrow = [len(values) < FEWEST or values.min() == values.max() for values in groups]
    rows = [
        (*rows[-1][:2], *row[2:]) if few else row for row, few in zip(rows, narrow, strict=True)
    ]
    return TargetPower(exponent, floor, unit, np.maximum(rows, [floor, floor, -np.inf, 0.0]))


def power_of(
    features: Sequence[Feature], powers: Mapping[str, TargetPower], scaler: Scaler
) -> Power | None:
    """The transforms of all features: those that are scaled values of a transformed target."""
    if not powers:
        return None
    groups = len(scaler.center) if scaler.per_series else 1
    count = len(features)
    exponent, floor, unit = np.full(count, np.nan), np.zeros(count), np.ones(count)
    rows = np.tile([-LARGEST, LARGEST, 0.0, 1.0], (len(features), groups, 1))
    for index, feature in enumerate(features):
        if feature.scaled and feature.source in powers:
            fitted = powers[feature.source]
            exponent[index], floor[index], unit[index] = fitted.exponent, fitted.floor, fitted.unit
            rows[index] = fitted.rows[-groups:]
    constants = np.moveaxis(rows, 0, 1)
    ends = constants if scaler.per_series else constants[0]
    return Power(exponent, floor, unit, *np.moveaxis(ends, -1, 0))


def box_cox_power(values: Float[np.ndarray, " observed"]) -> float:
    """The power of highest likelihood, rounded; 1 for fewer than two different values."""
    values = values[evenly_spaced(len(values), MOST_FITTED)]
    if len(values) < 2 or values.min() == values.max():
        return 1.0
    # The likelihood of a power does not depend on the unit.
    scaled = values / np.median(values)
    found = scipy.optimize.minimize_scalar(
        lambda power: -float(scipy.stats.boxcox_llf(power, scaled)), bounds=POWERS, method="bounded"
    )
    return round(float(found.x) / ROUNDING) * ROUNDING


def _constants(
    values: np.ndarray, options: TargetOptions, kind: str
) -> tuple[float, float, float, float]:
    """Bounds of forecasts, center and scale; of no value: no bounds."""
    if len(values) == 0:
        return -LARGEST, LARGEST, 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = options.bound_ratio * (high - low)
    return low - room, high + room, *center_and_scale(values, kind)
