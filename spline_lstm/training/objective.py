"""What a training minimises and what an evaluation measures, alone or beside a linear forecast.

Alone, both are the loss. Beside a linear forecast the gradient is that of the loss in units of what
the linear forecast misses, and the losses of the history are mean squared errors, whatever the
loss: after each evaluation the factor in [0, 1] of each member of an ensemble is that of least
squares on the validation windows. With a factor of 0 the forecast is the linear one, so no
evaluation is worse on validation than the linear forecast alone, which counts as evaluation 0. Only
with quantiles, which no factor fits, the losses are pinball losses and the factors 1.
"""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from spline_lstm.core.params import TrainParams
from spline_lstm.models.build import NetworkConfig
from spline_lstm.models.combined import FACTOR
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.row_layers import ensemble_mean
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.training.device_rows import RowTable
from spline_lstm.training.device_windows import DeviceBatch, LinearTable, Series
from spline_lstm.training.linear_part import LinearPart
from spline_lstm.training.losses import Loss, loss_sum
from spline_lstm.windows.windows import Windows

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows

# Of the factors: the last digits say nothing about the data.
GRAIN = 2.0**-16
TINY = 1e-12

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Objective:
    """See the module.

    Attributes
    ----------
    loss : Loss
    members : of the ensemble
    part : LinearPart
        None: the network is alone.
    mean : callable
        Output of the ensemble from those of its members [members, batch, all_outputs].
    """

    loss: Loss
    members: int
    part: LinearPart | None = None
    mean: Callable[[Array], Array] = operator.methodcaller("mean", axis=0)

    @classmethod
    def of(
        cls, loss: Loss, config: NetworkConfig, params: TrainParams, part: LinearPart | None
    ) -> "Objective":
        """With the loss in units of the linear part's residual, if there is one."""
        if isinstance(config, RowConfig):
            mean = partial(ensemble_mean, kind=config.kind)
            return cls(loss, config.ensemble_size, mean=mean)
        if part is not None:
            delta = part.unit if params.huber_delta == "residual" else loss.delta
            loss = replace(loss, delta=delta, unit=part.unit)
        return cls(loss, config.ensemble_size, part)

    @property
    def table(self) -> LinearTable | None:
        """What the device needs of the linear part."""
        return None if self.part is None else self.part.table(self.loss.delta, self.loss.unit)

    def loss_on(self, series: Series | RowTable) -> Loss:
        """The loss, its constants from the linear table that a compiled program gets with the data.

        As literals they would make every series a program of its own.
        """
        if series.linear is None:
            return self.loss
        # Arrays in place of numbers: the loss computes with both.
        constants: Any = {"delta": series.linear.delta, "unit": series.linear.unit}
        return replace(self.loss, **constants)

    @property
    def start_loss(self) -> float:
        """Validation loss before the first step that counts: of the linear part alone."""
        return math.inf if self.part is None else self.part.validation_loss

    def start(self, weights: Arrays) -> tuple[Arrays, Arrays]:
        """Best arrays before the first step, and what is added to the last weights."""
        if self.part is None:
            return {}, {}
        factor = factors(np.zeros(self.members))
        return weights | factor, factor

    def of_step(
        self,
        series: Series | RowTable,
        output: Float[Array, "batch all_outputs"],
        batch: DeviceBatch,
        counted: Float[Array, "batch outputs"],
    ) -> tuple[Array, tuple[Array, Array]]:
        """Sum that the gradient is of; sum and count of the losses to show."""
        output = series.in_z_scores(output)
        total, count = loss_sum(self.loss_on(series), output, batch.y, counted)
        if not self._fits_factors:
            return total, (total, count)
        return total, loss_sum(Loss("mse"), output, batch.y, counted)

    def of_validation(
        self,
        series: Series | RowTable,
        output: Float[Array, "*members batch all_outputs"],
        batch: DeviceBatch,
        counted: Float[Array, "batch outputs"],
    ) -> tuple[Array, Array]:
        """Sums and their count, for `judge` to take the means: `moments`, or the loss."""
        if self._fits_factors:
            added = series.in_z_scores(output).reshape(self.members, *batch.y.shape)
            return moments(batch.y, added, counted), counted.sum()
        mean = output if self.members == 1 else self.mean(output)
        return loss_sum(self.loss, series.in_z_scores(mean), batch.y, counted)

    def judge(self, means: Sequence[float]) -> tuple[float, Arrays]:
        """Validation loss, and beside a linear part the factor of each member as a named array."""
        if self.part is None:
            return means[0], {}
        if not self._fits_factors:
            return means[0], factors(np.ones(self.members))
        gram = np.array(means, dtype=np.float64).reshape(self.members + 1, self.members + 1)
        if not np.isfinite(gram).all():
            return math.nan, factors(np.zeros(self.members))
        cross, inner = gram[0, 1:], gram[1:, 1:]
        best = np.clip(cross / np.maximum(np.diag(inner), TINY), 0.0, 1.0)
        factor = np.floor(best / GRAIN + 0.5) * GRAIN
        weights = factor / self.members
        gain = 2 * float(weights @ cross) - float(weights @ inner @ weights)
        return self.part.validation_loss - gain, factors(factor)

    @property
    def _fits_factors(self) -> bool:
        return self.part is not None and not self.loss.quantiles


def loss_unit(config: NetworkConfig, windows: "Windows | Rows", loss: str) -> float:
    """What the root of a loss is multiplied by to be an RMSE in data units.

    NaN where no such number exists: the loss is not a mean squared error, or its z-scores are of
    several targets or series with scales of their own, or of a transformed target. Rows do not know
    their scale.
    """
    if isinstance(config, RowConfig):
        return math.nan
    is_linear = MODEL_TYPES[config.model_type].closed_form
    is_combined = config.is_combined and not config.quantiles
    scaler = cast("Windows", windows).target_scaler
    has_one_scale = scaler.scale.size == 1 and scaler.power is None
    if not has_one_scale or not (is_linear or is_combined or loss == "mse"):
        return math.nan
    return float(scaler.scale.reshape(-1)[0])


def factors(values: Float[np.ndarray, " members"]) -> Arrays:
    """As an array of the model."""
    return {FACTOR: values.astype(np.float32)}


def moments(
    missed: Float[Array, "batch values"],
    added: Float[Array, "members batch values"],
    counted: Float[Array, "batch values"],
) -> Float[Array, "parts parts"]:
    """Sums of products of what the linear forecast misses (first) and what each member adds."""
    parts = jnp.concatenate([missed[None], added]) * jnp.sqrt(counted)
    # Not a matmul, whose sums depend on the number of threads.
    return (parts[:, None] * parts[None]).sum(axis=(2, 3))
