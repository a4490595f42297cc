"""The series on the device, and the gathering of batches of windows there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from spline_lstm.core.params import TrainParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.models.config import ModelConfig
from spline_lstm.windows.gather import gather_inputs
from spline_lstm.windows.windows import Windows, scaled_targets

LEAST_ROWS = 4096
# Blocks of consecutive windows in a pool that is shuffled.
POOL_BLOCKS = 64


class LinearTable(NamedTuple):
    """Linear forecasts beside which a network is trained; see `linear_part.LinearPart`.

    `scale` has an entry for each output of the network; `delta` and `unit` are those of the loss.
    """

    scores: Float[Array, "windows values"]
    position: Int[Array, " rows"]
    scale: Float[Array, " outputs"]
    delta: Float[Array, ""]
    unit: Float[Array, ""]


class DeviceBatch(NamedTuple):
    """Windows of one step: inputs, labels, 1 if the label is observed.

    The inputs are X, X_future, X_static and, beside a linear part, its forecasts; then the labels
    are what these miss.
    """

    inputs: tuple[Array | None, ...]
    y: Float[Array, "batch outputs"]
    observed: Float[Array, "batch outputs"]


class Series(NamedTuple):
    """The as-of arrays on the device; see `AsOfArrays`. `linear`: None without a linear part."""

    scaled: Float[Array, "rows features"]
    causal: Float[Array, "rows features"]
    known_at: Int[Array, "rows features"]
    target: Float[Array, "rows targets"]
    observed: Float[Array, "rows targets"]
    future: Float[Array, "rows future_features"]
    static_ids: Int[Array, "series statics"]
    series_of_row: Int[Array, " rows"]
    linear: LinearTable | None = None

    def in_z_scores(self, outputs: Float[Array, "*members batch outputs"]) -> Array:
        """Outputs of the network as z-scores."""
        return outputs if self.linear is None else outputs * self.linear.scale

    def gather(self, origins: Int[Array, " batch"], config: Any) -> DeviceBatch:
        """Windows at the given origins (rows)."""
        x = gather_inputs(self.scaled, self.causal, self.known_at, origins, config.lookback, xp=jnp)
        rows = origins[:, None] + jnp.arange(config.horizon)
        future = self.future[rows] if config.future_features else None
        static = self.static_ids[self.series_of_row[origins]] if config.static_sizes else None
        shape = (len(origins), -1)
        y, observed = (part[rows].reshape(shape) for part in (self.target, self.observed))
        if self.linear is None:
            return DeviceBatch((x, future, static), y, observed)
        linear = self.linear.scores[self.linear.position[origins]]
        return DeviceBatch((x, future, static, linear), y - linear, observed)


def padded(array: Shaped[np.ndarray, "rows ..."]) -> Shaped[np.ndarray, "capacity ..."]:
    """With rows of zeros at the end, up to a power of two and at least `LEAST_ROWS`.

    No window reads them. Series of similar lengths, as in the folds of a backtest, then run the
    same compiled program: compiling takes more seconds than training on a few hundred rows.

    >>> padded(np.ones((5000, 2))).shape
    (8192, 2)
    """
    capacity = max(LEAST_ROWS, 1 << (len(array) - 1).bit_length())
    missing = [(0, capacity - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return np.pad(array, missing)


def to_device(windows: Windows, config: ModelConfig, linear: LinearTable | None = None) -> Series:
    """Put the as-of arrays on the device, once, with unread rows at the end (see `padded`)."""
    target, observed = scaled_targets(windows)
    arrays = windows.arrays
    static_ids = arrays.static_ids[:, : len(config.static_sizes)]
    # `jnp.asarray` would compile a program for each shape.
    return Series(
        scaled=jax.device_put(padded(arrays.scaled)),
        causal=jax.device_put(padded(arrays.causal)),
        known_at=jax.device_put(padded(arrays.known_at)),
        target=jax.device_put(padded(target)),
        observed=jax.device_put(padded(observed).astype(np.float32)),
        future=jax.device_put(padded(arrays.future)),
        static_ids=jax.device_put(static_ids.astype(np.int32)),
        series_of_row=jax.device_put(padded(arrays.row_series).astype(np.int32)),
        linear=linear,
    )


def pad_to_batches(
    origins: Int[np.ndarray, " windows"], size: int
) -> tuple[Int[np.ndarray, "batches size"], Float[np.ndarray, "batches size"]]:
    """Divide into whole batches; the last one is filled up with windows of weight 0."""
    missing = -len(origins) % size
    padded = np.concatenate([origins, np.full(missing, origins[0])]).astype(np.int32)
    weight = np.concatenate([np.ones(len(origins), np.float32), np.zeros(missing, np.float32)])
    return padded.reshape(-1, size), weight.reshape(-1, size)


class Batches(NamedTuple):
    """The batches of consecutive steps.

    Attributes
    ----------
    epoch : from 1
    number : of the batch in its epoch, from 0
    rows : forecast origins; a member axis only for an ensemble
    weight : 0 for a window that only fills up the last batch of an epoch
    """

    epoch: Int[np.ndarray, " steps"]
    number: Int[np.ndarray, " steps"]
    rows: Int[np.ndarray, "steps *members size"]
    weight: Float[np.ndarray, "steps size"]


class Shuffle:
    """Batches of consecutive steps, numbered from 0; the order of the last epoch is kept.

    Every epoch has its own order of the windows, wherever evaluations interrupt it.

    Parameters
    ----------
    origins : [windows] rows
    params : TrainParams
    members : of the ensemble
    """

    def __init__(
        self, origins: Int[np.ndarray, " windows"], params: TrainParams, members: int
    ) -> None:
        self._origins, self._params, self._members = origins, params, members
        self._epoch: tuple[int, Any] = (0, None)

    def __call__(self, steps: range) -> Batches:
        """The batches of some steps."""
        per_epoch = -(-len(self._origins) // self._params.batch_size)
        first, last = steps[0] // per_epoch, steps[-1] // per_epoch
        parts = [self._batches(epoch + 1) for epoch in range(first, last + 1)]
        begin, end = steps[0] - first * per_epoch, steps[-1] - first * per_epoch + 1
        rows, weight = (_joined(arrays, begin, end) for arrays in zip(*parts, strict=True))
        epoch, number = np.divmod(np.array(steps, dtype=np.int32), np.int32(per_epoch))
        return Batches(epoch + 1, number, rows, weight)

    def _batches(self, epoch: int) -> Any:
        if self._epoch[0] != epoch:
            self._epoch = epoch, shuffled(self._origins, self._params, self._members, epoch)
        return self._epoch[1]


def _joined(arrays: Sequence[np.ndarray], begin: int, end: int) -> np.ndarray:
    """Rows of arrays one after another; of one array without a copy."""
    return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays))[begin:end]


def shuffled(
    origins: Int[np.ndarray, " windows"], params: TrainParams, members: int, epoch: int
) -> tuple[Int[np.ndarray, "batches *members size"], Float[np.ndarray, "batches size"]]:
    """Batches of an epoch; the order of a member is that of a single network with its seed."""
    orders = [
        permuted(
            origins, params.shuffle_windows, np.random.default_rng([params.seed + member, epoch])
        )
        for member in range(members)
    ]
    batches = [pad_to_batches(order, params.batch_size) for order in orders]
    rows = batches[0][0] if members == 1 else np.stack([rows for rows, _ in batches], axis=1)
    return rows, batches[0][1]


def permuted(
    origins: Int[np.ndarray, " windows"], pool: int | None, rng: np.random.Generator
) -> Int[np.ndarray, " windows"]:
    """A permutation of the windows: of all at once, or of blocks and then within a pool of them.

    With a pool, consecutive windows are a block, `POOL_BLOCKS` of them a pool. The blocks are
    permuted, and then the windows of each pool of them. So the rows of a batch lie in `POOL_BLOCKS`
    intervals of the arrays, which a disk reads faster than rows from everywhere.
    """
    if pool is None or pool >= len(origins):
        return rng.permutation(origins)
    size = max(1, pool // POOL_BLOCKS)
    blocks = [origins[start : start + size] for start in range(0, len(origins), size)]
    order = rng.permutation(len(blocks))
    pools = [order[start : start + POOL_BLOCKS] for start in range(0, len(order), POOL_BLOCKS)]
    return np.concatenate(
        [rng.permutation(np.concatenate([blocks[index] for index in each])) for each in pools]
    )


def measured_on(
    origins: Int[np.ndarray, " windows"], params: TrainParams
) -> Int[np.ndarray, " measured"]:
    """The validation windows that the loss is measured on: all, or some of them, evenly spaced."""
    most = params.validation_windows
    return origins if most is None else origins[evenly_spaced(len(origins), most)]
