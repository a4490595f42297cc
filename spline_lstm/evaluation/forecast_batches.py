"""Forecasts of windows by the model and the baselines, with prediction intervals, in data units.

Windows pass in batches, so memory is bounded by the batch and not by the number of windows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.params import EvaluateParams
from spline_lstm.evaluation.baselines import drift, moving_average, naive, seasonal_naive
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.example_windows import evenly_spaced
from spline_lstm.evaluation.ridge import Sample, fit_ridge
from spline_lstm.inference.intervals import (
    QUANTILES,
    Bounds,
    Intervals,
    conformal_bounds,
    conformal_intervals,
    no_intervals,
    quantile_bounds,
    quantile_intervals,
)
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.windows import Batch, Windows

WINDOWS_PER_BATCH = 8192
# Ridge has few weights: it gains nothing from more windows, which would only take memory. Half widths neither:
# the rank of a quantile among so many moves by a fraction of a percent.
FITTED_WINDOWS = 50_000
# A mean needs fewer windows still; one over a handful of values can be 0 by chance.
SCALED_WINDOWS, SCALED_VALUES = 20_000, 30

Values = Float[np.ndarray, "windows horizon targets"]
Baseline = Callable[[Batch, Float[np.ndarray, "windows lookback targets"]], Values]


@dataclass(frozen=True)
class TestBatch:
    """Forecasts and truth of some test windows, data units.

    Attributes
    ----------
    history : [windows, lookback, targets] as known before the origin
    y_true : [windows, horizon, targets] NaN where not observed
    forecasts : name -> [windows, horizon, targets]; the model's under `MODEL`
    bounds : [levels, 2, windows, horizon, targets] prediction intervals of the model
    spread : [windows, horizon, targets] standard deviation of an ensemble's members; None for a single network
    origin_time : [windows] int64, ns since 1970 UTC
    series : [windows] int64
    """

    __test__ = False

    history: Float[np.ndarray, "windows lookback targets"]
    y_true: Values
    forecasts: dict[str, Values]
    bounds: Bounds
    spread: Values | None
    origin_time: Int[np.ndarray, " windows"]
    series: Int[np.ndarray, " windows"]

    @property
    def mask(self) -> Bool[np.ndarray, "windows horizon targets"]:
        """True where the truth was observed."""
        return ~np.isnan(self.y_true)


def forecast_test_part(
    model: SavedModel, windows: Windows, params: EvaluateParams, intervals: Intervals
) -> Iterator[TestBatch]:
    """Forecasts of all test windows by the model and the baselines, in batches, in the order of the origins."""
    baselines = make_baselines(windows, params)
    for batch in windows.batches("test", WINDOWS_PER_BATCH):
        history = history_of(windows, batch)
        forecasts = {MODEL: forecast_of(model, windows, batch)}
        forecasts |= {name: forecast(batch, history) for name, forecast in baselines.items()}
        bounds = bounds_of(model, windows, batch, forecasts[MODEL], intervals)
        spread = spread_of(model, windows, batch)
        yield TestBatch(
            history,
            labels_of(windows, batch),
            forecasts,
            bounds,
            spread,
            batch.origin_time,
            batch.series,
        )


def forecast_of(model: SavedModel, windows: Windows, batch: Batch) -> Values:
    """Point forecasts of the model, data units."""
    return windows.to_data_units(model.predict(*inputs_of(model, batch)), batch.series)


def spread_of(model: SavedModel, windows: Windows, batch: Batch) -> Values | None:
    """Standard deviation of the point forecasts of an ensemble's members, data units; None for a single network."""
    if model.config.ensemble_size == 1:
        return None
    spread = model.predict_ensemble_std(*inputs_of(model, batch))
    # A length, which has no origin: only the scale of the scores counts.
    return windows.to_data_units(spread, batch.series) - windows.to_data_units(
        np.zeros_like(spread), batch.series
    )


def inputs_of(
    model: SavedModel, batch: Batch
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """X, and X_future and X_static where the network reads them."""
    config = model.config
    return (
        batch.X,
        batch.X_future if config.future_features else None,
        batch.X_static if config.static_sizes else None,
    )


def quantiles_of(
    model: SavedModel, windows: Windows, batch: Batch
) -> Float[np.ndarray, "windows horizon targets levels"]:
    """All quantiles of the model, data units, increasing."""
    levels = np.moveaxis(model.predict_quantiles(*inputs_of(model, batch)), 2, 0)
    return np.stack([windows.to_data_units(level, batch.series) for level in levels], axis=-1)


def calibrate(model: SavedModel, windows: Windows, params: EvaluateParams) -> Intervals:
    """Prediction intervals: the network's own quantiles where it has a pair, else conformal on the validation part."""
    targets = len(windows.target_names)
    if model.config.output == "probability":
        return no_intervals(windows.horizon, targets)
    own = quantile_intervals(model.config.quantiles, windows.horizon, targets)
    if own.levels:
        return own
    residuals, series = _residuals(model, windows, "validation", FITTED_WINDOWS)
    if len(windows.arrays.series_offsets) == 2:
        return conformal_intervals(residuals, params.interval_levels)
    scales = series_scales(model, windows)
    made = conformal_intervals(residuals / scales[series][:, None], params.interval_levels)
    return replace(made, scales=scales)


def series_scales(model: SavedModel, windows: Windows) -> Float[np.ndarray, "rows targets"]:
    """Mean absolute error of the model on the training part of each series, and in the last row of all together.

    That stands in where a series has few training values or no error; data units.
    """
    residuals, series = _residuals(model, windows, "train", SCALED_WINDOWS)
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
    means = np.divide(totals, counts, out=np.zeros_like(totals), where=counts >= SCALED_VALUES)
    return np.concatenate([np.where(means > 0, means, overall), overall[None]])


def _residuals(
    model: SavedModel, windows: Windows, split: str, most: int
) -> tuple[Values, Int[np.ndarray, " windows"]]:
    """Forecast - observed of evenly spaced windows of a part, data units, and the series of each."""
    origins = windows.splits[split]
    origins = origins[evenly_spaced(len(origins), most)]
    parts = []
    for start in range(0, len(origins), WINDOWS_PER_BATCH):
        batch = windows.gather_origins(origins[start : start + WINDOWS_PER_BATCH])
        parts.append((forecast_of(model, windows, batch) - labels_of(windows, batch), batch.series))
    residuals, series = zip(*parts, strict=True)
    return np.concatenate(residuals), np.concatenate(series)


def bounds_of(
    model: SavedModel, windows: Windows, batch: Batch, forecast: Values, intervals: Intervals
) -> Bounds:
    """Prediction intervals around the point forecasts, data units."""
    if intervals.method == QUANTILES:
        return quantile_bounds(quantiles_of(model, windows, batch), model.config.quantiles)
    return conformal_bounds(forecast, intervals, batch.series)


def make_baselines(windows: Windows, params: EvaluateParams) -> dict[str, Baseline]:
    """Baselines by name; ridge is fitted on the training windows, its penalty chosen on validation."""
    horizon = windows.horizon
    train, validation = (_sample(windows, split) for split in ("train", "validation"))
    average_over = min(params.moving_average, windows.lookback)
    ridge = fit_ridge(train, validation)
    return {
        "naive": lambda batch, history: naive(history, horizon),
        "seasonal_naive": lambda batch, history: last_season(
            windows, batch, history, params.season
        ),
        "moving_average": lambda batch, history: moving_average(history, horizon, average_over),
        "drift": lambda batch, history: drift(history, horizon),
        "ridge": lambda batch, history: ridge.predict(history),
    }


def last_season(
    windows: Windows,
    batch: Batch,
    history: Float[np.ndarray, "windows lookback targets"],
    season: int,
) -> Values:
    """Seasonal naive forecast from the as-of series, which reaches further back than the lookback.

    The rows one season before those to forecast lie before the origin; a value in a gap is the one that was
    known at the origin. Where such a row lies before the beginning of its series, or behind a gap longer than
    the limit, the forecast is the last value, as that of the naive forecast.
    """
    if season <= windows.lookback:
        return seasonal_naive(history, windows.horizon, season)
    arrays = windows.arrays
    back = np.arange(min(season, windows.horizon)) - season
    rows = batch.origin[:, None] + back
    begin = arrays.series_offsets[batch.series][:, None]
    known = (rows >= begin) & arrays.valid[np.maximum(rows, begin)]
    cells = np.maximum(rows, begin)[:, :, None], arrays.target_indices
    scores = np.where(
        arrays.known_at[cells] < batch.origin[:, None, None],
        arrays.scaled[cells],
        arrays.causal[cells],
    )
    values = windows.target_scaler.inverse(scores.astype(np.float64), batch.series)
    part = np.where(known[:, :, None], values, history[:, -1:])
    return part[:, np.arange(windows.horizon) % season]


def _sample(windows: Windows, split: str) -> Sample:
    origins = windows.splits[split]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), FITTED_WINDOWS)])
    truth = labels_of(windows, batch)
    return Sample(history_of(windows, batch), np.nan_to_num(truth), ~np.isnan(truth))


def history_of(windows: Windows, batch: Batch) -> Float[np.ndarray, "windows lookback targets"]:
    """Targets of the lookback as known before the origin, data units."""
    targets = batch.X[:, :, windows.arrays.target_indices].astype(np.float64)
    return windows.target_scaler.inverse(targets, batch.series)


def labels_of(windows: Windows, batch: Batch) -> Values:
    """Raw observations of the horizon, data units, NaN where there is none."""
    return windows.arrays.raw_target[batch.origin[:, None] + np.arange(windows.horizon)]
