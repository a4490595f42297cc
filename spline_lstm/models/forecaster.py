"""A trained forecaster on disk: models/rnn of a pipeline folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from spline_lstm.artifacts import content_id, read_json, write_bytes, write_json
from spline_lstm.errors import ArtifactError
from spline_lstm.models.config import ModelConfig, check_shape
from spline_lstm.models.registry import build, from_arrays

# Every forecast is computed in batches of this size, the last one padded: one compiled program.
PREDICT_BATCH = 256


@dataclass(frozen=True)
class Model:
    """A trained forecaster.

    Attributes
    ----------
    config : ModelConfig
    run_id : str
        Content id of config and weights.
    preprocessor_run_id : str
        Content id of the preprocessor it was trained behind.
    weights : dict of name -> float32 array
    """

    config: ModelConfig
    run_id: str
    preprocessor_run_id: str
    weights: Mapping[str, np.ndarray]

    def predict(self, X: Float[np.ndarray, "windows lookback features"]) -> Float[np.ndarray, "windows outputs"]:
        """Forecast windows.

        Parameters
        ----------
        X : [windows, lookback, F_total] float32, z-scores

        Returns
        -------
        [windows, horizon * F_target] float32, z-scores; `Windows.to_data_units` turns them back.

        Raises
        ------
        ValueError
            `X` has another shape.
        """
        X = np.asarray(X, dtype=np.float32)
        check_shape(X.shape, self.config)
        forecast, state = _compiled(self.config), self._state()
        parts = []
        for start in range(0, len(X), PREDICT_BATCH):
            part = X[start : start + PREDICT_BATCH]
            padded = np.concatenate([part, np.zeros((PREDICT_BATCH - len(part), *part.shape[1:]), np.float32)])
            parts.append(np.asarray(forecast(state, padded))[: len(part)])
        outputs = self.config.horizon * len(self.config.targets)
        return np.concatenate([np.empty((0, outputs), np.float32), *parts])

    def _state(self) -> nnx.State:
        return from_arrays(nnx.state(build(self.config, key=jax.random.key(0)), nnx.Param), self.weights)


def _compiled(config: ModelConfig) -> Any:
    graph, _ = nnx.split(nnx.eval_shape(lambda: build(config, key=jax.random.key(0))), nnx.Param)
    return jax.jit(lambda state, x: nnx.merge(graph, state)(x))


def save_model(
    folder: Path,
    config: ModelConfig,
    *,
    best: Mapping[str, np.ndarray],
    last: Mapping[str, np.ndarray],
    preprocessor_run_id: str,
) -> str:
    """Write models/rnn of a pipeline folder; returns the run id."""
    content = config.to_json()
    best_bytes, last_bytes = save(dict(best)), save(dict(last))
    run_id = content_id(preprocessor_run_id, content, best_bytes)
    write_bytes(folder / "models/rnn/best.safetensors", best_bytes)
    write_bytes(folder / "models/rnn/last.safetensors", last_bytes)
    n_params = int(sum(value.size for value in best.values()))
    write_json(
        folder / "models/rnn/model.json",
        {"run_id": run_id, "preprocessor_run_id": preprocessor_run_id, **content, "n_params": n_params},
    )
    return run_id


def load_model(folder: Path | str = ".") -> Model:
    """The trained forecaster of a pipeline folder (its best weights).

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or the weights, the config and the preprocessor do not belong together.
    """
    folder = Path(folder)
    content = read_json(folder / "models/rnn/model.json")
    config = ModelConfig.from_json(content)
    path = folder / "models/rnn/best.safetensors"
    try:
        weights = load_file(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `dvc repro` to make it") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None
    preprocessor = read_json(folder / "models/preprocessor.json")
    if content["preprocessor_run_id"] != preprocessor["run_id"]:
        raise ArtifactError(
            f"{folder / 'models/rnn/model.json'} was trained behind preprocessor {content['preprocessor_run_id']}, but "
            f"{folder / 'models/preprocessor.json'} is {preprocessor['run_id']}; run `dvc repro`"
        )
    if content_id(content["preprocessor_run_id"], config.to_json(), path.read_bytes()) != content["run_id"]:
        raise ArtifactError(f"{path} is not the file that model.json describes; run `dvc repro`")
    return Model(config, content["run_id"], content["preprocessor_run_id"], weights)
