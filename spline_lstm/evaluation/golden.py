"""Golden windows: test windows with the model's forecasts, the reference for exported files."""

from dataclasses import replace

import numpy as np

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.outputs import Outputs
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import Windows


def golden_arrays(model: SavedModel, windows: Windows, count: int) -> dict[str, np.ndarray]:
    """Evenly spaced test windows with the model's forecasts.

    The forecasts are those of the inputs as stored, rounded to float32 in data units, because an
    exported file gets nothing else.

    Returns
    -------
    dict
        history [windows, lookback, F_total], forecast and truth [windows, horizon, F_target];
        float32, data units, `truth` NaN if not observed. If the model has them also
        future [windows, horizon, F_future] float32, data units, static [windows, n_static] int32,
        ids, and quantiles [windows, horizon, F_target, levels] float32, data units, increasing.
    """
    config, origins = model.config, windows.splits["test"]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), count)])
    future_scaler = windows.scaler.columns(windows.arrays.future_indices)
    history, X = _rounded(windows.scaler, batch.X, batch.series)
    future, X_future = _rounded(future_scaler, batch.X_future, batch.series)
    outputs = data_unit_outputs(
        model,
        replace(batch, X=X, X_future=X_future),
        windows.target_scaler,
        batch.series,
        history[:, :, windows.arrays.target_indices].astype(np.float64),
    )
    outputs = Outputs(*(_clipped(windows, values) for values in (outputs.point, outputs.quantiles)))
    arrays = {"history": history, "truth": windows.labels(batch).astype(np.float32)}
    if config.future_features:
        arrays["future"] = future
    if config.static_sizes:
        arrays["static"] = batch.X_static
    arrays["forecast"] = outputs.point.astype(np.float32)
    if outputs.quantiles is not None:
        arrays["quantiles"] = outputs.quantiles.astype(np.float32)
    return arrays


def _clipped(windows: Windows, values: np.ndarray | None) -> np.ndarray | None:
    # Not `keep`: an exported file does not know which series are constant.
    return None if values is None else windows.limits.clip(values)


def _rounded(scaler: Scaler, z: np.ndarray, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs in data units, float32, and what the network reads of them, z-scores."""
    values = scaler.inverse(z.astype(np.float64), series).astype(np.float32)
    return values, scaler.transform(values.astype(np.float64), series).astype(np.float32)
