"""Prediction intervals of a trained model, calibrated on the validation split."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

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
from spline_lstm.windows.windows import Windows

WINDOWS_PER_BATCH = 8192
# More windows would only take memory: the rank of a quantile among so many moves by a fraction of a
# percent.
CALIBRATION_WINDOWS = 50_000
# A mean needs fewer windows still; one of a handful of values can be 0 by chance.
SCALE_WINDOWS, MIN_SCALE_VALUES = 20_000, 30


def calibrate(model: Network, windows: Windows, params: EvaluateParams) -> Intervals:
    """Prediction intervals of a model.

    The network's own quantiles if they have a symmetric pair, else conformal intervals from the
    validation split; none for a probability.
    """
    targets = len(windows.target_names)
    if model.config.output == "probability":
        return no_intervals(windows.horizon, targets)
    own = quantile_intervals(model.config.quantiles, windows.horizon, targets)
    if own.levels:
        return own
    residuals, series = _residuals(model, windows, "validation", CALIBRATION_WINDOWS)
    if len(windows.arrays.series_offsets) == 2:
        return conformal_intervals(residuals, params.interval_levels)
    scales = series_scales(model, windows)
    made = conformal_intervals(residuals / scales[series][:, None], params.interval_levels)
    return replace(made, scales=scales)


def series_scales(model: Network, windows: Windows) -> Float[np.ndarray, "rows targets"]:
    """Mean absolute error of the model on the training split of each series, data units.

    The last row is that of all series together. It replaces the value of a series with few training
    values or no error.
    """
    residuals, series = _residuals(model, windows, "train", SCALE_WINDOWS)
    size, count = np.nan_to_num(np.abs(residuals)).sum(axis=1), np.isfinite(residuals).sum(axis=1)
    rows = len(windows.arrays.series_offsets) - 1
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


def _residuals(
    model: Network, windows: Windows, split: str, at_most: int
) -> tuple[Values, Int[np.ndarray, " windows"]]:
    """Forecast - observed of evenly spaced windows of a split, data units; the series of each."""
    origins = windows.splits[split]
    origins = origins[evenly_spaced(len(origins), at_most)]
    residuals, series = [], []
    for start in range(0, len(origins), WINDOWS_PER_BATCH):
        batch = windows.gather_origins(origins[start : start + WINDOWS_PER_BATCH])
        history = windows.history(batch)
        outputs = data_unit_outputs(model, batch, windows.target_scaler, batch.series, history)
        point = windows.limits.keep(outputs.point, history, batch.series)
        # The forecast of a constant series is not the network's: it says nothing of its errors.
        held = windows.limits.held(history, batch.series)[:, None]
        residuals.append(np.where(held, np.nan, point - windows.labels(batch)))
        series.append(batch.series)
    return np.concatenate(residuals), np.concatenate(series)
