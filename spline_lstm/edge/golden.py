"""Golden windows: inputs with the forecasts of the trained model, the reference of every exported file."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from spline_lstm.artifacts import read_arrays
from spline_lstm.errors import ArtifactError


@dataclass(frozen=True)
class Golden:
    """Windows of the test part.

    Attributes
    ----------
    history : [windows, lookback, F_total] float32, data units
    forecast : [windows, horizon, F_target] float32, data units, by the trained model
    truth : [windows, horizon, F_target] float32, data units, NaN where not observed
    """

    history: Float[np.ndarray, "windows lookback features"]
    forecast: Float[np.ndarray, "windows horizon targets"]
    truth: Float[np.ndarray, "windows horizon targets"]


def load_golden(path: Path) -> Golden:
    """Read data/golden.npz.

    Raises
    ------
    ArtifactError
        The file is missing or damaged, an array is missing, shapes do not fit each other, a history or
        forecast is not finite, or nothing of the truth was observed.
    """
    arrays = read_arrays(path)
    names = {field.name for field in fields(Golden)}
    if not names <= set(arrays):
        raise ArtifactError(f"{path} lacks {', '.join(sorted(names - set(arrays)))}; run `dvc repro`")
    golden = Golden(**{name: arrays[name] for name in names})
    shapes = f"history {golden.history.shape}, forecast {golden.forecast.shape}, truth {golden.truth.shape}"
    if golden.forecast.shape != golden.truth.shape or golden.forecast.ndim != 3 or golden.history.ndim != 3:
        raise ArtifactError(f"{path} holds arrays that do not fit each other ({shapes}); run `dvc repro`")
    if len(golden.history) == 0 or len(golden.history) != len(golden.forecast):
        raise ArtifactError(f"{path} must hold the same number of windows, at least one, but has {shapes}")
    if not (np.isfinite(golden.history).all() and np.isfinite(golden.forecast).all()):
        raise ArtifactError(f"{path} holds a history or forecast that is not finite; retrain the model")
    if not np.isfinite(golden.truth).any():
        raise ArtifactError(f"{path} holds no observed truth, so no error can be measured; raise export.golden_windows")
    return golden


def answers(
    forecast: Callable[[np.ndarray], np.ndarray], golden: Golden
) -> Float[np.ndarray, "two windows horizon targets"]:
    """What an exported file answers: window by window, and all windows as one batch.

    Raises
    ------
    ValueError
        An answer has another shape than the forecast of the trained model.
    """
    singly = np.concatenate([forecast(window[np.newaxis]) for window in golden.history])
    together = forecast(golden.history)
    if singly.shape != golden.forecast.shape or together.shape != golden.forecast.shape:
        raise ValueError(
            f"answers have the shapes {singly.shape} and {together.shape}, the forecasts {golden.forecast.shape}"
        )
    return np.stack([singly, together])


def differences(
    answered: Float[np.ndarray, "... horizon targets"],
    golden: Golden,
    target_scale: Float[np.ndarray, " targets"],
) -> Float[np.ndarray, "... horizon targets"]:
    """Distance of answers to the forecasts of the trained model, in z-scores, float64."""
    return np.abs(answered.astype(np.float64) - golden.forecast) / target_scale


def rounding_steps(
    golden: Golden, target_scale: Float[np.ndarray, " targets"]
) -> Float[np.ndarray, "windows horizon targets"]:
    """Gap between the forecast and the next float32 number, in z-scores: no file can resolve less.

    At glucose's level of 100 and spread of 50 it is 2e-7; at a level of 1e6 and a spread of 1 it is 0.06.
    """
    return np.spacing(np.abs(golden.forecast), dtype=np.float32).astype(np.float64) / target_scale


def rmse_increase(
    answered: Float[np.ndarray, "... windows horizon targets"],
    golden: Golden,
    target_scale: Float[np.ndarray, " targets"],
) -> float:
    """rmse(answers) / rmse(forecasts) - 1 against the observed truth, errors in z-scores.

    0: as good as the trained model; 0.01: one per cent worse; negative: better.
    """
    observed = np.isfinite(golden.truth)
    ours = _rmse(((answered.astype(np.float64) - golden.truth) / target_scale)[..., observed])
    theirs = _rmse(((golden.forecast.astype(np.float64) - golden.truth) / target_scale)[observed])
    if theirs == 0.0:
        return 0.0 if ours == 0.0 else float("inf")
    return ours / theirs - 1.0


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
