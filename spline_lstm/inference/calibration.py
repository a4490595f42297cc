"""Prediction intervals of a trained model, calibrated on the validation split."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.parallel import made_ahead
from spline_lstm.core.params import EvaluateParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.inference.forecast import Network, data_unit_outputs
from spline_lstm.inference.intervals import (
    Intervals,
    Values,
    conformal_intervals,
    no_intervals,
    quantile_intervals,
)
from spline_lstm.inference.local_width import LocalWidth, width_factors
from spline_lstm.inference.recent_change import PerWindow, RecentChange, fit_recent_change
from spline_lstm.inference.recent_errors import change_of_scales
from spline_lstm.inference.width_choice import Errors, choose_exponents
from spline_lstm.windows.windows import Windows

WINDOWS_PER_BATCH = 8192
# More windows would only take memory: the rank of a quantile among so many moves by a fraction of a
# percent.
CALIBRATION_WINDOWS = 50_000
# Scales and the least half widths need fewer windows still.
TRAINING_WINDOWS = 20_000
# The mean of a handful of values can be 0 by chance.
MIN_SCALE_VALUES = 30


@dataclass(frozen=True)
class Calibration:
    """Prediction intervals of a model, and the residuals that they are made of.

    Attributes
    ----------
    intervals : Intervals
    residuals : [windows, horizon, targets] float64, in the unit of the half widths
        Forecast - observed on the validation split, NaN if not observed; no windows unless the
        intervals are conformal. Half widths are at least those of the training split.
    """

    intervals: Intervals
    residuals: Values


def calibrate(model: Network, windows: Windows, params: EvaluateParams) -> Intervals:
    """Prediction intervals of a model, see `calibration_of`."""
    return calibration_of(model, windows, params).intervals


def calibration_of(model: Network, windows: Windows, params: EvaluateParams) -> Calibration:
    """Prediction intervals of a model.

    The network's own quantiles if they have a symmetric pair, else conformal intervals from the
    validation split; none for a probability.
    """
    targets = len(windows.target_names)
    none = np.empty((0, windows.horizon, targets))
    if model.config.output == "probability":
        return Calibration(no_intervals(windows.horizon, targets), none)
    own = quantile_intervals(model.config.quantiles, windows.horizon, targets)
    if own.levels:
        return Calibration(own, none)
    change, rows = fit_recent_change(windows), len(windows.arrays.series_offsets) - 1
    found = _residuals(model, windows, "validation", CALIBRATION_WINDOWS, change)
    trained = _residuals(model, windows, "train", TRAINING_WINDOWS, change)
    scales = None
    if rows > 1:
        scales = series_scales(trained.values, trained.series, rows)
        found, trained = (each.divided(scales[each.series]) for each in (found, trained))
        moved = change_of_scales(found.values, found.series, found.time, rows)
        # Training residuals stay in units of training: in moved ones they would be a mixture.
        found = found.divided(moved[found.series])
        scales[:-1] *= moved
    exponents = _exponents(found, params)
    found, trained = (
        each.divided(width_factors(each.relative, exponents)) for each in (found, trained)
    )
    local = LocalWidth(change, exponents) if exponents.any() else None
    made = conformal_intervals(found.values, params.interval_levels, trained.values)
    return Calibration(replace(made, scales=scales, local=local), found.values)


def _exponents(found: "_Residuals", params: EvaluateParams) -> Float[np.ndarray, " targets"]:
    """How widths follow the recent changes of each target; 0: not at all."""
    width, levels = params.interval_width, params.interval_levels
    if width == "constant":
        return np.zeros(found.relative.shape[1])
    errors = Errors(np.abs(found.values), found.relative, found.time)
    return choose_exponents(errors, levels, constant=width == "auto")


def series_scales(
    residuals: Values, series: Int[np.ndarray, " windows"], rows: int
) -> Float[np.ndarray, "scales targets"]:
    """Mean absolute error on training windows of each of `rows` series, data units.

    The last row is that of all series together. It replaces the value of a series with few training
    values or no error.
    """
    size, count = np.nan_to_num(np.abs(residuals)).sum(axis=1), np.isfinite(residuals).sum(axis=1)
    totals, counts = (
        np.stack(
            [np.bincount(series, weights=column, minlength=rows) for column in values.T], axis=1
        )
        for values in (size, count)
    )
    overall = totals.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
    overall = np.where(overall > 0, overall, 1.0)
    means = np.divide(totals, counts, out=np.zeros_like(totals), where=counts >= MIN_SCALE_VALUES)
    return np.concatenate([np.where(means > 0, means, overall), overall[None]])


@dataclass(frozen=True)
class _Residuals:
    """Windows of a split.

    Attributes
    ----------
    values : [windows, horizon, targets] float64
        Forecast - observed, data units, NaN if not observed.
    relative : [windows, targets] float64, recent change / usual change
    series : [windows] int64, index of the series
    time : [windows] int64, row of the clock of the origin
    """

    values: Values
    relative: PerWindow
    series: Int[np.ndarray, " windows"]
    time: Int[np.ndarray, " windows"]

    def divided(self, units: PerWindow) -> Self:
        """The values of each window and target in units of its own."""
        return replace(self, values=self.values / units[:, None])


def _residuals(
    model: Network, windows: Windows, split: str, at_most: int, change: RecentChange
) -> _Residuals:
    """Residuals of evenly spaced windows of a split."""
    origins = windows.splits[split]
    origins = origins[evenly_spaced(len(origins), at_most)]

    def of_batch(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        batch = windows.gather_origins(origins[start : start + WINDOWS_PER_BATCH])
        history = windows.history(batch)
        outputs = data_unit_outputs(model, batch, windows.target_scaler, batch.series, history)
        point = windows.limits.keep(outputs.point, history, batch.series)
        # The forecast of a constant series is not the network's: it says nothing of its errors.
        held = windows.limits.held(history, batch.series)[:, None]
        values = np.where(held, np.nan, point - windows.labels(batch))
        return values, change.relative(history, batch.series), batch.series

    batches = made_ahead(of_batch, range(0, len(origins), WINDOWS_PER_BATCH))
    values, relative, series = map(np.concatenate, zip(*batches, strict=True))
    return _Residuals(values, relative, series, windows.clock_rows(origins))
