"""`Forecast`: what a model predicts, in data units. All forecasts are made here.

::

    trained network   z-scores --scaler--> data units --+
    linear forecaster                      data units --+--limits, intervals--> Forecast
    network beside a linear forecast       data units --+
    exported file                          data units --+

Nothing here imports JAX: the command line and services make forecasts of exported files without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.inference.intervals import (
    CONFORMAL,
    QUANTILES,
    Bound,
    Intervals,
    conformal_bounds,
    quantile_bounds,
)
from spline_lstm.models.combined import Combination, linear_scores
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear_targets import forecast_targets, from_arrays
from spline_lstm.models.outputs import Outputs, Quantiles, Values
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.scaling import Scaler


@dataclass(frozen=True)
class ModelInputs:
    """Windows as a model reads them.

    Attributes
    ----------
    X : [windows, lookback, F_total] float32, z-scores
    X_future : [windows, horizon, F_future] float32, z-scores
    X_static : [windows, n_static] int32: ids, 0: unknown
    timestamps : [windows, horizon] int64, instants of the rows to forecast
    series : tuple of str
        Name of the series of each window.
    scaler_rows : [windows] int64
        Position of the series in preprocessor.json, and so its row in a per-series scaler and in
        the scales of the intervals; -1 for a series that training did not see.
    history : [windows, lookback, F_target] float64, data units, never scaled
        Targets as known before the origin.
    notes, warnings : tuple of str
        What a reader of the forecast must know: where it starts, and what was replaced.
    """

    X: Float[np.ndarray, "windows lookback features"]
    X_future: Float[np.ndarray, "windows horizon future"]
    X_static: Int[np.ndarray, "windows statics"]
    timestamps: Int[np.ndarray, "windows horizon"]
    series: tuple[str, ...]
    scaler_rows: Int[np.ndarray, " windows"]
    history: Float[np.ndarray, "windows lookback targets"]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """What a model predicts for windows, data units.

    Attributes
    ----------
    point : [windows, horizon, targets]
    lower, upper : [windows, horizon, targets, levels]
        Bounds of the prediction intervals; no levels if there are no intervals.
    levels : tuple of float
        Levels of the intervals, percent, increasing.
    quantiles : [windows, horizon, targets, quantiles]
        Of a quantile network, increasing; None for other models.
    ensemble_std : [windows, horizon, targets]
        Standard deviation of the members of an ensemble; None for a single network.
    timestamps : [windows, horizon] int64, instants of the rows that were forecast
    series : tuple of str
        Name of the series of each window.
    targets : tuple of str
    notes, warnings : tuple of str
        As in `ModelInputs`.
    """

    point: Values
    lower: Bound
    upper: Bound
    levels: tuple[float, ...]
    quantiles: Quantiles | None
    ensemble_std: Values | None
    timestamps: Int[np.ndarray, "windows horizon"]
    series: tuple[str, ...]
    targets: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Network(Protocol):
    """A trained model, such as `spline_lstm.models.saved_model.SavedModel`."""

    @property
    def config(self) -> ModelConfig:
        """Architecture and shapes."""
        ...

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Arrays by name."""
        ...

    def outputs(
        self,
        X: np.ndarray,
        X_future: np.ndarray | None = None,
        X_static: np.ndarray | None = None,
        linear: np.ndarray | None = None,
    ) -> Outputs:
        """Outputs in z-scores; beside the linear forecast `linear`, what is added to it."""
        ...


class NetworkInputs(Protocol):
    """Arrays that a network reads: `ModelInputs`, or `spline_lstm.windows.windows.Batch`."""

    @property
    def X(self) -> np.ndarray:  # noqa: N802
        """[windows, lookback, F_total] float32, z-scores."""
        ...

    @property
    def X_future(self) -> np.ndarray:  # noqa: N802
        """[windows, horizon, F_future] float32, z-scores."""
        ...

    @property
    def X_static(self) -> np.ndarray:  # noqa: N802
        """[windows, n_static] int32, ids."""
        ...


def forecast_windows(
    model: Network,
    inputs: ModelInputs,
    target_scaler: Scaler,
    intervals: Intervals | None,
    limits: ForecastLimits,
) -> Forecast:
    """The forecast of a trained model, float64.

    Parameters
    ----------
    model : Network
    inputs : ModelInputs
    target_scaler : Scaler
        Of the targets.
    intervals : Intervals
        None: a forecast without bounds.
    limits : ForecastLimits
        What the forecast must keep to.
    """
    config = model.config
    outputs = data_unit_outputs(model, inputs, target_scaler, inputs.scaler_rows, inputs.history)
    return make_forecast(outputs, inputs, intervals, config.quantiles, config.targets, limits)


def data_unit_outputs(
    model: Network,
    inputs: NetworkInputs,
    target_scaler: Scaler,
    scaler_rows: Int[np.ndarray, " windows"],
    history: Float[np.ndarray, "windows lookback targets"],
) -> Outputs:
    """Outputs of a trained model in data units, float64, before any limit.

    See `ModelInputs` for `scaler_rows`, and for `history`, which a model in closed form reads.
    """
    config = model.config
    closed_form = MODEL_TYPES[config.model_type].closed_form
    if not closed_form and not config.is_combined:
        return _unscaled(_network_outputs(model, inputs), target_scaler, scaler_rows)
    if closed_form:
        forecasters = from_arrays(model.weights, len(config.targets))
        return Outputs(forecast_targets(forecasters, history, scaler_rows))
    combination = Combination.of(model.weights, config)
    linear = combination.linear(history, scaler_rows)
    scores = linear_scores(linear, target_scaler, scaler_rows)
    added = _network_outputs(model, inputs, scores)

    def changes(values: Values) -> Values:
        return target_scaler.changes(linear, values.astype(np.float64), scaler_rows)

    point = combination.combine(history, linear, changes(added.point))
    quantiles, std = added.quantiles, added.ensemble_std
    if quantiles is not None:
        quantiles = _each_level(lambda level: linear + changes(level), quantiles)
    if std is not None:
        std = changes(std) * combination.network_weight()
    return Outputs(point, quantiles, std)


def _network_outputs(
    model: Network, inputs: NetworkInputs, linear: np.ndarray | None = None
) -> Outputs:
    config = model.config
    future = inputs.X_future if config.future_features else None
    static = inputs.X_static if config.static_sizes else None
    if linear is None:
        return model.outputs(inputs.X, future, static)
    return model.outputs(inputs.X, future, static, linear)


def _unscaled(
    scores: Outputs, target_scaler: Scaler, scaler_rows: Int[np.ndarray, " windows"]
) -> Outputs:
    """Outputs in z-scores to data units, float64."""

    def data_units(values: Values) -> Values:
        return target_scaler.forecast(values.astype(np.float64), scaler_rows)

    quantiles, std = scores.quantiles, scores.ensemble_std
    if quantiles is not None:
        quantiles = _each_level(data_units, quantiles)
    if std is not None:
        std = target_scaler.changes(data_units(scores.point), std.astype(np.float64), scaler_rows)
    return Outputs(data_units(scores.point), quantiles, std)


def _each_level(function: Callable[[Values], Values], quantiles: Quantiles) -> Quantiles:
    return np.stack([function(level) for level in np.moveaxis(quantiles, -1, 0)], axis=-1)


def make_forecast(
    outputs: Outputs,
    inputs: ModelInputs,
    intervals: Intervals | None,
    quantile_levels: tuple[float, ...],
    targets: tuple[str, ...],
    limits: ForecastLimits,
) -> Forecast:
    """The forecast of outputs in data units; its arrays have the dtype of `outputs.point`.

    Point forecast, quantiles and intervals keep to `limits`; the intervals are those around the
    limited point forecast.
    """
    kept = partial(limits.keep, history=inputs.history, series=inputs.scaler_rows)
    point, quantiles = kept(outputs.point), outputs.quantiles
    outputs = Outputs(point, None if quantiles is None else kept(quantiles), outputs.ensemble_std)
    levels, (lower, upper) = _bounds(outputs, inputs, intervals, quantile_levels)
    return Forecast(
        point=point,
        lower=kept(lower).astype(point.dtype, copy=False),
        upper=kept(upper).astype(point.dtype, copy=False),
        levels=levels,
        quantiles=outputs.quantiles,
        ensemble_std=outputs.ensemble_std,
        timestamps=inputs.timestamps,
        series=inputs.series,
        targets=targets,
        notes=(*inputs.notes, intervals.note) if intervals and intervals.note else inputs.notes,
        warnings=inputs.warnings,
    )


def _bounds(
    outputs: Outputs,
    inputs: ModelInputs,
    intervals: Intervals | None,
    quantile_levels: tuple[float, ...],
) -> tuple[tuple[float, ...], tuple[Bound, Bound]]:
    """Levels in percent, and lower and upper bounds of each."""
    if intervals is not None and intervals.method == CONFORMAL:
        rows, history = inputs.scaler_rows, inputs.history
        return intervals.levels, conformal_bounds(outputs.point, intervals, rows, history)
    if intervals is not None and intervals.method == QUANTILES and outputs.quantiles is not None:
        return intervals.levels, quantile_bounds(outputs.quantiles, quantile_levels)
    empty = np.empty((*outputs.point.shape, 0))
    return (), (empty, empty)
