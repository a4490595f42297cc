"""All that the export of a forecaster needs, read from a pipeline folder without JAX or TensorFlow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load

from spline_lstm.artifacts import content_id, read_json
from spline_lstm.errors import ArtifactError, ExportError
from spline_lstm.models.config import ModelConfig

# Weight blocks of one recurrent layer: i, f, g, o of an LSTM; r, z, n of a GRU.
GATES = {"lstm": 4, "gru": 3, "attention_lstm": 4}


@dataclass(frozen=True)
class EdgeSpec:
    """A trained forecaster and the scaler in front of it.

    Attributes
    ----------
    config : ModelConfig
    run_id, preprocessor_run_id : content ids of the model and of the preprocessor it was trained behind
    frequency_ns : step of the grid
    center, scale : [F_total] float64, data units; z = (x - center) / scale
    weights : name -> float32 array, as in best.safetensors
    """

    config: ModelConfig
    run_id: str
    preprocessor_run_id: str
    frequency_ns: int
    center: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]
    weights: Mapping[str, np.ndarray]

    @property
    def target_scale(self) -> Float[np.ndarray, " targets"]:
        """Data units per z-score of each target."""
        return self.scale[list(self.config.target_indices)]

    def metadata(self) -> dict[str, Any]:
        """What a reader of an exported file must know to feed it; the same in every format."""
        config = self.config
        return {
            "run_id": self.run_id,
            "preprocessor_run_id": self.preprocessor_run_id,
            "model_type": config.model_type,
            "features": list(config.features),
            "targets": list(config.targets),
            "lookback": config.lookback,
            "horizon": config.horizon,
            "frequency_ns": self.frequency_ns,
            "input": "history [batch, lookback, features] float32, data units",
            "output": "forecast [batch, horizon, targets] float32, data units",
        }

    def metadata_text(self) -> str:
        """`metadata` as one line of JSON."""
        return json.dumps(self.metadata(), ensure_ascii=False)


def load_spec(folder: Path) -> EdgeSpec:
    """The trained forecaster of a pipeline folder, with its best weights.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or weights, config and preprocessor do not belong together.
    ExportError
        The model type has no exported form.
    """
    path, weights_path = folder / "models/rnn/model.json", folder / "models/rnn/best.safetensors"
    content, preprocessor = read_json(path), read_json(folder / "models/preprocessor.json")
    try:
        config = ModelConfig.from_json(content)
        run_id, trained_behind = content["run_id"], content["preprocessor_run_id"]
        center, scale = (np.array(preprocessor["scaler"][key], np.float64) for key in ("center", "scale"))
        preprocessor_run_id, features = preprocessor["run_id"], tuple(preprocessor["features"])
        frequency_ns = preprocessor["frequency_ns"]
    except KeyError as error:
        raise ArtifactError(f"{path} or {folder / 'models/preprocessor.json'} lacks {error}; run `dvc repro`") from None
    if trained_behind != preprocessor_run_id or features != config.features:
        raise ArtifactError(
            f"{path} was trained behind preprocessor {trained_behind} with the features {list(config.features)}, but "
            f"{folder / 'models/preprocessor.json'} is {preprocessor_run_id} with {list(features)}; run `dvc repro`"
        )
    weights = _read_weights(weights_path, config, expected_id=run_id, preprocessor_run_id=trained_behind)
    return EdgeSpec(config, run_id, trained_behind, frequency_ns, center, scale, weights)


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a forecaster.

    Raises
    ------
    ExportError
        The model type has no exported form.
    """
    if config.model_type not in GATES:
        raise ExportError(f"model.type {config.model_type} has no exported form; use one of {', '.join(GATES)}")
    shapes: dict[str, tuple[int, ...]] = {}
    width = len(config.features)
    for index, units in enumerate(config.hidden):
        blocks = GATES[config.model_type] * units
        shapes[f"rnn.{index}.input_kernel"] = (width, blocks)
        shapes[f"rnn.{index}.recurrent_kernel"] = (units, blocks)
        shapes[f"rnn.{index}.bias"] = (blocks,)
        if config.model_type == "gru":
            shapes[f"rnn.{index}.recurrent_bias"] = (units,)
        width = units
    if config.model_type == "attention_lstm":
        shapes |= {"attention.key_kernel": (width, width), "attention.key_bias": (width,)}
        shapes |= {"attention.query_kernel": (width, width), "attention.score_kernel": (width,)}
        width *= 2
    outputs = config.horizon * len(config.targets)
    return shapes | {"head.kernel": (width, outputs), "head.bias": (outputs,)}


def _read_weights(
    path: Path, config: ModelConfig, *, expected_id: str, preprocessor_run_id: str
) -> dict[str, np.ndarray]:
    try:
        content = path.read_bytes()
        weights = load(content)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing; run `dvc repro` to make it") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro` again") from None
    if content_id(preprocessor_run_id, config.to_json(), content) != expected_id:
        raise ArtifactError(f"{path} is not the file that model.json describes; run `dvc repro`")
    shapes = {name: value.shape for name, value in weights.items()}
    if shapes != weight_shapes(config):
        raise ArtifactError(f"{path} holds {shapes}, but the config of model.json needs {weight_shapes(config)}")
    return weights
