"""A trained forecaster on disk: models/rnn of a pipeline folder."""

import functools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spline_lstm.core.artifacts import (
    content_id,
    read_json,
    read_preprocessor,
    write_bytes,
    write_json,
)
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.models.build import NetworkConfig, from_arrays, matmuls, structure
from spline_lstm.models.combined import FACTOR, RESIDUAL_SCALE, network_arrays
from spline_lstm.models.config import ModelConfig, check_shapes
from spline_lstm.models.layers import LSTMLayer
from spline_lstm.models.outputs import Outputs
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.models.sharding import Sharding
from spline_lstm.models.stored_programs import StoredProgram
from spline_lstm.models.types import MODEL_TYPES, is_own_class

# Forecasts are computed in batches, the last one padded: one compiled program. A batch costs the
# host as much as 100 windows cost the devices, so it is large, but has few values more than this.
MOST_WINDOWS, FEWEST_WINDOWS, BATCH_VALUES = 8192, 1024, 1 << 21
# Windows that go through the network at once: on a CPU, so that what is computed of them stays in
# the cache; on a GPU they are `FEWEST_WINDOWS`. Chunks of padding are not computed.
CHUNK = 64


@dataclass(frozen=True)
class SavedModel:
    """A trained forecaster.

    Attributes
    ----------
    config : ModelConfig
    run_id : str
        Content id of config and weights.
    preprocessor_run_id : str
        Content id of the preprocessor it was trained with.
    weights : dict of name -> float32 array
        Of a model in closed form: the arrays of `linear_targets`, float64. Beside a linear part:
        those of `models.combined` too.
    """

    config: ModelConfig
    run_id: str
    preprocessor_run_id: str
    weights: Mapping[str, np.ndarray]

    def predict(
        self,
        X: Float[np.ndarray, "windows lookback features"],
        X_future: Float[np.ndarray, "windows horizon future_features"] | None = None,
        X_static: Int[np.ndarray, "windows statics"] | None = None,
    ) -> Float[np.ndarray, "windows outputs"]:
        """Forecast windows: the median of a quantile network, the mean of an ensemble.

        Parameters
        ----------
        X : [windows, lookback, F_total] float32, z-scores
        X_future : [windows, horizon, F_future] float32, if the network has future features
        X_static : [windows, n_static] int32, if the network has static covariates

        Returns
        -------
        [windows, horizon * F_target] float32, z-scores; `Windows.to_data_units` converts them.
        A network with the output `probability` returns probabilities.

        Raises
        ------
        ValueError
            An input is missing or has another shape, or the forecasts of the model are in data
            units.
        """
        if self.config.is_combined:
            raise ValueError(
                "a network beside a linear forecast says what is added to it; use Forecaster, or "
                "spline_lstm.inference.forecast.data_unit_outputs"
            )
        return self._point(
            self.predict_members(X, X_future, X_static).mean(axis=0, dtype=np.float32)
        )

    def outputs(
        self,
        X: Float[np.ndarray, "windows lookback features"],
        X_future: Float[np.ndarray, "windows horizon future_features"] | None = None,
        X_static: Int[np.ndarray, "windows statics"] | None = None,
        linear: Float[np.ndarray, "windows values"] | None = None,
    ) -> Outputs:
        """Everything that the network computes for windows, in one pass; z-scores, float32.

        Quantiles are sorted, which makes no pinball loss larger (Chernozhukov et al., Econometrica
        2010). Beside a linear part it is what the network adds to the linear forecast, whose
        z-scores [windows, horizon * F_target] are `linear`. Other parameters and errors are those
        of `predict`.
        """
        config = self.config
        members = self._scaled(self.predict_members(X, X_future, X_static, linear))
        mean = members.mean(axis=0, dtype=np.float32)
        shape = (len(mean), config.horizon, len(config.targets))
        quantiles, std = None, None
        if config.quantiles:
            quantiles = np.sort(mean.reshape(*shape, config.levels), axis=-1)
        if config.ensemble_size > 1:
            std = self._point(members).std(axis=0).reshape(shape)
        return Outputs(self._point(mean).reshape(shape), quantiles, std)

    def predict_members(
        self,
        X: Float[np.ndarray, "windows lookback features"],
        X_future: Float[np.ndarray, "windows horizon future_features"] | None = None,
        X_static: Int[np.ndarray, "windows statics"] | None = None,
        linear: Float[np.ndarray, "windows values"] | None = None,
    ) -> Float[np.ndarray, "members windows all_outputs"]:
        """Outputs of each member [members, windows, horizon * F_target * levels], levels last.

        Parameters and errors are those of `outputs`; a model in closed form has no network.
        """
        if MODEL_TYPES[self.config.model_type].closed_form:
            raise ValueError(
                f"a model of type {self.config.model_type} forecasts data units, not z-scores; use "
                "Forecaster, or spline_lstm.inference.forecast.data_unit_outputs"
            )
        inputs: list[np.ndarray] = [np.asarray(X, dtype=np.float32)]
        if X_future is not None:
            inputs.append(np.asarray(X_future, dtype=np.float32))
        if X_static is not None:
            inputs.append(np.asarray(X_static, dtype=np.int32))
        if linear is not None:
            inputs.append(np.asarray(linear, dtype=np.float32))
        check_shapes(
            self.config,
            inputs[0].shape,
            None if X_future is None else X_future.shape,
            None if X_static is None else X_static.shape,
        )
        optional = {"future": X_future, "static": X_static, "linear": linear}
        names = ["x", *(name for name, value in optional.items() if value is not None)]
        forecast = _compiled(self.config, tuple(names))
        outputs = np.empty((self.config.ensemble_size, len(inputs[0]), self.config.outputs), "f4")
        computed: deque[tuple[slice, int, jax.Array]] = deque()

        def take(most_left: int) -> None:
            while len(computed) > most_left:
                own, share, batch = computed.popleft()
                outputs[:, own] = _joined(np.asarray(batch), share, outputs[0, own].shape[0])

        size = batch_size(self.config)
        for start in range(0, len(inputs[0]), size):
            own = slice(start, start + size)
            share, placed = _placed([values[own] for values in inputs], size)
            common = self._on_devices, _chunks(-(-share // _chunk(size)))
            computed.append((own, share, forecast(common, placed)))
            # The devices compute one batch while the host prepares the next one.
            take(1)
        take(0)
        return outputs

    def _point(self, outputs: np.ndarray) -> np.ndarray:
        """Point forecast from raw outputs: the median level."""
        return outputs[..., self.config.median :: self.config.levels]

    def _scaled(self, members: np.ndarray) -> np.ndarray:
        """Outputs of each member beside a linear part, in z-scores and by its factor."""
        if not self.config.is_combined:
            return members
        scale = np.repeat(self.weights[RESIDUAL_SCALE].reshape(-1), self.config.levels)
        return members * scale * self.weights[FACTOR][:, None, None]

    def __getstate__(self) -> dict[str, object]:
        """What a copy or a pickle has: no arrays on the devices of this process."""
        return {name: value for name, value in self.__dict__.items() if name != "_on_devices"}

    @functools.cached_property
    def _on_devices(self) -> nnx.State:
        weights = from_arrays(structure(self.config)[1], network_arrays(self.weights))
        return jax.tree.map(_sharding().place, weights)


def batch_size(config: ModelConfig) -> int:
    """Windows that go to the devices at once: fewer if they are large."""
    per_window = config.lookback * len(config.features) + config.horizon * len(
        config.future_features
    )
    per_window += config.outputs * config.ensemble_size
    size = MOST_WINDOWS
    while size > FEWEST_WINDOWS and size * per_window > BATCH_VALUES:
        size //= 2
    return size


def _chunk(windows: int) -> int:
    """How many of so many windows go through the network at once on a device."""
    return min(CHUNK if jax.default_backend() == "cpu" else FEWEST_WINDOWS, windows)


def _placed(inputs: list[np.ndarray], size: int) -> tuple[int, tuple[jax.Array, ...]]:
    """Windows of each share of a batch, and the batch, padded to `size`, on the devices.

    A short batch is divided as evenly as a full one.
    """
    sharding, count = _sharding(), len(inputs[0])
    share = -(-count // sharding.parallel)
    if count < size:
        inputs = [_padded(values, share, sharding.parallel, size) for values in inputs]
    return share, tuple(sharding.place(values, 0) for values in inputs)


def _padded(values: np.ndarray, share: int, shares: int, size: int) -> np.ndarray:
    """Shares of the windows, each with zeros after it."""
    padded = np.zeros((shares, size // shares, *values.shape[1:]), values.dtype)
    for index in range(shares):
        part = values[index * share : (index + 1) * share]
        padded[index, : len(part)] = part
    return padded.reshape(size, *values.shape[1:])


def _joined(batch: np.ndarray, share: int, count: int) -> np.ndarray:
    """Outputs [members, count, outputs] of the windows of all shares, without the padding."""
    members, size, outputs = batch.shape
    if count == size:
        return batch
    shares = batch.reshape(members, _sharding().parallel, -1, outputs)
    return shares[:, :, :share].reshape(members, -1, outputs)[:, :count]


@functools.lru_cache(maxsize=256)
def _chunks(count: int) -> jax.Array:
    """A number of chunks on all devices."""
    return _sharding().place(np.int32(count))


def _sharding() -> Sharding:
    """How a batch of forecasts is split over the devices of this process."""
    return Sharding(FEWEST_WINDOWS, local=True)


@functools.cache
def _compiled(config: ModelConfig, names: tuple[str, ...]) -> Callable[..., jax.Array]:
    """Members' forecasts [members, batch, outputs] of (weights, chunks) and the named inputs."""

    def member(weights: nnx.State, *inputs: jax.Array) -> jax.Array:
        network = nnx.merge(structure(config)[0], weights)
        network.set_attributes(LSTMLayer, has_gradients=False, raise_if_not_found=False)
        forecast = network(**dict(zip(names, inputs, strict=True)))
        return jax.nn.sigmoid(forecast) if config.output == "probability" else forecast

    def members(weights: nnx.State, inputs: tuple[jax.Array, ...]) -> jax.Array:
        if config.ensemble_size == 1:
            return member(weights, *inputs)[None]
        return jax.vmap(member, in_axes=(0, *[None] * len(names)))(weights, *inputs)

    def chunks(common: tuple[nnx.State, jax.Array], inputs: tuple[jax.Array, ...]) -> jax.Array:
        weights, count = common
        windows = len(inputs[0])
        size = _chunk(windows)

        def add(index: jax.Array, outputs: jax.Array) -> jax.Array:
            start = index * size
            chunk = tuple(jax.lax.dynamic_slice_in_dim(each, start, size) for each in inputs)
            found = members(weights, chunk).astype(jnp.float32)
            return jax.lax.dynamic_update_slice_in_dim(outputs, found, start, axis=1)

        empty = jnp.zeros((config.ensemble_size, windows, config.outputs), jnp.float32)
        return jax.lax.fori_loop(0, jnp.minimum(count, windows // size), add, empty)

    content = None if is_own_class(config.model_type) else repr((config, names))
    return StoredProgram(_sharding().each(chunks, 1), content, matmuls(config))


def new_model(
    config: ModelConfig, weights: Mapping[str, np.ndarray], preprocessor_run_id: str
) -> SavedModel:
    """A forecaster that was just trained, with its run id."""
    run_id = content_id(preprocessor_run_id, config.to_json(), save(dict(weights)))
    return SavedModel(config, run_id, preprocessor_run_id, weights)


def save_model(
    folder: Path,
    config: NetworkConfig,
    *,
    best: Mapping[str, np.ndarray],
    last: Mapping[str, np.ndarray],
    preprocessor_run_id: str,
) -> str:
    """Write models/rnn of a pipeline folder; returns the run id."""
    content = config.to_json()
    best_bytes, last_bytes = save(dict(best)), save(dict(last))
    run_id = content_id(preprocessor_run_id, content, best_bytes)
    pipeline = Pipeline(folder)
    write_bytes(pipeline.best_weights, best_bytes)
    write_bytes(pipeline.last_weights, last_bytes)
    n_params = int(sum(value.size for value in best.values()))
    write_json(
        pipeline.model,
        {
            "run_id": run_id,
            "preprocessor_run_id": preprocessor_run_id,
            "last_id": content_id(last_bytes),
            **content,
            "n_params": n_params,
        },
    )
    return run_id


def load_model(folder: Path | str = ".") -> SavedModel:
    """The trained forecaster of a pipeline folder (its best weights).

    Raises
    ------
    ArtifactError
        A file is missing or damaged, weights, config and preprocessor do not belong together, or
        the network is one of rows.
    """
    model = load_network(folder)
    if isinstance(model, RowModel):
        raise ArtifactError(
            f"{Pipeline(Path(folder)).model} is a network of rows, not of windows; name the folder "
            "of a pipeline that forecasts"
        )
    return model


def load_network(folder: Path | str = ".") -> SavedModel | RowModel:
    """The trained model of a pipeline folder, of whatever task; errors as `load_model`."""
    pipeline = Pipeline(Path(folder))
    content = read_json(pipeline.model)
    # By what it reads, for a class of the user's own may read windows or rows.
    config = (RowConfig if "blocks" in content else ModelConfig).from_json(content)
    trained_with = content["preprocessor_run_id"]
    path = pipeline.best_weights
    weights = load_weights(path)
    found = read_preprocessor(pipeline.preprocessor)["run_id"]
    if trained_with != found:
        raise ArtifactError(
            f"{pipeline.model} was trained with preprocessor {trained_with}, but "
            f"{pipeline.preprocessor} is {found}; run `dvc repro`"
        )
    if content_id(trained_with, config.to_json(), path.read_bytes()) != content["run_id"]:
        raise ArtifactError(f"{path} is not the file that model.json describes; run `dvc repro`")
    if isinstance(config, RowConfig):
        return RowModel(config, content["run_id"], trained_with, weights)
    return SavedModel(config, content["run_id"], trained_with, weights)


def load_last_weights(folder: Path) -> dict[str, np.ndarray]:
    """The weights after the last step, of a pipeline folder; forecasts use the best ones.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or the weights are not those that model.json describes.
    """
    pipeline = Pipeline(folder)
    path = pipeline.last_weights
    weights = load_weights(path)
    if content_id(path.read_bytes()) != read_json(pipeline.model).get("last_id"):
        raise ArtifactError(f"{path} is not the file that model.json describes; run `dvc repro`")
    return weights


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a weights file; ArtifactError if it is missing or damaged."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `dvc repro` to make it") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None
