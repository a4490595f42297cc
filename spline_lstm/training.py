"""Training: loss, one compiled program per epoch, early stopping, best and last weights.

The series stays on the device; a step gathers its windows there by index. An epoch is one compiled
program (`lax.scan` over the batches, then the validation loss), with one transfer to the host: the
two losses.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray
from tqdm.auto import tqdm

from spline_lstm.errors import DivergedError
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.registry import build, to_arrays
from spline_lstm.params import TrainParams
from spline_lstm.windows import Windows, gather_inputs, scaled_targets

# Windows per step of the validation scan: large enough for fast matmuls, small enough for any memory.
VALIDATION_BATCH = 256
HUBER_DELTA = 1.0
# Share of the learning rate at which a cosine schedule begins its warm-up and ends.
FINAL_SHARE = 0.01


class Series(NamedTuple):
    """The as-of arrays on the device; see `AsOfArrays`."""

    scaled: Float[Array, "rows features"]
    causal: Float[Array, "rows features"]
    known_at: Int[Array, "rows features"]
    target: Float[Array, "rows targets"]
    observed: Float[Array, "rows targets"]


class TrainState(NamedTuple):
    """What an epoch carries on."""

    params: Any
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Losses of one epoch (z-scores): the mean over its steps, and over all validation windows."""

    epoch: int
    train_loss: float
    validation_loss: float


@dataclasses.dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    best, last : dict of name -> float32 array
        Weights of the epoch with the lowest validation loss, and of the last epoch.
    history : list of Epoch
    best_epoch : int, from 1
    """

    best: dict[str, np.ndarray]
    last: dict[str, np.ndarray]
    history: list[Epoch]
    best_epoch: int

    @property
    def best_losses(self) -> Epoch:
        """Losses of the best epoch."""
        return self.history[self.best_epoch - 1]


def train(
    config: ModelConfig, windows: Windows, params: TrainParams, on_epoch: Callable[[Epoch], None] = lambda epoch: None
) -> Trained:
    """Train a forecaster on the training windows, watching the validation windows.

    Parameters
    ----------
    config : ModelConfig
    windows : Windows
    params : TrainParams
    on_epoch : callable
        Called with the losses of each epoch, before they are checked to be finite.

    Raises
    ------
    DivergedError
        A loss is no longer finite.
    """
    key = jax.random.key(params.seed)
    model = build(config, key=key)
    graph, weights = nnx.split(model, nnx.Param)
    optimizer = make_optimizer(params, steps_per_epoch=-(-len(windows.splits["train"]) // params.batch_size))
    state = TrainState(weights, optimizer.init(weights))
    run_epoch = make_epoch(graph, optimizer, config, params, windows)
    history: list[Epoch] = []
    best, best_epoch, best_loss = to_arrays(weights), 0, math.inf
    for epoch in progress(params.max_epochs):
        state, train_loss, validation_loss = run_epoch(state, epoch)
        history.append(Epoch(epoch, float(train_loss), float(validation_loss)))
        on_epoch(history[-1])
        check_finite(history)
        if history[-1].validation_loss < best_loss - params.min_delta:
            best, best_epoch, best_loss = to_arrays(state.params), epoch, history[-1].validation_loss
        if epoch - best_epoch >= params.patience:
            break
    return Trained(best, to_arrays(state.params), history, best_epoch)


def training_curve(history: list[Epoch]) -> str:
    """CSV text: epoch, train_loss, validation_loss."""
    lines = [f"{item.epoch},{item.train_loss:.8g},{item.validation_loss:.8g}\n" for item in history]
    return "epoch,train_loss,validation_loss\n" + "".join(lines)


def progress(max_epochs: int) -> Iterator[int]:
    """Epoch numbers from 1, with a progress bar on terminals only."""
    return iter(tqdm(range(1, max_epochs + 1), desc="training", unit="epoch", disable=None, leave=False))


def check_finite(history: list[Epoch]) -> None:
    """Raise DivergedError when the last epoch's losses are not finite."""
    last = history[-1]
    if not (math.isfinite(last.train_loss) and math.isfinite(last.validation_loss)):
        raise DivergedError(
            f"epoch {last.epoch}: the training loss is {last.train_loss:g} and the validation loss "
            f"{last.validation_loss:g}; both must be finite. Lower train.learning_rate or train.clip_norm"
        )


def make_optimizer(params: TrainParams, *, steps_per_epoch: int) -> optax.GradientTransformation:
    """AdamW (Loshchilov & Hutter, ICLR 2019) behind clipping by the global norm (Pascanu et al., ICML 2013)."""
    return optax.chain(
        optax.clip_by_global_norm(params.clip_norm),
        optax.adamw(learning_rate(params, steps_per_epoch), weight_decay=params.weight_decay),
    )


def learning_rate(params: TrainParams, steps_per_epoch: int) -> optax.ScalarOrSchedule:
    """Step size by step: constant, or one epoch of warm-up and a cosine (Loshchilov & Hutter, ICLR 2017)."""
    if params.schedule == "constant":
        return params.learning_rate
    return optax.schedules.warmup_cosine_decay_schedule(
        init_value=params.learning_rate * FINAL_SHARE,
        peak_value=params.learning_rate,
        warmup_steps=min(steps_per_epoch, steps_per_epoch * params.max_epochs // 2),
        decay_steps=steps_per_epoch * params.max_epochs,
        end_value=params.learning_rate * FINAL_SHARE,
    )


def make_epoch(
    graph: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    config: ModelConfig,
    params: TrainParams,
    windows: Windows,
) -> Callable[[TrainState, int], tuple[TrainState, Array, Array]]:
    """Compile an epoch: ``run(state, epoch) -> state, train loss, validation loss``."""
    series = to_device(windows)
    origins = windows.splits
    validation = pad_to_batches(origins["validation"].astype(np.int32), VALIDATION_BATCH)

    @jax.jit
    def epoch(state: TrainState, series: Series, batches: Any, validation: Any, key: PRNGKeyArray) -> Any:
        def step(state: TrainState, batch: Any) -> tuple[TrainState, Array]:
            index, (rows, weight) = batch

            def loss_of(weights: nnx.State) -> Array:
                of_step = jax.random.fold_in(key, index)
                total, count = loss_sum(graph, weights, series, rows, weight, config, params.loss, of_step)
                return total / jnp.maximum(count, 1.0)

            loss, gradient = jax.value_and_grad(loss_of)(state.params)
            updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
            return TrainState(optax.apply_updates(state.params, updates), optimizer_state), loss

        def validate(carry: tuple[Array, Array], batch: Any) -> tuple[tuple[Array, Array], None]:
            rows, weight = batch
            total, count = loss_sum(graph, state.params, series, rows, weight, config, params.loss, None)
            return (carry[0] + total, carry[1] + count), None

        state, losses = lax.scan(step, state, (jnp.arange(len(batches[0])), batches))
        zero = jnp.zeros(())
        (total, count), _ = lax.scan(validate, (zero, zero), validation)
        return state, losses.mean(), total / count

    def run(state: TrainState, number: int) -> tuple[TrainState, Array, Array]:
        shuffled = np.random.default_rng([params.seed, number]).permutation(origins["train"].astype(np.int32))
        batches = pad_to_batches(shuffled, params.batch_size)
        key = jax.random.fold_in(jax.random.key(params.seed), number)
        return epoch(state, series, batches, validation, key)

    return run


def loss_sum(
    graph: nnx.GraphDef,
    weights: nnx.State,
    series: Series,
    origins: Int[Array, " batch"],
    weight: Float[Array, " batch"],
    config: ModelConfig,
    loss: str,
    key: PRNGKeyArray | None,
) -> tuple[Array, Array]:
    """Sum of the losses over the observed labels of a batch, and their number."""
    x = gather_inputs(series.scaled, series.causal, series.known_at, origins, config.lookback, xp=jnp)
    rows = origins[:, None] + jnp.arange(config.horizon)
    y = series.target[rows].reshape(len(origins), -1)
    counted = series.observed[rows].reshape(len(origins), -1) * weight[:, None]
    error = nnx.merge(graph, weights)(x, key=key) - y
    return jnp.sum(elementwise_loss(error, loss) * counted), jnp.sum(counted)


def elementwise_loss(error: Float[Array, "..."], loss: str) -> Float[Array, "..."]:
    """mse: e^2; mae: |e|; huber: e^2 / 2 up to 1, |e| - 1/2 beyond (Huber 1964)."""
    if loss == "mse":
        return jnp.square(error)
    if loss == "mae":
        return jnp.abs(error)
    return optax.losses.huber_loss(error, delta=HUBER_DELTA)


def pad_to_batches(
    origins: Int[np.ndarray, " windows"], size: int
) -> tuple[Int[np.ndarray, "batches size"], Float[np.ndarray, "batches size"]]:
    """Cut into whole batches; the last one is filled up with windows of weight 0."""
    size = min(size, len(origins))
    missing = -len(origins) % size
    padded = np.concatenate([origins, np.full(missing, origins[0], dtype=origins.dtype)])
    weight = np.concatenate([np.ones(len(origins), np.float32), np.zeros(missing, np.float32)])
    return padded.reshape(-1, size), weight.reshape(-1, size)


def to_device(windows: Windows) -> Series:
    """Put the as-of arrays on the device, once."""
    target, observed = scaled_targets(windows)
    arrays = windows.arrays
    return Series(
        scaled=jnp.asarray(arrays.scaled),
        causal=jnp.asarray(arrays.causal),
        known_at=jnp.asarray(arrays.known_at),
        target=jnp.asarray(target),
        observed=jnp.asarray(observed, dtype=jnp.float32),
    )
