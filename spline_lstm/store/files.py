"""Where the store of a pipeline folder is, and files that are there completely or not at all.

A writer that is killed leaves a temporary file. Its name tells the host and the process, so that
the next writer removes what dead writers left and nothing that a living one is working on.
"""

import math
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from spline_lstm.core.params import StoreParams

PREFIX = ".tmp-"
# Whether a process of another host lives, nobody here can tell: its files get so many seconds.
PATIENCE = 86_400.0
# Seconds by which two looks at the start of one process may differ: the system clock is adjusted.
ADJUSTED = 5.0


@dataclass(frozen=True)
class Store:
    """The paths of one store.

    Attributes
    ----------
    predictions : folder of the Parquet files
    registry : SQLite file of the models
    """

    predictions: Path
    registry: Path

    @classmethod
    def of(cls, folder: Path, params: StoreParams) -> Self:
        """The store of a pipeline folder; absolute paths in the params stay as they are."""
        return cls(folder / params.predictions, folder / params.registry)

    @property
    def models(self) -> Path:
        """Folder of the files of registered models."""
        return self.registry.parent / "models"

    @property
    def log(self) -> Path:
        """One line per retraining."""
        return self.registry.parent / "retrain.log"


def write_once(path: Path, write: Callable[[Path], object]) -> bool:
    """Write a file durably unless it is there already; whether this call wrote it.

    Of two writers the first one wins, and its file is never replaced: the finished temporary file
    gets its name by a hard link, which fails if the name is taken. On a file system without hard
    links it is renamed.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / temporary_name()
    try:
        write(temporary)
        sync(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:
            temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def copy_once(files: dict[str, Path], folder: Path) -> bool:
    """Copy files into a new folder durably, all or none; False if the folder is there already.

    Parameters
    ----------
    files : path inside the folder -> file
    folder : Path
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = folder.parent / temporary_name()
    building.mkdir()
    try:
        for name, source in files.items():
            target = building / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            sync(target)
        for path in [*(path for path in building.rglob("*") if path.is_dir()), building]:
            sync(path)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            return False
        sync(folder.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return True


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_name() -> str:
    """A name that no other writer has: host, process, when that process started, and a number."""
    started = _started(os.getpid())
    return f"{PREFIX}{socket.gethostname()}~{os.getpid()}~{started:.0f}~{secrets.token_hex(4)}"


def remove_strays(folder: Path) -> int:
    """Remove the temporary files and folders that dead writers left; how many there were."""
    # Other writers may remove what is listed here; `os.walk` passes over that.
    found = [
        Path(place) / name
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if name.startswith(PREFIX)
    ]
    strays = [path for path in found if _is_stray(path)]
    for path in strays:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(strays)


def _is_stray(path: Path) -> bool:
    host, *rest = path.name.removeprefix(PREFIX).split("~")
    if len(rest) != 3 or not (rest[0].isdecimal() and rest[1].isdecimal()):
        return False
    if host == socket.gethostname():
        return not abs(_started(int(rest[0])) - int(rest[1])) < ADJUSTED
    try:
        return time.time() - path.stat().st_mtime > PATIENCE
    except FileNotFoundError:
        return False


def _started(process: int) -> float:
    """When a process started, seconds since 1970; NaN if it does not run.

    A number of a process is used again after it has ended; the time tells the two apart.
    """
    try:
        return psutil.Process(process).create_time()
    except psutil.NoSuchProcess:
        return math.nan
