"""Loaded models: the promoted one of each pipeline folder, or the exported files in it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spline_lstm.core.errors import ArtifactError, SplineLstmError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import Schema
from spline_lstm.core.table_format import INDEX, TableFormat
from spline_lstm.export.sessions import Answer
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.service.errors import NOT_FOUND, CallError, ServiceError, refused
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Model, Registry
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.preprocessor import Preprocessor

FILES = ("model.onnx", "model.tflite")
TASK = "forecast"
# Column of the timestamps in the rows that the service makes of a body.
TIMESTAMP = "timestamp"


@dataclass(frozen=True)
class Source:
    """A pipeline folder and its registry.

    Attributes
    ----------
    folder : Path
    name : str
        Name of the folder, by which calls choose it.
    store : Store
    """

    folder: Path
    name: str
    store: Store

    @classmethod
    def of(cls, folder: Path) -> "Source":
        """The pipeline in a folder.

        Raises
        ------
        ServiceError
            It has no params.yaml, or its task has no forecasts.
        SplineLstmError
            params.yaml is not valid.
        """
        if not (folder / "params.yaml").is_file():
            raise ServiceError(
                f"{folder} is not a pipeline folder, it has no params.yaml; name one that "
                "`spline-lstm init` or `dvc repro` made"
            )
        params = load_params(folder)
        if params.task != TASK:
            raise ServiceError(
                f"{folder} has the task {params.task}, which the service does not serve; name "
                f"folders of the task {TASK}"
            )
        return cls(folder, folder.resolve().name, Store.of(folder, params.store))

    def promoted(self) -> Model | None:
        """The row of the promoted model, if there is one."""
        return Registry(self.store.registry).promoted(TASK)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model that answers calls.

    Attributes
    ----------
    source : Source
    row : Model
        Its row in the registry; None: the exported files of the folder.
    path : Path
        The exported file.
    forecaster : ExportedForecaster
        With the preprocessor of `rows_preprocessor`.
    table_schema : Schema
        Of the raw table, as the pipeline has it.
    """

    source: Source
    row: Model | None
    path: Path
    forecaster: ExportedForecaster
    table_schema: Schema

    @property
    def run_id(self) -> str:
        """Content id of the trained model."""
        return str(self.forecaster.metadata["run_id"])

    @property
    def model_id(self) -> str:
        """Id in the registry; of exported files the run id, which it would get there."""
        return self.run_id if self.row is None else self.row.model_id

    @property
    def preprocessor(self) -> Preprocessor:
        """Constants of preprocessing, with the schema of rows of a body."""
        return self.forecaster.preprocessor

    @property
    def answer(self) -> Answer:
        """The loaded file: tensors to tensors."""
        return self.forecaster.session.answer

    @property
    def shares_threads(self) -> bool:
        """Several threads may call it: so it is with onnxruntime, not with LiteRT."""
        return self.path.suffix == ".onnx"

    @cached_property
    def limits(self) -> ForecastLimits:
        """What every forecast keeps to."""
        return self.preprocessor.limits

    @cached_property
    def is_panel(self) -> bool:
        """The pipeline has a column that tells series apart."""
        return self.preprocessor.schema.series_col is not None

    def summary(self) -> dict[str, Any]:
        """What a list of models says."""
        metadata, clock = self.forecaster.metadata, self.preprocessor.clock
        return {
            "id": self.model_id,
            "run_id": self.run_id,
            "pipeline": self.source.name,
            "task": TASK,
            "status": "exported" if self.row is None else self.row.status,
            "promoted_at": None if self.row is None else self.row.promoted_at,
            "targets": list(metadata["targets"]),
            "lookback": metadata["lookback"],
            "horizon": metadata["horizon"],
            "frequency": clock.frequency,
            "time_zone": clock.zone or "UTC",
            "levels": list(self.levels),
        }

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the prediction intervals, percent; none without calibrated intervals."""
        intervals = self.forecaster.intervals
        return () if intervals is None else tuple(intervals.levels)

    def details(self) -> dict[str, Any]:
        """What is known about the model: schema, metrics and hash of the data, too."""
        metrics = Pipeline(self.source.folder).metrics("evaluate")
        if self.row is not None:
            data_hash, measured = self.row.data_hash, json.loads(self.row.metrics_json)
        else:
            data_hash = _hash_of(Pipeline(self.source.folder).raw_files)
            measured = json.loads(metrics.read_text("utf-8")) if metrics.is_file() else {}
        return {
            **self.summary(),
            "schema": self.table_schema.model_dump(mode="json"),
            "metrics": measured,
            "data_hash": data_hash,
            "model_type": self.forecaster.metadata["model_type"],
            "features": list(self.preprocessor.features),
            "future_columns": [item.name for item in self.preprocessor.known_future],
        }


def load_model(source: Source, row: Model | None) -> LoadedModel:
    """The model of a row of the registry, or the exported files of the folder.

    Raises
    ------
    StoreError, ArtifactError
        Files are missing or damaged, or do not belong together.
    """
    folder = source.folder if row is None else Registry(source.store.registry).folder(row)
    pipeline = Pipeline(folder)
    path = next(
        (pipeline.exported / name for name in FILES if (pipeline.exported / name).is_file()), None
    )
    if path is None:
        raise ArtifactError(
            f"{source.folder} has no model to serve ({pipeline.exported / FILES[0]} is missing); "
            "run `dvc repro`, or promote a registered model"
        )
    forecaster = ExportedForecaster.load(path, pipeline.preprocessor)
    preprocessor = forecaster.preprocessor
    served = replace(forecaster, preprocessor=rows_preprocessor(preprocessor))
    return LoadedModel(source, row, path, served, preprocessor.table_schema)


def rows_preprocessor(preprocessor: Preprocessor) -> Preprocessor:
    """The same constants with the schema of the rows that a body has.

    A body is long whatever the layout of the raw file is: one timestamp, ISO 8601 or a whole
    number, and numbers as JSON has them.
    """
    schema = preprocessor.table_schema.long
    form = INDEX if preprocessor.table_schema.is_indexed else "ISO8601"
    taken = {*schema.target_cols, *schema.covariate_names, schema.series_col}
    name = TIMESTAMP if TIMESTAMP not in taken else f"{TIMESTAMP}_"
    return replace(
        preprocessor,
        table_schema=schema.model_copy(
            update={
                "timestamp_col": name,
                "table_format": TableFormat(timestamp_format=form),
            }
        ),
    )


@dataclass(frozen=True)
class Served:
    """All models at one moment; it is replaced as a whole when a model is promoted.

    Attributes
    ----------
    models : name of the pipeline -> its model
    """

    models: Mapping[str, LoadedModel]

    def get(self, name: str | None, loc: Sequence[str | int]) -> LoadedModel:
        """The model with an id or of a pipeline; without a name the only one.

        Raises
        ------
        CallError
            404: there is none; 422: no name, but several models.
        """
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        known = ", ".join(f"{each.source.name} ({each.model_id})" for each in self.models.values())
        if name is None:
            raise refused(
                422, loc, "model", f"several models are served; name one of them: {known}"
            )
        if name in self.models:
            return self.models[name]
        for model in self.models.values():
            if name in (model.model_id, model.run_id):
                return model
        raise _unknown(loc, known)


def _unknown(loc: Sequence[str | int], known: str) -> CallError:
    return refused(NOT_FOUND, loc, "model", f"no such model is served; name one of them: {known}")


class Catalog:
    """The served models, and how newly promoted ones are taken up.

    Attributes
    ----------
    served : Served
        A call reads it once, so that it has one model from its beginning to its end.
    failures : mapping of str to str
        Pipelines whose promoted model could not be loaded, and why; the one before is served on.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self.served = Served(
            MappingProxyType({each.name: load_model(each, each.promoted()) for each in sources})
        )
        self.failures: Mapping[str, str] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """The pipeline folders."""
        return self._sources

    def refresh(self, note: Callable[[str], object]) -> None:
        """Take up newly promoted models; a model that cannot be loaded changes nothing."""
        models, failures = dict(self.served.models), {}
        loaded = False
        for source in self._sources:
            try:
                row = source.promoted()
                if row is None or row.model_id == _registered_id(models[source.name]):
                    continue
                models[source.name], loaded = load_model(source, row), True
                note(f"pipeline {source.name} is now served by model {row.model_id}")
            except SplineLstmError as error:
                failures[source.name] = str(error)
                if self.failures.get(source.name) != str(error):
                    note(f"pipeline {source.name} keeps its model: {error}")
        if loaded:
            self.served = Served(MappingProxyType(models))
        self.failures = failures


def _registered_id(model: LoadedModel) -> str | None:
    return None if model.row is None else model.row.model_id


def make_catalog(folders: Sequence[str]) -> Catalog:
    """Load the models of folders.

    Raises
    ------
    ServiceError
        Two folders have the same name, or one is not a pipeline folder.
    SplineLstmError
        A model cannot be loaded.
    """
    sources = [Source.of(Path(folder)) for folder in folders]
    names = [source.name for source in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ServiceError(
            f"two folders have the name {twice[0]}, by which calls choose them; rename one"
        )
    return Catalog(sources)


def _hash_of(paths: Sequence[Path]) -> str:
    """SHA-256 of the first file that is there, "" without one."""
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
    return ""
