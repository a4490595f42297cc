"""The state of an unfinished training on disk, so that a killed run can resume.

A checkpoint belongs to one content id: of code, libraries, device, data and params. A run with
another id never sees it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax
import jax
import numpy as np
import optax
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spline_lstm.core.artifacts import code_files, content_id, sha256_of_file, write_bytes
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import TrainParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.models.build import NetworkConfig
from spline_lstm.models.jax_setup import device_name
from spline_lstm.windows.array_files import identity_file

CHECKPOINTS = Path(".cache/training")
# The folders of code on which the course of a training depends.
FOLDERS = ("core", "models", "tasks", "training", "windows")


@dataclass(frozen=True)
class Checkpoint:
    """The file of one unfinished training: `folder`/`content_id`.safetensors."""

    folder: Path
    content_id: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{self.content_id}.safetensors"

    def write(self, arrays: Mapping[str, np.ndarray], progress: Mapping[str, Any]) -> None:
        """Replace the checkpoint, atomically."""
        write_bytes(self.path, save(dict(arrays), metadata={"progress": json.dumps(progress)}))

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays and progress of the killed run; None if there is none, or the file is damaged."""
        try:
            with safe_open(self.path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return arrays, json.loads(file.metadata()["progress"])
        except (FileNotFoundError, SafetensorError):
            return None

    def require(self) -> None:
        """Raise ArtifactError unless there is a killed run to resume."""
        if self.read() is None:
            raise ArtifactError(
                f"{self.path.parent} has no unfinished training of these data, params and code; "
                "run without --resume"
            )

    def clear(self) -> None:
        """Remove all checkpoints of the folder; those of other runs had other inputs."""
        for path in self.folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)


def checkpoint_of_run(folder: Path, params: TrainParams, config: NetworkConfig) -> Checkpoint:
    """The checkpoint of a training in a pipeline folder."""
    pipeline = Pipeline(folder)
    data = [identity_file(pipeline), pipeline.windows]
    content = content_id(
        *(sha256_of_file(path) for path in [*data, *code_files(*FOLDERS)]),
        jax.__version__,
        flax.__version__,
        optax.__version__,
        device_name(),
        params.model_dump(mode="json", exclude={"hosts"}),
        config.to_json(),
    )
    return Checkpoint(folder / CHECKPOINTS, content)
