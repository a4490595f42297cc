"""Training on windows that the host gathers, block by block, while the device computes.

A block are the windows of `train.stream_steps` steps. They go to the device as a small `Series` in
which each window has rows of its own, so that the steps are those of a training whose rows are all
on the device. A thread gathers the next block meanwhile; at most two blocks are in memory.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int

from spline_lstm.core.params import TrainParams
from spline_lstm.models.sharding import Sharding
from spline_lstm.models.stored_programs import StoredProgram
from spline_lstm.training.device_windows import (
    Batches,
    LinearTable,
    Series,
    Shuffle,
    measured_on,
    pad_to_batches,
)
from spline_lstm.training.members import member_keys
from spline_lstm.training.objective import Objective
from spline_lstm.windows.mapped import release
from spline_lstm.windows.windows import Windows

# Windows per step of the validation scan: enough for fast matmuls, few enough for any memory.
VALIDATION_BATCH = 64


class TrainState(NamedTuple):
    """What passes from step to step; leaves of an ensemble have a leading member axis."""

    weights: Any
    optimizer: optax.OptState


class Programs(NamedTuple):
    """Compiled parts of a training.

    Attributes
    ----------
    steps_and_evaluation : state, series, batches, validation, keys, rate factor -> state, losses
    steps : state, series, batches, keys, rate factor -> state, sums of each step
    evaluation : weights, series, validation batches -> sums of each batch
    means : sums of steps, sums of validation batches -> losses
    """

    steps_and_evaluation: StoredProgram
    steps: Callable[..., Any]
    evaluation: Callable[..., Any]
    means: Callable[..., Any]


# A step range and the state before it -> the state after it, and its losses.
Run = Callable[[TrainState, range, float], tuple[TrainState, Array]]


def placed(batches: Batches, sharding: Sharding) -> tuple[Array, ...]:
    """Batches on the devices, each of them split."""
    epoch, number, *arrays = batches
    return (
        sharding.place(epoch),
        sharding.place(number),
        *(sharding.place(array, array.ndim - 1) for array in arrays),
    )


def streamed_steps(
    config: Any,
    params: TrainParams,
    windows: Windows,
    objective: Objective,
    programs: Programs,
    sharding: Sharding,
) -> Run:
    """As `spline_lstm.training.steps.make_steps`, on blocks of windows."""
    size, members = params.stream_steps or 1, config.ensemble_size
    batches_of = Shuffle(windows.splits["train"], params, members)
    origins, weight = pad_to_batches(
        measured_on(windows.splits["validation"], params), VALIDATION_BATCH
    )
    linear = None if objective.table is None else jax.tree.map(np.asarray, objective.table)
    keys = sharding.place(member_keys(members, params.seed))

    def on_device(rows: Int[np.ndarray, "*batch"]) -> tuple[Series, Int[np.ndarray, "*batch"]]:
        series, moved = series_of(windows, config, rows, linear)
        return jax.tree.map(sharding.place, series), moved

    def training_block(steps: range) -> tuple[Series, tuple[Array, ...]]:
        batches = batches_of(steps)
        series, rows = on_device(batches.rows)
        return series, placed(batches._replace(rows=rows), sharding)

    def validation_block(number: int) -> tuple[Series, tuple[Array, ...]]:
        own = slice(number * size, (number + 1) * size)
        series, rows = on_device(origins[own])
        return series, tuple(sharding.place(array, 1) for array in (rows, weight[own]))

    def run(state: TrainState, steps: range, factor: float) -> tuple[TrainState, Array]:
        state = jax.tree.map(sharding.place, state)
        rate = sharding.place(jnp.float32(factor))
        sums = []
        for series, batches in prefetched(training_block, blocks_of(steps, size)):
            state, of_block = programs.steps(state, series, batches, keys, rate)
            sums.append(jax.block_until_ready(of_block))
        totals = []
        for series, batches in prefetched(validation_block, range(-(-len(origins) // size))):
            of_block = programs.evaluation(state.weights, series, batches)
            totals.append(jax.block_until_ready(of_block))
        return state, programs.means(joined(sums), joined(totals))

    return run


def blocks_of(steps: range, size: int) -> list[range]:
    """Consecutive steps, `size` at a time.

    >>> blocks_of(range(3, 8), 2)
    [range(3, 5), range(5, 7), range(7, 8)]
    """
    return [steps[start : start + size] for start in range(0, len(steps), size)]


def prefetched(make: Callable[[Any], Any], items: Any) -> Iterator[Any]:
    """What `make` makes of each item, in order; a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = None
        for item in items:
            following = pool.submit(make, item)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def joined(parts: list[Any]) -> Any:
    """Sums of all blocks along their first axis."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def series_of(
    windows: Windows,
    config: Any,
    origins: Int[np.ndarray, "*batch"],
    linear: LinearTable | None,
) -> tuple[Series, Int[np.ndarray, "*batch"]]:
    """Windows as a `Series` with rows for each of them, and their origins in it.

    The rows of a window are those of its lookback and its horizon. The lookback is as it was known
    before the origin, so all of it counts as known.
    """
    flat = origins.reshape(-1)
    batch = windows.gather_at_once(flat)
    release(windows.arrays)
    count, length = len(flat), config.lookback + config.horizon
    moved = np.arange(count) * length + config.lookback

    def rows(values: np.ndarray, first: int) -> np.ndarray:
        """Values of each window in its rows from `first` on, 0 elsewhere."""
        whole = np.zeros((count, length, values.shape[-1]), np.float32)
        whole[:, first : first + values.shape[1]] = values
        return whole.reshape(count * length, -1)

    labels = (count, config.horizon, -1)
    scaled = rows(batch.X, 0)
    table = linear
    if linear is not None:
        position = np.zeros(count * length, np.int32)
        position[moved] = np.arange(count)
        own: Any = linear.scores[linear.position[flat]], position
        table = linear._replace(scores=own[0], position=own[1])
    content: dict[str, Any] = {
        "scaled": scaled,
        "causal": scaled,
        "known_at": np.full((count * length, 1), -1, np.int32),
        "target": rows(batch.y.reshape(labels), config.lookback),
        "observed": rows(batch.mask.reshape(labels), config.lookback),
        "future": rows(batch.X_future, config.lookback),
        "static_ids": batch.X_static[:, : len(config.static_sizes)].astype(np.int32),
        "series_of_row": np.repeat(np.arange(count, dtype=np.int32), length),
        "linear": table,
    }
    return Series(**content), moved.reshape(origins.shape).astype(np.int32)
