"""The compiled steps of a training, and the state that passes from one to the next."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.core.params import TrainParams
from spline_lstm.models.build import NetworkConfig, build, structure
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.sharding import Sharding
from spline_lstm.training.device_rows import RowTable, rows_to_device
from spline_lstm.training.device_windows import (
    Series,
    batches_of_steps,
    pad_to_batches,
    to_device,
)
from spline_lstm.training.members import chunk_size, each_member, member_keys
from spline_lstm.training.objective import Objective
from spline_lstm.windows.windows import Windows

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows

# Windows per step of the validation scan: enough for fast matmuls, few enough for any memory.
VALIDATION_BATCH = 64


class TrainState(NamedTuple):
    """What passes from step to step; leaves of an ensemble have a leading member axis."""

    weights: Any
    optimizer: optax.OptState


def start(config: NetworkConfig, optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    """Fresh weights and optimiser state, in one compiled program instead of one per array."""

    def member(key: PRNGKeyArray) -> TrainState:
        weights = nnx.state(build(config, key=key), nnx.Param)
        return TrainState(weights, optimizer.init(weights))

    return jax.jit(each_member(member, config.ensemble_size))(
        member_keys(config.ensemble_size, seed)
    )


def make_steps(
    config: NetworkConfig,
    optimizer: optax.GradientTransformation,
    params: TrainParams,
    windows: "Windows | Rows",
    objective: Objective,
) -> Callable[[TrainState, range, float], tuple[TrainState, Float[Array, " values"]]]:
    """Compile steps and an evaluation: ``run(state, steps, rate factor) -> state, losses``.

    Steps are numbered from 0; another count of steps compiles again. The losses are [train loss,
    gradient norm, validation loss]; beside a linear part, what `Objective.judge` takes comes in
    place of the validation loss.
    """
    graph, _ = structure(config)
    members = config.ensemble_size
    sharding = Sharding(params.batch_size, VALIDATION_BATCH)
    series = jax.tree.map(sharding.place, _on_device(windows, config, objective))
    validation = jax.tree.map(
        lambda array: sharding.place(array, 1),
        pad_to_batches(windows.splits["validation"], VALIDATION_BATCH),
    )
    compute = jnp.bfloat16 if params.precision == "bfloat16" else jnp.float32
    chunk = chunk_size(config, params.batch_size // sharding.shares)

    def total_loss(
        weights: nnx.State,
        series: Series | RowTable,
        origins: Array,
        weight: Array,
        keys: PRNGKeyArray,
    ) -> tuple[Array, tuple[Array, Array]]:
        batch = series.gather(origins, config)
        cast = jax.tree.map(lambda value: value.astype(compute), weights)
        output = nnx.merge(graph, cast)(*batch.inputs, keys=keys)
        return objective.of_step(series, output, batch, batch.observed * weight[:, None])

    @sharding.sum
    def sums(common: Any, share: Any) -> Any:
        """Loss, labels and gradient of a share of a batch, chunk by chunk."""
        weights, series = common
        slope = jax.value_and_grad(total_loss, has_aux=True)

        def add(sums: Any, windows: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, sums, slope(weights, series, *windows)), None

        chunks = jax.tree.map(lambda leaf: leaf.reshape(-1, chunk), share)
        zero = jnp.float32(0)
        start = (zero, (zero, zero)), jax.tree.map(jnp.zeros_like, weights)
        return lax.scan(add, start, chunks)[0]

    def step(
        state: TrainState,
        series: Series | RowTable,
        epoch: Array,
        number: Array,
        origins: Int[Array, " batch"],
        weight: Float[Array, " batch"],
        key: PRNGKeyArray,
        factor: Array,
    ) -> tuple[TrainState, tuple[Array, Array, Array]]:
        # A key for each window: what is dropped depends neither on chunks nor on devices.
        key = jax.random.fold_in(jax.random.fold_in(key, epoch), number)
        keys = jax.random.split(key, len(origins))
        (_, (total, count)), gradient = sums((state.weights, series), (origins, weight, keys))
        gradient = jax.tree.map(lambda value: value / jnp.maximum(count, 1.0), gradient)
        if objective.part is not None:
            unit = objective.loss_on(series).gradient_factor
            gradient = jax.tree.map(lambda value: value * unit, gradient)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.weights)
        updates = jax.tree.map(lambda update: update * factor, updates)
        norm = optax.tree.norm(gradient)
        return TrainState(optax.apply_updates(state.weights, updates), optimizer_state), (
            total,
            count,
            norm,
        )

    @sharding.sum
    def validate(common: Any, share: Any) -> tuple[Array, Array]:
        weights, series = common
        origins, weight = share
        gathered = series.gather(origins, config)
        forecast = each_member(
            lambda weights: nnx.merge(graph, weights)(*gathered.inputs), members
        )(weights)
        counted = gathered.observed * weight[:, None]
        return objective.of_validation(series, forecast, gathered, counted)

    @jax.jit
    def steps_and_evaluation(
        state: TrainState,
        series: Series | RowTable,
        batches: Any,
        validation: Any,
        keys: Any,
        factor: Array,
    ) -> Any:
        def body(state: TrainState, batch: Any) -> Any:
            update = each_member(step, members, in_axes=(0, None, None, None, 0, None, 0, None))
            return update(state, series, *batch, keys, factor)

        state, (losses, labels, norms) = lax.scan(body, state, batches)
        totals, counts = lax.map(lambda batch: validate((state.weights, series), batch), validation)
        train_loss = losses.sum() / jnp.maximum(labels.sum(), 1.0)
        means = (totals.sum(axis=0) / counts.sum()).reshape(-1)
        return state, jnp.concatenate([jnp.stack([train_loss, norms.max()]), means])

    def run(state: TrainState, steps: range, factor: float) -> tuple[TrainState, Array]:
        epoch, number, *batches = batches_of_steps(windows.splits["train"], params, members, steps)
        placed = (
            sharding.place(epoch),
            sharding.place(number),
            *(sharding.place(array, array.ndim - 1) for array in batches),
        )
        return steps_and_evaluation(
            jax.tree.map(sharding.place, state),
            series,
            placed,
            validation,
            member_keys(members, params.seed),
            jnp.float32(factor),
        )

    return run


def _on_device(
    windows: "Windows | Rows", config: NetworkConfig, objective: Objective
) -> Series | RowTable:
    if isinstance(config, RowConfig):
        return rows_to_device(cast("Rows", windows))
    return to_device(cast("Windows", windows), config, objective.table)
