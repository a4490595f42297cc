"""Fit the linear part of a network, and measure what it misses."""

from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import content_id
from spline_lstm.models.combined import linear_scores
from spline_lstm.models.linear_targets import forecast_targets
from spline_lstm.training.linear import fit_targets
from spline_lstm.training.linear_part import LinearPart
from spline_lstm.windows.windows import Batch, Windows

WINDOWS_PER_BATCH = 8192
# z-scores: a linear forecast that misses less leaves only rounding to learn.
MIN_SCALE = 0.02

# Arrays that a linear part reads, see `AsOfArrays`, and those columns of `known_at`.
READ = (
    "counted_target",
    "filled_target",
    "causal_target",
    "timestamps",
    "series_offsets",
    "split_instants",
)


class FitPart(Protocol):
    """`fit_linear_part`, or what remembers its results."""

    def __call__(
        self, windows: Windows, quantiles: tuple[float, ...], *, shared: bool = False
    ) -> LinearPart:
        """As `fit_linear_part`."""
        ...


def fit_linear_part(
    windows: Windows, quantiles: tuple[float, ...], *, shared: bool = False
) -> LinearPart:
    """Fit the linear forecast of each target on the training windows, chosen on validation.

    `shared` as for `fit_targets`.

    Raises
    ------
    TooLittleDataError
        See `fit_target`.
    """
    forecasters = tuple(fit_targets(windows, shared=shared))
    position = np.full(len(windows.arrays.timestamps), -1, dtype=np.int32)
    scores, errors = [], []
    count = 0
    for split in ("train", "validation"):
        missed = []
        for batch in windows.batches(split, WINDOWS_PER_BATCH):
            linear = forecast_targets(forecasters, windows.history(batch), batch.series)
            scores.append(linear_scores(linear, windows.target_scaler, batch.series))
            missed.append(_missed(batch, scores[-1]))
            position[batch.origin] = np.arange(count, count + len(batch.origin))
            count += len(batch.origin)
        errors.append(np.concatenate(missed))
    position[position < 0] = count
    squares = [np.square(each) for each in errors]
    of_step, of_all = (_mean(squares[0], axis) for axis in (0, None))
    shape = (windows.horizon, len(windows.target_names))
    train_loss, validation_loss = (_loss(each, quantiles) for each in errors)
    return LinearPart(
        forecasters,
        np.concatenate([*scores, np.zeros((1, shape[0] * shape[1]), np.float32)]),
        position,
        np.maximum(np.sqrt(of_step), MIN_SCALE).astype(np.float32).reshape(shape),
        max(float(np.sqrt(of_all)), MIN_SCALE),
        train_loss,
        validation_loss,
        quantiles,
    )


class LinearParts:
    """`fit_linear_part` for many trainings: equal windows and quantiles are fitted once.

    Equal means equal contents, whatever the windows were made from and the network reads.
    """

    def __init__(self) -> None:
        self._parts: dict[str, LinearPart] = {}

    def __call__(
        self, windows: Windows, quantiles: tuple[float, ...], *, shared: bool = False
    ) -> LinearPart:
        """As `fit_linear_part`."""
        key = _content_of(windows, quantiles, shared)
        if key not in self._parts:
            self._parts[key] = fit_linear_part(windows, quantiles, shared=shared)
        return self._parts[key]


def _content_of(windows: Windows, quantiles: tuple[float, ...], shared: bool) -> str:
    """Content id of all that a linear part depends on: only the targets, in data units."""
    arrays = windows.arrays
    known_at = arrays.known_at[:, arrays.target_indices]
    parts = [getattr(arrays, name) for name in READ] + [known_at, windows.origins, windows.split]
    return content_id(
        *(np.ascontiguousarray(part).tobytes() for part in parts),
        windows.target_scaler.to_json(),
        repr((windows.clock, windows.lookback, windows.horizon, quantiles, shared)),
    )


def _missed(batch: Batch, scores: np.ndarray) -> Float[np.ndarray, "windows values"]:
    """Labels minus forecasts, z-scores, NaN if not observed."""
    return np.where(batch.mask, batch.y.astype(np.float64) - scores, np.nan)


def _mean(values: np.ndarray, axis: int | None) -> Any:
    """Of the values that are not NaN; 0 without any."""
    seen = ~np.isnan(values)
    return np.where(seen, values, 0.0).sum(axis=axis) / np.maximum(seen.sum(axis=axis), 1)


def _loss(missed: np.ndarray, quantiles: tuple[float, ...]) -> float:
    if not quantiles:
        return float(_mean(np.square(missed), None))
    each = [np.maximum(level * missed, (level - 1) * missed) for level in quantiles]
    return float(_mean(np.mean(each, axis=0), None))
