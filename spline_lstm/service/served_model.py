"""What the loaded models of all tasks have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from spline_lstm.export.sessions import Session
from spline_lstm.service.served_file import TREES, ServedFile
from spline_lstm.service.source import Source
from spline_lstm.store.registry import Model


@dataclass(frozen=True, eq=False)
class ServedModel(ABC):
    """A model that answers calls.

    Attributes
    ----------
    source : Source
    row : Model
        Its row in the registry; None: the files of the folder.
    """

    source: Source
    row: Model | None

    @property
    @abstractmethod
    def run_id(self) -> str:
        """Content id of the trained model."""

    @property
    def model_id(self) -> str:
        """Id in the registry; of files of a folder the run id, which it would get there."""
        return self.run_id if self.row is None else self.row.model_id

    @property
    @abstractmethod
    def sessions(self) -> Mapping[Path, Session]:
        """The loaded exported files."""

    @cached_property
    def shares_threads(self) -> bool:
        """Several threads may call it, see `ServedFile.shares_threads`."""
        return all(file.shares_threads for file in self.files)

    @property
    def takes_missing(self) -> bool:
        """Raw tensors may have missing numbers, which the files fill or read themselves."""
        return False

    @property
    def files(self) -> tuple[ServedFile, ...]:
        """What answers raw tensors: the network by the name of the pipeline, and its trees."""
        name, version = self.source.name, self.model_id
        return tuple(
            ServedFile(
                name=f"{name}.{path.stem}" if path.stem in TREES else name,
                version=version,
                path=path,
                session=each,
                takes_missing=self.takes_missing,
            )
            for path, each in self.sessions.items()
        )
