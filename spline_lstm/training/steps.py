"""The compiled steps of a training, on rows that stay on the device or on blocks of windows.

The steps up to the next evaluation and that evaluation are one program if all rows are on the
device. With `train.stream_steps` they are programs of some steps each, whose windows are gathered
on the host, see `spline_lstm.training.streaming`.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import TrainParams
from spline_lstm.models.build import NetworkConfig, build, matmuls, structure
from spline_lstm.models.jax_setup import compact_loops
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.sharding import Sharding
from spline_lstm.models.stored_programs import StoredProgram
from spline_lstm.models.types import MODEL_TYPES, is_own_class
from spline_lstm.training.budget import Budget
from spline_lstm.training.device_rows import RowTable, rows_to_device
from spline_lstm.training.device_windows import (
    Series,
    Shuffle,
    measured_on,
    pad_to_batches,
    to_device,
)
from spline_lstm.training.members import chunk_size, each_member, member_keys
from spline_lstm.training.objective import Objective
from spline_lstm.training.streaming import (
    VALIDATION_BATCH,
    Programs,
    Run,
    TrainState,
    placed,
    streamed_steps,
)
from spline_lstm.windows.windows import Windows

if TYPE_CHECKING:
    # Only named: nothing here runs the code of rows.
    from spline_lstm.rows.arrays import Rows


# Steps up to which a program that compiles in two thirds of the time is worth more than a faster
# one. Its last digits may differ from those of a training at XLA's own level (they do with
# attention), which no two runs of the same params see: the params alone decide the level.
SHORT_STEPS = 1_500
QUICK = {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}
# Of a program that runs once. Without MLIR its many small kernels compile in two thirds of that.
ONCE = {**QUICK, "xla_cpu_use_fusion_emitters": False}


def compiler_options(config: NetworkConfig, params: TrainParams) -> dict[str, int] | None:
    """Options of XLA for the programs of a training; None: its own.

    Compiling takes more seconds than a short training that follows. Only budgets in steps are
    known to be short before the windows are counted. A level in XLA_FLAGS takes precedence, and
    leaves matmuls to Eigen, since without optimisation XLA's own are slow.
    """
    if not _takes_options():
        return None
    is_short = params.max_steps is not None and params.max_steps <= SHORT_STEPS
    return {**matmuls(config), **(QUICK if is_short else {})} or None


def is_compact(config: NetworkConfig, params: TrainParams) -> bool:
    """Whether the loops of a recurrent network are compiled whole.

    In such code matmuls of bfloat16 would be slow, and wide ones, too.
    """
    is_plain = MODEL_TYPES[config.model_type].cell is not None and params.precision == "float32"
    return is_plain and _takes_options() and bool(matmuls(config))


def _takes_options() -> bool:
    is_set = "xla_backend_optimization_level" in os.environ.get("XLA_FLAGS", "")
    return not is_set and jax.default_backend() == "cpu"


def program_content(
    config: NetworkConfig, params: TrainParams, budget: Budget, objective: Objective
) -> str | None:
    """All that the programs of a training are made from, besides code and the shapes of arrays.

    None for a network of the user's own, whose code is not known. The seed comes as keys, and the
    constants of the loss beside a linear part come with the data.
    """
    if is_own_class(config.model_type):
        return None
    loss, has_part = objective.loss, objective.part is not None
    if has_part:
        loss = replace(loss, delta=0.0, unit=0.0)
    settings = params.model_dump_json(exclude={"seed"})
    return repr((config, settings, budget, loss, has_part))


def start_program(
    config: NetworkConfig,
    optimizer: optax.GradientTransformation,
    params: TrainParams,
    content: str | None = None,
) -> StoredProgram:
    """Keys -> fresh weights and optimiser state, in one program instead of one per array.

    It runs once, and is compiled with less optimisation (`ONCE`), which takes a third of the time.
    Parameters are those of `make_steps`.
    """

    def member(key: PRNGKeyArray) -> TrainState:
        weights = nnx.state(build(config, key=key), nnx.Param)
        return TrainState(weights, optimizer.init(weights))

    options = {**matmuls(config), **ONCE} if _takes_options() else None
    return StoredProgram(each_member(member, config.ensemble_size), content, options)


def start(
    config: NetworkConfig,
    optimizer: optax.GradientTransformation,
    params: TrainParams,
    windows: "Windows | Rows",
    objective: Objective,
    content: str | None = None,
    first: range | None = None,
) -> tuple[TrainState, Run]:
    """Fresh weights and optimiser state, and the steps that `make_steps` makes of the same.

    The program of the weights is compiled by one thread. So that of the `first` steps, if they are
    given, is traced and compiled meanwhile, unless the store has that of the weights: then it
    probably has both.
    """
    program = start_program(config, optimizer, params, content)
    keys = member_keys(config.ensemble_size, params.seed)
    compile_it = program.prepare(keys)
    if compile_it is None or first is None:
        return program(keys), make_steps(config, optimizer, params, windows, objective, content)
    with ThreadPoolExecutor(max_workers=1) as pool:
        compiling = pool.submit(compile_it)
        shapes = program.shapes(keys)
        begin = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes), first
        run = make_steps(config, optimizer, params, windows, objective, content, begin)
        compiling.result()
    return program(keys), run


def make_steps(
    config: NetworkConfig,
    optimizer: optax.GradientTransformation,
    params: TrainParams,
    windows: "Windows | Rows",
    objective: Objective,
    content: str | None = None,
    begin: tuple[TrainState, range] | None = None,
) -> Run:
    """Compile steps and an evaluation: ``run(state, steps, rate factor) -> state, losses``.

    Steps are numbered from 0; another count of steps compiles again. The losses are [train loss,
    gradient norm, validation loss]; beside a linear part, what `Objective.judge` takes comes in
    place of the validation loss. `content` names the programs for `StoredProgram`: that of
    `program_content`, or None. With a state of the right shapes and a range of steps as `begin`
    the program for these is compiled at once, unless windows are streamed.

    Raises
    ------
    ParamsError
        Rows of a table are to be streamed.
    """
    sharding = Sharding(params.batch_size, VALIDATION_BATCH)
    programs = make_programs(config, optimizer, params, objective, sharding, content)
    if params.stream_steps is not None:
        if isinstance(config, RowConfig):
            raise ParamsError("train.stream_steps is for windows of series; set it to null")
        of_series = cast("Windows", windows)
        return streamed_steps(config, params, of_series, objective, programs, sharding)
    members = config.ensemble_size
    series = jax.tree.map(sharding.place, _on_device(windows, config, objective))
    validation = jax.tree.map(
        lambda array: sharding.place(array, 1),
        pad_to_batches(measured_on(windows.splits["validation"], params), VALIDATION_BATCH),
    )
    batches_of = Shuffle(windows.splits["train"], params, members)
    keys = sharding.place(member_keys(members, params.seed))
    # JAX would copy a number on one device to the others in each call, and wait for the copies.
    rate = cache(lambda factor: sharding.place(np.float32(factor)))

    def arguments(state: TrainState, steps: range, factor: float) -> tuple[Any, ...]:
        return (
            jax.tree.map(sharding.place, state),
            series,
            placed(batches_of(steps), sharding),
            validation,
            keys,
            rate(factor),
        )

    def run(state: TrainState, steps: range, factor: float) -> tuple[TrainState, Array]:
        return programs.steps_and_evaluation(*arguments(state, steps, factor))

    if begin is not None:
        compile_it = programs.steps_and_evaluation.prepare(*arguments(*begin, 1.0))
        if compile_it is not None:
            compile_it()
    return run


def make_programs(
    config: NetworkConfig,
    optimizer: optax.GradientTransformation,
    params: TrainParams,
    objective: Objective,
    sharding: Sharding,
    content: str | None,
) -> Programs:
    """Compile what a training consists of, when it is first called; see `Programs`."""
    # Only asked for while a program is traced.
    graph = cache(lambda: structure(config)[0])
    members = config.ensemble_size
    compute = jnp.bfloat16 if params.precision == "bfloat16" else jnp.float32
    compact = is_compact(config, params)
    chunk = chunk_size(config, params.batch_size // sharding.shares, compact=compact)
    content = content and repr((content, chunk, sharding.shares))

    def total_loss(
        weights: nnx.State,
        series: Series | RowTable,
        origins: Array,
        weight: Array,
        keys: PRNGKeyArray,
    ) -> tuple[Array, tuple[Array, Array]]:
        batch = series.gather(origins, config)
        cast = jax.tree.map(lambda value: value.astype(compute), weights)
        output = nnx.merge(graph(), cast)(*batch.inputs, keys=keys)
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
        with compact_loops() if compact else nullcontext():
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
            lambda weights: nnx.merge(graph(), weights)(*gathered.inputs), members
        )(weights)
        counted = gathered.observed * weight[:, None]
        return objective.of_validation(series, forecast, gathered, counted)

    def steps(
        state: TrainState, series: Series | RowTable, batches: Any, keys: Any, factor: Array
    ) -> tuple[TrainState, Any]:
        def body(state: TrainState, batch: Any) -> Any:
            update = each_member(step, members, in_axes=(0, None, None, None, 0, None, 0, None))
            return update(state, series, *batch, keys, factor)

        return lax.scan(body, state, batches)

    def evaluation(weights: Any, series: Series | RowTable, validation: Any) -> tuple[Array, Array]:
        return lax.map(lambda batch: validate((weights, series), batch), validation)

    # Steps by themselves, as when windows are streamed, multiply as those of the whole do.
    options = compiler_options(config, params)
    return Programs(
        StoredProgram(fused(steps, evaluation), content, options),
        StoredProgram(steps, content, options),
        StoredProgram(evaluation, content, options),
        jax.jit(means_of),
    )


def fused(steps: Callable[..., Any], evaluation: Callable[..., Any]) -> Callable[..., Any]:
    """Steps and the evaluation after them as one function."""

    def steps_and_evaluation(
        state: TrainState,
        series: Series | RowTable,
        batches: Any,
        validation: Any,
        keys: Any,
        factor: Array,
    ) -> Any:
        state, sums = steps(state, series, batches, keys, factor)
        return state, means_of(sums, evaluation(state.weights, series, validation))

    return steps_and_evaluation


def means_of(
    sums: tuple[Array, Array, Array], validated: tuple[Array, Array]
) -> Float[Array, " values"]:
    """The losses of an evaluation, from sums of each step and of each validation batch."""
    (losses, labels, norms), (totals, counts) = sums, validated
    train_loss = losses.sum() / jnp.maximum(labels.sum(), 1.0)
    means = (totals.sum(axis=0) / counts.sum()).reshape(-1)
    return jnp.concatenate([jnp.stack([train_loss, norms.max()]), means])


def _on_device(
    windows: "Windows | Rows", config: NetworkConfig, objective: Objective
) -> Series | RowTable:
    if isinstance(config, RowConfig):
        return rows_to_device(cast("Rows", windows))
    return to_device(cast("Windows", windows), config, objective.table)
