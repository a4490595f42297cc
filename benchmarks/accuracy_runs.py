"""What the accuracy suite keeps between calls: forecasts of runs, and tasks for other libraries.

Both are plain NumPy files, so that a program in an environment of its own can read them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Float

RUNS, TASKS = "runs", "tasks"


@dataclass(frozen=True)
class Runs:
    """Forecasts of one data set, one of each seed.

    Attributes
    ----------
    key : str, what they were made with: `key_of`
    forecasts : [seed, window, step] data units, of the test windows
    verdicts : what evaluation said of each
    seconds : CPU seconds of all stages, of each
    """

    key: str
    forecasts: Float[np.ndarray, "seed n horizon"]
    verdicts: tuple[str, ...]
    seconds: tuple[float, ...]

    def save(self, root: Path, name: str) -> None:
        """Write ROOT/runs/NAME.npz."""
        path = _path(root, RUNS, name)
        path.parent.mkdir(exist_ok=True)
        np.savez(
            path,
            key=self.key,
            forecasts=self.forecasts,
            verdicts=np.array(self.verdicts),
            seconds=np.array(self.seconds),
        )

    @classmethod
    def read(cls, root: Path, name: str, key: str) -> Self | None:
        """The runs that `save` wrote; nothing if they are not there or have another key."""
        path = _path(root, RUNS, name)
        if not path.is_file():
            return None
        with np.load(path) as file:
            if str(file["key"]) != key:
                return None
            verdicts = tuple(str(verdict) for verdict in file["verdicts"])
            return cls(key, file["forecasts"], verdicts, tuple(file["seconds"].tolist()))


def forget_runs(root: Path, name: str) -> None:
    """Remove what `Runs.save` wrote, before the pipeline that it belongs to is replaced."""
    _path(root, RUNS, name).unlink(missing_ok=True)


def key_of(seeds: list[int], overlay: Mapping[str, Any]) -> str:
    """What tells whether kept runs are those asked for."""
    return json.dumps({"seeds": seeds, "overlay": overlay}, sort_keys=True)


def save_task(root: Path, name: str, arrays: Mapping[str, Any]) -> None:
    """Write ROOT/tasks/NAME.npz, what a peer needs to forecast the same test windows.

    Parameters
    ----------
    root : Path
    name : str, of the data set
    arrays : values, offsets, training (rows), train, validation, test (origins), seasons, horizon,
        lookback: see `accuracy_suite.Task`
    """
    path = _path(root, TASKS, name)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **arrays)


def _path(root: Path, kind: str, name: str) -> Path:
    return root / kind / f"{name}.npz"
