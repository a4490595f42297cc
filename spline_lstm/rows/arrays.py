"""Inputs and labels of all rows (stage preprocess), and the rows of each split (stage window)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Num

from spline_lstm.core.artifacts import read_arrays, write_arrays
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.rows.preprocessor import RowInputs
from spline_lstm.rows.splits import SPLITS

INPUTS = ("raw", "numbers", "missing", "categories")


@dataclass(frozen=True)
class RowArrays:
    """All rows of a table that have a target.

    Attributes
    ----------
    inputs : RowInputs
    labels : [rows] int32 positions of classes, or float32 z-scores of the target
    truth : [rows] float64
        The labels as they are scored: positions of classes, or the target in data units.
    codes : [rows] int8
        Position of the split in `SPLITS`.
    lines : [rows] int64
        Line of the row in the raw table.
    """

    inputs: RowInputs
    labels: Num[np.ndarray, " rows"]
    truth: Float[np.ndarray, " rows"]
    codes: Int[np.ndarray, " rows"]
    lines: Int[np.ndarray, " rows"]

    def save(self, path: Path) -> None:
        """Write processed.npz."""
        inputs = {name: getattr(self.inputs, name) for name in INPUTS}
        rest = {name: getattr(self, name) for name in ("labels", "truth", "codes", "lines")}
        write_arrays(path, inputs | rest)

    @classmethod
    def load(cls, path: Path) -> "RowArrays":
        """Read processed.npz; ArtifactError if it is missing, damaged or of another task."""
        arrays = read_arrays(path)
        try:
            inputs = RowInputs(*(arrays[name] for name in INPUTS))
            return cls(inputs, *(arrays[name] for name in ("labels", "truth", "codes", "lines")))
        except KeyError:
            raise ArtifactError(f"{path} is not of the task tabular; run `dvc repro`") from None

    def split_rows(self) -> dict[str, Int[np.ndarray, " chosen"]]:
        """Split -> its rows, ascending, int64."""
        return {name: np.flatnonzero(self.codes == code) for code, name in enumerate(SPLITS)}


@dataclass(frozen=True)
class RowSplit:
    """Inputs and labels of the rows of one split; see `RowArrays`."""

    inputs: RowInputs
    labels: Num[np.ndarray, " rows"]
    truth: Float[np.ndarray, " rows"]
    lines: Int[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Rows:
    """What training and evaluation read: the arrays, and the rows of each split."""

    arrays: RowArrays
    splits: Mapping[str, Int[np.ndarray, " chosen"]]

    def split(self, name: str) -> RowSplit:
        """The rows of a split: train, validation or test."""
        chosen, arrays = self.splits[name], self.arrays
        return RowSplit(
            arrays.inputs.rows(chosen),
            arrays.labels[chosen],
            arrays.truth[chosen],
            arrays.lines[chosen],
        )


def load_rows(folder: Path) -> Rows:
    """The rows of a pipeline folder, as the stages preprocess and window wrote them.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or is of another task.
    """
    pipeline = Pipeline(folder)
    splits = read_arrays(pipeline.windows)
    if set(splits) != set(SPLITS):
        raise ArtifactError(f"{pipeline.windows} is not of the task tabular; run `dvc repro`")
    return Rows(RowArrays.load(pipeline.processed), splits)
