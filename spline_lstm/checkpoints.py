"""The state of an unfinished training on disk, so that a killed run goes on where it stopped.

A checkpoint belongs to one content id: of code, data, params. A run with another id never sees it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from spline_lstm.artifacts import write_bytes


@dataclass(frozen=True)
class Checkpoint:
    """Where one unfinished training keeps its state: `folder`/`content_id`.safetensors."""

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
        """Arrays and progress of the killed run; None where there is none, or the file is damaged."""
        try:
            with safe_open(self.path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return arrays, json.loads(file.metadata()["progress"])
        except (FileNotFoundError, SafetensorError):
            return None

    def clear(self) -> None:
        """Remove all checkpoints of the folder: this run is done, and older ones had other inputs."""
        for path in self.folder.glob("*.safetensors"):
            path.unlink(missing_ok=True)
