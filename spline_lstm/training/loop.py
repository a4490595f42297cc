"""Training: one compiled program per evaluation, early stopping, best and last weights.

The series stays on the device; a step gathers its windows there by index. The steps up to the next
evaluation and that evaluation are one compiled program (`lax.scan` over the batches, then the
validation loss) with one transfer to the host: its losses. A checkpoint adds the weights and
moments. The members of an ensemble are mapped over inside that program, and several devices share
each batch.
"""

import dataclasses
import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm.auto import tqdm

from spline_lstm.core.errors import DivergedError
from spline_lstm.core.params import TrainParams
from spline_lstm.models.build import NetworkConfig, network_class, to_arrays
from spline_lstm.training.budget import Budget, budget_of
from spline_lstm.training.checkpoints import Checkpoint
from spline_lstm.training.linear_part import LinearPart, slowed
from spline_lstm.training.losses import MakeLoss, forecast_loss
from spline_lstm.training.objective import Objective
from spline_lstm.training.optimizers import (
    best_evaluation,
    make_optimizer,
    rate_at,
    rate_factor,
)
from spline_lstm.training.steps import TrainState, program_content, start
from spline_lstm.windows.windows import Windows

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One measurement of the losses; the first one of a training is number 1.

    Attributes
    ----------
    step : steps so far
    epoch : passes over the training windows so far
    train_loss : mean over the training labels since the evaluation before, each with the weights of
        its step
    validation_loss : mean over all validation labels; of the mean forecast of an ensemble
    gradient_norm : largest global norm of a step's gradient since then, before clipping
    learning_rate : step size of the last step; 0 without steps
    """

    step: int
    epoch: float
    train_loss: float
    validation_loss: float
    gradient_norm: float
    learning_rate: float = 0.0


@dataclasses.dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    best, last : dict of name -> float32 array
        Weights of the evaluation with the lowest validation loss, and of the last one.
    history : list of Evaluation
    best_evaluation : int, from 1
    details : dict
        More content for metrics/train.json.
    start : Evaluation
        Number 0: the linear forecast alone, the best one if `best_evaluation` is 0; None without a
        linear part.
    """

    best: dict[str, np.ndarray]
    last: dict[str, np.ndarray]
    history: list[Evaluation]
    best_evaluation: int
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    start: Evaluation | None = None

    @property
    def best_losses(self) -> Evaluation:
        """The evaluation of the best weights."""
        if self.best_evaluation == 0 and self.start is not None:
            return self.start
        return self.history[self.best_evaluation - 1]


def train(
    config: NetworkConfig,
    windows: "Windows | Rows",
    params: TrainParams,
    on_evaluation: Callable[[Evaluation], None] = lambda evaluation: None,
    checkpoint: Checkpoint | None = None,
    on_restore: Callable[[list[Evaluation]], None] = lambda history: None,
    make_loss: MakeLoss = forecast_loss,
    part: LinearPart | None = None,
) -> Trained:
    """Train a network on the training windows or rows, watching those of validation.

    Parameters
    ----------
    config : ModelConfig or RowConfig
    windows : Windows or Rows
    params : TrainParams
    on_evaluation : callable
        Called with the losses of each evaluation, before they are checked to be finite.
    checkpoint : Checkpoint, optional
        Written after each evaluation, removed at the end. If a killed run left one, the training
        resumes after its last evaluation and ends with the same bytes as an uninterrupted one.
    on_restore : callable
        Called with the evaluations of such a run.
    make_loss : callable
        Makes the loss from config, windows and params, before anything else.
    part : LinearPart
        The linear forecast beside which the network is trained, if the config has one. The losses
        of the history are then mean squared errors, or pinball losses.

    Raises
    ------
    DataContractError
        The loss is bce, and a label is neither 0 nor 1.
    DivergedError
        A loss or a gradient is no longer finite.
    """
    objective = Objective.of(make_loss(config, windows, params), config, params, part)
    budget = budget_of(params, len(windows.splits["train"]))
    undecayed = getattr(network_class(config), "undecayed", ())
    optimizer = slowed(make_optimizer(params, budget, undecayed), config)
    content = program_content(config, params, budget, objective)
    # JAX compiles a program for each of its operations, here while others are compiled.
    rates = threading.Thread(target=rate_at, args=(0, params, budget))
    rates.start()
    first = range(budget.next_interval(0))
    state, run_steps = start(config, optimizer, params, windows, objective, content, first)
    rates.join()
    history: list[Evaluation] = []
    best, factor = objective.start(to_arrays(state.weights))
    if checkpoint is not None and (saved := checkpoint.read()) is not None:
        state, best, factor, history = restore(state, *saved)
        on_restore(history)
    done = steps_of(history)
    with tqdm(
        total=budget.max_steps, initial=done, desc="training", unit="step", disable=None
    ) as bar:
        while not finished(history, budget, params.min_delta, objective.start_loss):
            rate = rate_factor([item.validation_loss for item in history], params)
            steps = range(done, done + budget.next_interval(done))
            state, losses = run_steps(state, steps, rate)
            done = steps.stop
            train_loss, norm, *means = np.asarray(losses).tolist()
            loss, factor = objective.judge(means)
            last_rate = rate * rate_at(done - 1, params, budget)
            epoch = budget.epochs(done)
            history.append(Evaluation(done, epoch, train_loss, loss, norm, last_rate))
            on_evaluation(history[-1])
            check_finite(history[-1])
            if best_of(history, objective.start_loss) == len(history):
                best = to_arrays(state.weights) | factor
            if checkpoint is not None:
                checkpoint.write(*snapshot(state, best, factor, history))
            bar.update(len(steps))
    if checkpoint is not None:
        checkpoint.clear()
    last = to_arrays(state.weights) | factor
    alone = part and Evaluation(0, 0.0, part.train_loss, part.validation_loss, 0.0)
    return Trained(best, last, history, best_of(history, objective.start_loss), start=alone)


def best_of(history: Sequence[Evaluation], start: float = math.inf, min_delta: float = 0.0) -> int:
    """Number of the best evaluation; 0 if none is better than the loss `start` before the first."""
    return best_evaluation([item.validation_loss for item in history], min_delta, start)


def steps_of(history: Sequence[Evaluation]) -> int:
    """Steps so far."""
    return history[-1].step if history else 0


def finished(
    history: Sequence[Evaluation], budget: Budget, min_delta: float, start: float = math.inf
) -> bool:
    """True after `max_steps`, or after `min_steps` and `patience` evaluations of no improvement."""
    done = steps_of(history)
    waited = len(history) - best_of(history, start, min_delta)
    patient = budget.patience is None or waited < budget.patience
    return done >= budget.max_steps or (done >= budget.min_steps and not patient)


def training_curve(history: Sequence[Evaluation], unit: float = math.nan) -> str:
    """CSV text: a column per field of an evaluation, then train_rmse and validation_rmse.

    The RMSE is in data units: the root of a loss that is a mean squared z-score, times `unit`, a
    z-score in data units. It is empty if `unit` is NaN (see `objective.loss_unit`).
    """
    names = [field.name for field in dataclasses.fields(Evaluation)]
    rows = []
    for item in history:
        losses = (item.train_loss, item.validation_loss)
        cells = [f"{value:.8g}" for value in dataclasses.astuple(item)]
        cells += ["" if math.isnan(unit) else f"{unit * loss**0.5:.8g}" for loss in losses]
        rows.append(",".join(cells))
    return "\n".join([",".join([*names, "train_rmse", "validation_rmse"]), *rows]) + "\n"


def check_finite(last: Evaluation) -> None:
    """Raise DivergedError if a loss or the gradient norm of an evaluation is not finite."""
    if not all(math.isfinite(value) for value in dataclasses.astuple(last)):
        raise DivergedError(
            f"step {last.step}: the training loss is {last.train_loss:g}, the validation loss "
            f"{last.validation_loss:g} and the largest gradient norm {last.gradient_norm:g}; all "
            "must be finite. Lower train.learning_rate or train.clip_norm"
        )


def snapshot(
    state: TrainState,
    best: dict[str, np.ndarray],
    factor: dict[str, np.ndarray],
    history: Sequence[Evaluation],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Content of a checkpoint: arrays by name, and the history."""
    arrays = {
        f"state.{index}": np.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(state))
    }
    arrays |= {f"best.{name}": value for name, value in best.items()}
    arrays |= {f"last.{name}": value for name, value in factor.items()}
    return arrays, {"history": [dataclasses.astuple(item) for item in history]}


def restore(
    state: TrainState, arrays: dict[str, np.ndarray], progress: dict[str, Any]
) -> tuple[TrainState, dict[str, np.ndarray], dict[str, np.ndarray], list[Evaluation]]:
    """Undo `snapshot`; `state` has the structure of the result."""
    leaves = [jnp.asarray(arrays[f"state.{index}"]) for index in range(len(jax.tree.leaves(state)))]
    best, last = (
        {
            name.removeprefix(start): value
            for name, value in sorted(arrays.items())
            if name.startswith(start)
        }
        for start in ("best.", "last.")
    )
    history = [Evaluation(*item) for item in progress["history"]]
    return (
        jax.tree.unflatten(jax.tree.structure(state), leaves),
        best,
        last,
        history,
    )
