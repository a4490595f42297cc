"""All models that are served, of whatever task, and how newly promoted ones are taken up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.service.direction import load_direction
from spline_lstm.service.errors import NOT_FOUND, ServiceError, refused
from spline_lstm.service.loaded import load_model
from spline_lstm.service.served_file import ServedFile
from spline_lstm.service.source import Source
from spline_lstm.service.tabular import load_rows_model
from spline_lstm.store.registry import Model


class Loaded(Protocol):
    """A model of any task."""

    @property
    def source(self) -> Source:
        """Its pipeline folder."""
        ...

    @property
    def row(self) -> Model | None:
        """Its row in the registry; None: the exported files of the folder."""
        ...

    @property
    def run_id(self) -> str:
        """Content id of the trained model."""
        ...

    @property
    def model_id(self) -> str:
        """Id in the registry; of exported files the run id, which it would get there."""
        ...

    @property
    def files(self) -> tuple[ServedFile, ...]:
        """Its exported files, which answer raw tensors."""
        ...

    def summary(self) -> dict[str, Any]:
        """What a list of models says."""
        ...

    def details(self) -> dict[str, Any]:
        """What is known about the model: schema, metrics and hash of the data, too."""
        ...


Kind = TypeVar("Kind", bound=Loaded)
# Task -> what loads its models.
LOADERS: Mapping[str, Callable[[Source, Model | None], Loaded]] = {
    "forecast": load_model,
    "direction": load_direction,
    "tabular": load_rows_model,
}


@dataclass(frozen=True)
class Served:
    """All models at one moment; it is replaced as a whole when a model is promoted.

    Attributes
    ----------
    models : name of the pipeline -> its model
    """

    models: Mapping[str, Loaded]

    def get(self, name: str | None, loc: Sequence[str | int]) -> Loaded:
        """The model with an id or of a pipeline, of any task; as in `of_kind`."""
        return _chosen(self.models, name, loc)

    def of_kind(self, kind: type[Kind], name: str | None, loc: Sequence[str | int]) -> Kind:
        """The model with an id or of a pipeline; without a name the only one of its kind.

        Raises
        ------
        CallError
            404: there is none; 422: no name, but several models.
        """
        models = {
            pipeline: model for pipeline, model in self.models.items() if isinstance(model, kind)
        }
        return _chosen(models, name, loc)

    def file(self, name: str) -> ServedFile:
        """The exported file with a name, or the network of the model with an id.

        Raises
        ------
        CallError
            404: there is none.
        """
        files = [file for model in self.models.values() for file in model.files]
        ids = {key: model.source.name for model in self.models.values() for key in _ids(model)}
        wanted = ids.get(name, name)
        for file in files:
            if file.name == wanted:
                return file
        known = ", ".join(file.name for file in files)
        text = f"no such model is served; name one of them: {known}"
        raise refused(NOT_FOUND, ("path", "model"), "model", text)


def _ids(model: Loaded) -> tuple[str, str]:
    return model.model_id, model.run_id


def _chosen(models: Mapping[str, Kind], name: str | None, loc: Sequence[str | int]) -> Kind:
    if name is None and len(models) == 1:
        return next(iter(models.values()))
    known = ", ".join(f"{each.source.name} ({each.model_id})" for each in models.values())
    if not models:
        text = "no model of this call is served; name a folder of its task when you start it"
        raise refused(NOT_FOUND, loc, "model", text)
    if name is None:
        raise refused(422, loc, "model", f"several models are served; name one of them: {known}")
    for pipeline, model in models.items():
        if name in (pipeline, *_ids(model)):
            return model
    raise refused(NOT_FOUND, loc, "model", f"no such model is served; name one of them: {known}")


def load(source: Source, row: Model | None) -> Loaded:
    """The model of a row of the registry, or the exported files of the folder.

    Raises
    ------
    ServiceError
        The service does not serve its task.
    StoreError, ArtifactError
        Files are missing or damaged, or do not belong together.
    """
    if source.task not in LOADERS:
        raise ServiceError(
            f"{source.folder} has the task {source.task}, which the service does not serve; name "
            f"folders of the tasks {', '.join(LOADERS)}"
        )
    return LOADERS[source.task](source, row)


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
            MappingProxyType({each.name: load(each, each.promoted()) for each in sources})
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
                models[source.name], loaded = load(source, row), True
                note(f"pipeline {source.name} is now served by model {row.model_id}")
            except SplineLstmError as error:
                failures[source.name] = str(error)
                if self.failures.get(source.name) != str(error):
                    note(f"pipeline {source.name} keeps its model: {error}")
        if loaded:
            self.served = Served(MappingProxyType(models))
        self.failures = failures


def _registered_id(model: Loaded) -> str | None:
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
