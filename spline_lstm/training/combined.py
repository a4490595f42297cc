"""Train a network beside a linear forecast, and weight their forecasts by what validation shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.params import TrainParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.models.combined import (
    FACTOR,
    STACK,
    Combination,
    linear_scores,
    stack_members,
)
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.linear_moments import typical_miss
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.models.stack import fit_guarded_stack
from spline_lstm.models.time_blocks import is_beyond_noise, standard_error
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.linear import member_details, series_of
from spline_lstm.training.linear_part import LinearPart
from spline_lstm.training.loop import Evaluation, MakeLoss, Trained, train
from spline_lstm.training.residuals import FitPart, fit_linear_part
from spline_lstm.windows.windows import Batch, Windows

WINDOWS_PER_BATCH = 4096
# A weight gains nothing from more windows, which would only take memory.
STACK_WINDOWS = 10_000


def train_combined(
    config: ModelConfig,
    windows: Windows,
    params: TrainParams,
    on_evaluation: Callable[[Evaluation], None],
    checkpoint: Checkpoint | None,
    on_restore: Callable[[list[Evaluation]], None],
    make_loss: MakeLoss,
    fit_part: FitPart = fit_linear_part,
) -> Trained:
    """Fit the linear part, train the network on what it misses, and fit the stack.

    The arrays of the result are those of the network and of `models.combined`. A resumed training
    fits the linear part again, with `fit_part`: it has the same bytes. Other parameters and the
    errors are those of `loop.train` and `fit_linear_part`.
    """
    part = fit_part(windows, config.quantiles, shared=config.is_independent)
    if not config.sees_linear:
        part = part.in_z_scores()
    trained = train(config, windows, params, on_evaluation, checkpoint, on_restore, make_loss, part)
    best, last = (_complete(arrays, part) for arrays in (trained.best, trained.last))
    details: dict[str, Any] = {
        "linear_members": member_details(part.forecasters, windows.target_names),
        "factors": best[FACTOR].tolist(),
    }
    judged = validation_forecasts(config, best, windows)
    if config.stack != "none":
        weights = judged.stack_weights()
        best, last = (dict(sorted((each | {STACK: weights}).items())) for each in (best, last))
        judged = replace(judged, weights=weights)
        details["stack"] = [
            {"target": target, "member": name, "weight": float(weight)}
            for target, row in zip(windows.target_names, weights, strict=True)
            for name, weight in zip(judged.names, row, strict=True)
        ]
    if not config.quantiles:
        details["network"] = judged.gain(config.horizon).to_json()
    return replace(trained, best=best, last=last, details=details)


@dataclass(frozen=True)
class Gain:
    """By how much the forecast is better on validation than the same one without the network.

    Without it the linear forecast gets its weight in a stack, so that what naive forecasts of the
    stack gain does not count.

    Attributes
    ----------
    share : of the mean squared error without the network, in units of `typical_miss`; negative:
        worse
    error : standard error of `share`, from blocks of windows in time order
    """

    share: float
    error: float

    @property
    def is_beyond_noise(self) -> bool:
        """More than two standard errors."""
        return is_beyond_noise(self.share, self.error)

    @property
    def sentence(self) -> str:
        """For people."""
        if self.share == 0.0:
            return "the network adds nothing to the linear forecast on validation"
        figures = f"{-100 * self.share:+.2g} % +- {100 * self.error:.2g} % of the squared error"
        adds = "improves on" if self.is_beyond_noise else "adds nothing beyond noise to"
        return f"the network {adds} the linear forecast on validation ({figures})"

    def to_json(self) -> dict[str, Any]:
        """Content for metrics/train.json."""
        return {
            "gain": self.share,
            "gain_error": self.error,
            "beyond_noise": self.is_beyond_noise,
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class ValidationForecasts:
    """Forecasts of validation windows, evenly spaced, in units of `typical_miss` of their series.

    Attributes
    ----------
    names : of the members of a stack; the first one is the linear forecast, the second one that
        with the network
    forecasts : [members, windows, horizon, F_target]
    truth : [windows, horizon, F_target] NaN if not observed
    times : [windows] row of the clock of each origin
    weights : [F_target, members] of the stack; None: the second member is the forecast
    """

    names: tuple[str, ...]
    forecasts: Float[np.ndarray, "members windows horizon targets"]
    truth: Float[np.ndarray, "windows horizon targets"]
    times: Int[np.ndarray, " windows"]
    weights: Float[np.ndarray, "targets members"] | None = None

    def stack_weights(self) -> Float[np.ndarray, "targets members"]:
        """Weights of the stack of each target."""
        stacks = [
            fit_guarded_stack(
                self.names, self.forecasts[..., index], self.truth[..., index], self.times
            )
            for index in range(self.truth.shape[2])
        ]
        return np.stack([stack.weights for stack in stacks])

    def gain(self, horizon: int) -> Gain:
        """Of the forecast over the one in which the linear forecast replaces the network's."""
        without, final = self.forecasts[0], self.forecasts[1]
        if self.weights is not None:
            final = np.einsum("tm,mnht->nht", self.weights, self.forecasts)
            without = final + self.weights[:, 1] * (self.forecasts[0] - self.forecasts[1])
        seen = ~np.isnan(self.truth)
        before, after = (
            np.where(seen, (forecast - self.truth) ** 2, 0.0).sum(axis=(1, 2))
            / np.maximum(seen.sum(axis=(1, 2)), 1)
            for forecast in (without, final)
        )
        gains, unit = before - after, max(float(before.mean()), 1e-12)
        if len(gains) < 2 or not gains.any():
            return Gain(float(gains.mean()) / unit, 0.0)
        return Gain(float(gains.mean()) / unit, standard_error(gains, self.times, horizon) / unit)


def validation_forecasts(
    config: ModelConfig, arrays: Mapping[str, np.ndarray], windows: Windows
) -> ValidationForecasts:
    """Forecasts of what a stack combines."""
    model, combination = SavedModel(config, "", "", arrays), Combination.of(arrays, config)
    origins = windows.splits["validation"]
    origins = origins[evenly_spaced(len(origins), STACK_WINDOWS)]
    units = np.stack(
        [
            typical_miss(series_of(windows, index), windows.horizon, config.seasons)
            for index in range(len(windows.target_names))
        ],
        axis=1,
    )
    forecasts, truth, names = [], [], ()
    for start in range(0, len(origins), WINDOWS_PER_BATCH):
        batch = windows.gather_origins(origins[start : start + WINDOWS_PER_BATCH])
        members = _members(model, combination, batch, windows)
        names = tuple(members)
        unit = units[batch.series][:, None]
        forecasts.append(np.stack([each / unit for each in members.values()]))
        seen = batch.mask.reshape(len(batch.y), windows.horizon, -1)
        truth.append(np.where(seen, windows.labels(batch), np.nan) / unit)
    times = windows.clock_rows(origins)
    return ValidationForecasts(
        names, np.concatenate(forecasts, axis=1), np.concatenate(truth), times
    )


def _members(
    model: SavedModel, combination: Combination, batch: Batch, windows: Windows
) -> dict[str, np.ndarray]:
    config, scaler, history = model.config, windows.target_scaler, windows.history(batch)
    linear = combination.linear(history, batch.series)
    added = model.outputs(
        batch.X,
        batch.X_future if config.future_features else None,
        batch.X_static if config.static_sizes else None,
        linear_scores(linear, scaler, batch.series),
    )
    addition = scaler.changes(linear, added.point.astype(np.float64), batch.series)
    return stack_members(history, linear, addition, config.seasons)


def _complete(arrays: Mapping[str, np.ndarray], part: LinearPart) -> dict[str, np.ndarray]:
    """The arrays of a training, and those of its linear part; sorted by name."""
    combination = Combination(part.forecasters, part.residual_scale, arrays[FACTOR])
    return dict(sorted((dict(arrays) | combination.arrays()).items()))
