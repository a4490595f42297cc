"""Elementwise losses of forecasts, and what they need to know."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import TrainParams
from spline_lstm.models.config import ModelConfig
from spline_lstm.windows.windows import Windows, scaled_targets

HUBER_DELTA = 1.0


@dataclass(frozen=True)
class Loss:
    """A loss and its constants.

    Attributes
    ----------
    kind : mse, mae, huber, quantile, bce or softmax
    quantiles : levels, for quantile
    positive_weight : weight of the label 1, for bce
    delta : error, z-scores, from which on huber is linear
    unit : z-scores that count as an error of 1 in the gradient: those that a linear part misses
    classes : of softmax; each has a logit
    """

    kind: str
    quantiles: tuple[float, ...] = ()
    positive_weight: float = 1.0
    delta: float = HUBER_DELTA
    unit: float = 1.0
    classes: int = 1

    @property
    def gradient_factor(self) -> float:
        """Turns a gradient into that of the loss of errors in `unit`."""
        return self.unit ** (-2 if self.kind in {"mse", "huber"} else -1)

    def __call__(
        self, output: Float[Array, "batch outputs levels"], y: Float[Array, "batch outputs"]
    ) -> Float[Array, "batch outputs"]:
        """Loss of each label, the mean over the levels.

        With e = output - y: mse e^2; mae abs(e); huber e^2 / 2 up to d = `delta`, d (abs(e) -
        d / 2) beyond (Huber 1964); quantile max((1 - q) e, -q e) (Koenker & Bassett 1978); bce of
        the logits `output` with labels 0 and 1; softmax of logits, the class fastest, with labels
        0, 1, ... below `classes`.
        """
        if self.kind == "softmax":
            logits = jax.nn.log_softmax(output.reshape(*y.shape, -1, self.classes))
            label = y[..., None, None].astype(jnp.int32)
            return -jnp.take_along_axis(logits, label, axis=-1).mean(axis=(-2, -1))
        error = output - y[..., None]
        if self.kind == "mse":
            loss = jnp.square(error)
        elif self.kind == "mae":
            loss = jnp.abs(error)
        elif self.kind == "huber":
            loss = optax.losses.huber_loss(error, delta=self.delta)
        elif self.kind == "quantile":
            levels = jnp.array(self.quantiles)
            loss = jnp.maximum((1 - levels) * error, -levels * error)
        else:
            label = y[..., None]
            weight = 1.0 + (self.positive_weight - 1.0) * label
            # -log sigmoid(logit) for label 1, -log(1 - sigmoid(logit)) for label 0
            loss = weight * (jax.nn.softplus(output) - label * output)
        return loss.mean(axis=-1)


def loss_sum(
    loss: Loss,
    output: Float[Array, "batch all_outputs"],
    y: Float[Array, "batch outputs"],
    counted: Float[Array, "batch outputs"],
) -> tuple[Array, Array]:
    """Weighted sum of the losses of a batch, and the sum of the weights."""
    return jnp.sum(loss(output.reshape(*y.shape, -1), y) * counted), jnp.sum(counted)


# What a task names as its loss: it checks the labels, and takes its constants from them.
MakeLoss = Callable[[Any, Any, TrainParams], Loss]


def forecast_loss(config: ModelConfig, windows: Windows, params: TrainParams) -> Loss:
    """The loss of `params`, with the quantiles of the network and the weight of positive labels.

    Raises
    ------
    DataContractError
        The loss is bce, and a label is neither 0 nor 1.
    """
    if params.loss == "bce":
        check_labels(windows)
    delta = params.huber_delta if isinstance(params.huber_delta, float) else HUBER_DELTA
    weight = positive_weight(windows, params.positive_weight)
    return Loss(params.loss, config.quantiles, weight, delta)


def positive_weight(windows: Windows, weight: float | str) -> float:
    """The weight of the label 1; ``balanced``: negatives per positive training label."""
    if not isinstance(weight, str):
        return weight
    target, observed = scaled_targets(windows)
    rows = windows.splits["train"][:, None] + np.arange(windows.horizon)
    positives = target[rows][observed[rows]].sum()
    return float((observed[rows].sum() - positives) / max(positives, 1.0))


def check_labels(windows: Windows) -> None:
    """Raise DataContractError unless every observed target is 0 or 1."""
    arrays = windows.arrays
    wrong = arrays.observed & (arrays.raw_target != 0.0) & (arrays.raw_target != 1.0)
    if wrong.any():
        row, target = (int(index) for index in np.argwhere(wrong)[0])
        timestamp = windows.clock.text_of(int(arrays.timestamps[row]))
        raise DataContractError(
            f"target {windows.target_names[target]} is {arrays.raw_target[row, target]:g} at "
            f"{timestamp}, but train.loss bce needs labels 0 and 1; use such a target, or set "
            "train.loss to mse, mae or huber"
        )
