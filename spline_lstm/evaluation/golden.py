"""Golden windows: test windows with the model's forecasts, the reference for exported files."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.fed_scaling import fed_scaling
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.windows import Batch, Windows


def golden_arrays(model: SavedModel, windows: Windows, count: int) -> dict[str, np.ndarray]:
    """Evenly spaced test windows with the model's forecasts.

    The forecasts are those of the inputs as stored, rounded to float32 in data units, because an
    exported file gets nothing else. Data units are less the center of the window if the file is
    fed its scaling, but of targets with a power.

    Returns
    -------
    dict
        history [windows, lookback, F_total], forecast and truth [windows, horizon, F_target];
        float32, data units, `truth` NaN if not observed. If the model has them also
        future [windows, horizon, F_future] float32, data units, static [windows, n_static] int32,
        ids, and quantiles [windows, horizon, F_target, levels] float32, data units, increasing.
        The scaling that the file is fed, if any (`FedScaling.inputs`), float32; if its targets have
        a power also unit [windows, F_target] float32, data units per z-score of their values.
    """
    config, origins = model.config, windows.splits["test"]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), count)])
    fed = fed_scaling(config, model.weights, windows.scaler)
    scaling = {} if fed is None else fed.of(batch.series)
    none = np.zeros((len(batch.series), 1, len(config.features)))
    centers = none if fed is None else fed.levels(batch.series)
    indices = windows.arrays.target_indices
    # Labels that are not among the features have no level.
    target_centers = centers[:, :, indices] if len(indices) else np.zeros((1, 1, 1))
    true = windows.history(batch) if _takes_logarithms(model, windows) else None
    arrays, batch = _rounded(windows, batch, centers, true)
    history = arrays["history"][:, :, indices] + target_centers
    outputs = data_unit_outputs(model, batch, windows.target_scaler, batch.series, history)

    def stored(values: Float[np.ndarray, "windows horizon targets"], centers: np.ndarray):
        # Not `keep`: an exported file does not know which series are constant.
        return (windows.limits.clip(values) - centers).astype(np.float32)

    arrays["truth"] = (windows.labels(batch) - target_centers).astype(np.float32)
    arrays["forecast"] = stored(outputs.point, target_centers)
    if outputs.quantiles is not None:
        arrays["quantiles"] = stored(outputs.quantiles, target_centers[..., None])
    if not config.future_features:
        del arrays["future"]
    if config.static_sizes:
        arrays["static"] = batch.X_static
    if fed is not None:
        bounded = bool(np.isfinite(windows.limits.bounds).any())
        arrays |= {name: scaling[name].astype(np.float32) for name in fed.inputs(bounded=bounded)}
        if fed.whole:
            scale = windows.target_scaler.plain.scale
            unit = np.atleast_2d(scale)[batch.series if scale.ndim == 2 else batch.series * 0]
            arrays["unit"] = unit.astype(np.float32)
    return arrays


def _takes_logarithms(model: SavedModel, windows: Windows) -> bool:
    """Whether some values have no way back from what the model makes of them: it has a floor."""
    logs = (value for name, value in model.weights.items() if name.endswith(".log"))
    return windows.scaler.power is not None or any(bool(log.any()) for log in logs)


def _rounded(
    windows: Windows,
    batch: Batch,
    centers: Float[np.ndarray, "windows 1 features"],
    true: Float[np.ndarray, "windows lookback targets"] | None,
) -> tuple[dict[str, np.ndarray], Batch]:
    """History and future as a file is fed them, and the z-scores that the network reads then.

    `true` are the targets of the history themselves, if z-scores do not give them back.
    """
    future_indices = windows.arrays.future_indices
    arrays, scores = {}, {}
    for name, key, scaler, center in (
        ("history", "X", windows.scaler, centers),
        (
            "future",
            "X_future",
            windows.scaler.columns(future_indices),
            centers[:, :, future_indices],
        ),
    ):
        values = scaler.inverse(getattr(batch, key).astype(np.float64), batch.series)
        if name == "history" and true is not None:
            values[:, :, windows.arrays.target_indices] = true
        arrays[name] = (values - center).astype(np.float32)
        again = arrays[name].astype(np.float64) + center
        scores[key] = scaler.transform(again, batch.series).astype(np.float32)
    return arrays, replace(batch, **scores)
