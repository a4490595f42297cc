"""Exported files that answer raw tensors: the network of a pipeline, and its trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spline_lstm.export.sessions import Session, open_session

# Files of trees beside that of a network, by their libraries.
TREES = ("lightgbm", "xgboost")


@dataclass(frozen=True)
class ServedFile:
    """A file that answers raw tensors.

    Attributes
    ----------
    name : str
        Of the pipeline, with ``.lightgbm`` or ``.xgboost`` for its trees.
    version : str
        Id of the model that it belongs to.
    path : Path
    session : Session
    takes_missing : bool
        Its numbers may be NaN.
    """

    name: str
    version: str
    path: Path
    session: Session
    takes_missing: bool

    @property
    def shares_threads(self) -> bool:
        """Several threads may call it: so it is with onnxruntime, not with LiteRT."""
        return self.path.suffix == ".onnx"


def open_trees(exported: Path) -> Mapping[Path, Session]:
    """The files of trees in a folder of exported files.

    Raises
    ------
    ArtifactError
        A file is damaged.
    """
    paths = [exported / f"{library}.onnx" for library in TREES]
    return {path: open_session(path) for path in paths if path.is_file()}
