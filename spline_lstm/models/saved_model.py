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
from spline_lstm.models.outputs import Outputs
from spline_lstm.models.row_config import RowConfig
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.models.sharding import Sharding
from spline_lstm.models.stored_programs import StoredProgram
from spline_lstm.models.types import MODEL_TYPES, is_own_class

# Every forecast is computed in batches of this size, the last one padded: one compiled program.
PREDICT_BATCH = 1024
# Windows that go through the network at once on a device.
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
        forecast, sharding = _compiled(self.config, tuple(names)), _sharding()
        outputs = np.empty((self.config.ensemble_size, len(inputs[0]), self.config.outputs), "f4")
        computed: deque[tuple[int, jax.Array]] = deque()

        def take(most_left: int) -> None:
            while len(computed) > most_left:
                first, batch = computed.popleft()
                part = outputs[:, first : first + PREDICT_BATCH]
                part[:] = np.asarray(batch)[:, : part.shape[1]]

        for start in range(0, len(inputs[0]), PREDICT_BATCH):
            batch = [_padded(values[start : start + PREDICT_BATCH]) for values in inputs]
            placed = tuple(sharding.place(values, 0) for values in batch)
            computed.append((start, forecast(self._on_devices, placed)))
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


def _padded(values: np.ndarray) -> np.ndarray:
    missing = np.zeros((PREDICT_BATCH - len(values), *values.shape[1:]), values.dtype)
    return np.concatenate([values, missing])


def _sharding() -> Sharding:
    """How a batch of forecasts is split over the devices of this process."""
    return Sharding(PREDICT_BATCH, local=True)


@functools.cache
def _compiled(config: ModelConfig, names: tuple[str, ...]) -> Callable[..., jax.Array]:
    """Members' forecasts [members, batch, outputs] of weights and the named inputs."""

    def member(weights: nnx.State, *inputs: jax.Array) -> jax.Array:
        graph, _ = structure(config)
        forecast = nnx.merge(graph, weights)(**dict(zip(names, inputs, strict=True)))
        return jax.nn.sigmoid(forecast) if config.output == "probability" else forecast

    def members(weights: nnx.State, inputs: tuple[jax.Array, ...]) -> jax.Array:
        if config.ensemble_size == 1:
            return member(weights, *inputs)[None]
        return jax.vmap(member, in_axes=(0, *[None] * len(names)))(weights, *inputs)

    def chunks(weights: nnx.State, inputs: tuple[jax.Array, ...]) -> jax.Array:
        """On a CPU what is computed of a chunk stays in the cache."""
        size = min(CHUNK, len(inputs[0])) if jax.default_backend() == "cpu" else len(inputs[0])
        parts = [values.reshape(-1, size, *values.shape[1:]) for values in inputs]
        outputs = jax.lax.map(lambda chunk: members(weights, chunk), tuple(parts))
        return jnp.moveaxis(outputs, 0, 1).reshape(config.ensemble_size, -1, config.outputs)

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
