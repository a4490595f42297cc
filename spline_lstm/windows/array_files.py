"""As-of arrays as files that are mapped into memory: data/processed/arrays of partitions.

Each array with a row per grid row is one .npy file, in which each partition has its rows, so that
several processes write one file and readers see one array. ``_index.json`` says which rows and
series are whose; the small arrays are in small.npz.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.artifacts import read_arrays, read_json, write_arrays, write_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor

INDEX, SMALL = "_index.json", "small.npz"
# Array -> its type, and what a row has: features, targets, or a single value.
ROW_ARRAYS: dict[str, tuple[Any, str]] = {
    "scaled": (np.float32, "features"),
    "causal": (np.float32, "features"),
    "known_at": (np.int32, "features"),
    "valid": (np.bool_, ""),
    "raw_target": (np.float64, "targets"),
    "filled_target": (np.float64, "targets"),
    "causal_target": (np.float64, "targets"),
    "observed": (np.bool_, "targets"),
    "timestamps": (np.int64, ""),
    "replaced": (np.bool_, "targets"),
}
# Arrays with a row per series.
SERIES_ARRAYS = ("static_ids", "constants")
NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Place:
    """Rows and series of a partition among all: first, and the one after the last.

    Attributes
    ----------
    file, sha256 : of the raw table
    start, end : grid rows
    first_series, end_series : series
    """

    file: str
    sha256: str
    start: int
    end: int
    first_series: int
    end_series: int


def create(folder: Path, rows: int, preprocessor: Preprocessor) -> None:
    """Make the files of all row arrays, whose rows the partitions then write."""
    widths = {"features": len(preprocessor.features), "targets": len(preprocessor.targets)}
    folder.mkdir(parents=True)
    for name, (kind, width) in ROW_ARRAYS.items():
        if name == "replaced" and preprocessor.params.outliers.method != "replace":
            continue
        shape = (rows, widths[width]) if width else (rows,)
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)


def write_rows(folder: Path, place: Place, arrays: AsOfArrays) -> AsOfArrays:
    """Write the arrays of a partition into its rows; what is left are the small arrays."""
    known_at = arrays.known_at
    # Rows count from the first one of all partitions; -1 is always, the largest number never.
    moved = np.where((known_at >= 0) & (known_at < NEVER), known_at + place.start, known_at)
    content = {**_row_arrays(arrays), "known_at": moved.astype(np.int32)}
    for name, values in content.items():
        if name == "replaced" and not values.size:
            continue
        file = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r+")
        file[place.start : place.end] = values
        file.flush()
    return replace(arrays, **{name: values[:0] for name, values in content.items()})


def write_index(
    folder: Path, places: Sequence[Place], small: Sequence[AsOfArrays], run_id: str
) -> None:
    """Write what is not per row, once all partitions have written their rows."""
    first = small[0]
    lengths = np.concatenate([np.diff(each.series_offsets) for each in small])
    content = {
        item.name: getattr(first, item.name)
        for item in fields(first)
        if item.name not in ROW_ARRAYS
    }
    content["series_offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    for name in SERIES_ARRAYS:
        content[name] = np.concatenate([getattr(each, name) for each in small])
    write_arrays(folder / SMALL, content)
    write_json(
        folder / INDEX,
        {
            "run_id": run_id,
            "rows": places[-1].end,
            "series": places[-1].end_series,
            "partitions": [asdict(place) for place in places],
        },
    )


def load_folder(folder: Path) -> AsOfArrays:
    """The arrays of a folder; those with a row per grid row are read from disk as they are used.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or has other rows than the index says.
    """
    rows = read_json(folder / INDEX).get("rows")
    content = read_arrays(folder / SMALL)
    for name in ROW_ARRAYS:
        path = folder / f"{name}.npy"
        if name == "replaced" and not path.is_file():
            continue
        try:
            content[name] = np.asarray(np.lib.format.open_memmap(path, mode="r"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} cannot be read ({error}); run `dvc repro`") from None
        if len(content[name]) != rows:
            raise ArtifactError(f"{path} has other rows than {INDEX} says; run `dvc repro`")
    if set(content) | {"replaced"} != {item.name for item in fields(AsOfArrays)}:
        raise ArtifactError(f"{folder} was written by another version of the code; run `dvc repro`")
    return AsOfArrays(**content)


def load_arrays(pipeline: Pipeline) -> AsOfArrays:
    """The arrays of a pipeline folder: processed.npz, or the files of a panel in partitions.

    Raises
    ------
    ArtifactError
        Both are there, or a file is missing or damaged.
    """
    if not pipeline.array_folder.is_dir():
        return AsOfArrays.load(pipeline.processed)
    if pipeline.processed.is_file():
        raise ArtifactError(
            f"{pipeline.processed} and {pipeline.array_folder.name} beside it are both there; "
            "remove the one that dvc.yaml does not name"
        )
    return load_folder(pipeline.array_folder)


def identity_file(pipeline: Pipeline) -> Path:
    """The file whose content changes with the arrays of a pipeline folder."""
    folder = pipeline.array_folder
    return folder / INDEX if folder.is_dir() else pipeline.processed


def _row_arrays(arrays: AsOfArrays) -> dict[str, np.ndarray]:
    return {name: getattr(arrays, name) for name in ROW_ARRAYS}
