"""A pipeline folder that is served: its registry, its files, what was measured of its model."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.service.errors import ServiceError
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Model, Registry


@dataclass(frozen=True)
class Source:
    """A pipeline folder and its registry.

    Attributes
    ----------
    folder : Path
    name : str
        Name of the folder, by which calls choose it.
    store : Store
    task : str
    """

    folder: Path
    name: str
    store: Store
    task: str

    @classmethod
    def of(cls, folder: Path) -> "Source":
        """The pipeline in a folder.

        Raises
        ------
        ServiceError
            It has no params.yaml.
        SplineLstmError
            params.yaml is not valid.
        """
        if not (folder / "params.yaml").is_file():
            raise ServiceError(
                f"{folder} is not a pipeline folder, it has no params.yaml; name one that "
                "`spline-lstm init` or `dvc repro` made"
            )
        params = load_params(folder)
        return cls(folder, folder.resolve().name, Store.of(folder, params.store), params.task)

    def promoted(self) -> Model | None:
        """The row of the promoted model, if there is one."""
        return Registry(self.store.registry).promoted(self.task)

    def files_of(self, row: Model | None) -> Path:
        """The folder with the files of a row of the registry; without one the pipeline folder."""
        return self.folder if row is None else Registry(self.store.registry).folder(row)

    def summary(self, row: Model | None, run_id: str) -> dict[str, Any]:
        """What a list of models says of each."""
        return {
            "id": run_id if row is None else row.model_id,
            "run_id": run_id,
            "pipeline": self.name,
            "task": self.task,
            "status": "exported" if row is None else row.status,
            "promoted_at": None if row is None else row.promoted_at,
        }

    def measured(self, row: Model | None) -> dict[str, Any]:
        """Metrics of a model, and the hash of the data that it was trained with."""
        if row is not None:
            return {"metrics": json.loads(row.metrics_json), "data_hash": row.data_hash}
        pipeline = Pipeline(self.folder)
        metrics = pipeline.metrics("evaluate")
        content = json.loads(metrics.read_text("utf-8")) if metrics.is_file() else {}
        return {"metrics": content, "data_hash": _hash_of(pipeline.raw_files)}


def _hash_of(paths: Sequence[Path]) -> str:
    """SHA-256 of the first file that is there, "" without one."""
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""
