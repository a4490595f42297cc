"""Where the data of a new pipeline lie: in its folder, so that experiments in copies have them."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from spline_lstm.core.pipeline import Pipeline

# git holds files of this size well; larger ones are for DVC.
LARGEST_COPY = 50 * 2**20
FOLDER = Pipeline().source_folder.as_posix()


@dataclass(frozen=True)
class SourceFile:
    """The file of the user, and what becomes of it.

    Attributes
    ----------
    path : the file
    source : data.source, relative to the pipeline folder
    folder : the pipeline folder, relative to the root of the repository
    is_copied : the pipeline folder gets a copy
    is_inside : the file lies in the repository
    size : bytes
    """

    path: Path
    source: str
    folder: str
    is_copied: bool
    is_inside: bool
    size: int

    @classmethod
    def of(cls, path: Path, folder: Path, root: Path, *, copy: bool) -> "SourceFile":
        """Decide whether to copy; with `copy`, files up to `LARGEST_COPY` are."""
        size = path.stat().st_size
        is_copied = copy and size <= LARGEST_COPY
        source = (
            f"{FOLDER}/{_plain_name(path)}"
            if is_copied
            else Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
        )
        return cls(
            path,
            source,
            folder.relative_to(root).as_posix(),
            is_copied,
            path.resolve().is_relative_to(root.resolve()),
            size,
        )

    def write(self, folder: Path) -> None:
        """Copy the file into the folder of the pipeline, if that is decided."""
        if self.is_copied:
            target = folder / self.source
            target.parent.mkdir(parents=True)
            shutil.copyfile(self.path, target)

    def text(self) -> str:
        """What becomes of the file, for the summary."""
        if self.is_copied:
            return f"copied to {self.folder}/{self.source}: change that file from now on"
        return f"{self.path}, not copied"

    def remarks(self) -> list[str]:
        """What experiments in temporary copies need, if the file is not in the folder."""
        if self.is_copied:
            return []
        place = f"{self.folder}/{FOLDER}"
        if self.size > LARGEST_COPY:
            size = f"{self.size / 2**20:.0f} MB are too much for git"
        elif self.is_inside:
            return ["experiments in temporary copies need the file: add it to git or DVC"]
        else:
            size = "the file is outside the repository"
        name = _plain_name(self.path)
        return [
            f"{size}, and experiments in temporary copies cannot find it: mkdir -p {place}; cp "
            f"{self.path} {place}/{name}; dvc add {place}/{name}; set data.source: {FOLDER}/{name}"
        ]


@dataclass(frozen=True)
class EmbeddedSource:
    """A table inside an installed package, which needs no copy.

    Attributes
    ----------
    source : data.source
    """

    source: str

    def write(self, folder: Path) -> None:
        """Nothing to write."""

    def text(self) -> str:
        """Where the data are, for the summary."""
        return f"{self.source}, inside the package"

    def remarks(self) -> list[str]:
        """Nothing to do."""
        return []


def _plain_name(path: Path) -> str:
    """The name of the file without characters that shells and YAML treat in their own way."""
    return re.sub(r"[^\w.-]+", "_", path.name).lstrip("-")
