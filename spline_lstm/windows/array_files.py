"""As-of arrays as files that are mapped into memory: data/processed/arrays of partitions.

`spline_lstm.windows.array_writing` writes them.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spline_lstm.core.artifacts import read_arrays, read_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.stored_rows import FORMS, SeriesRules, StoredRows, other_features

INDEX, SMALL, RULES = "_index.json", "small.npz", "rules.npz"
# Arrays with a row per grid row.
ROW_ARRAYS = (
    "scaled",
    "causal",
    "known_at",
    "valid",
    "raw_target",
    "filled_target",
    "causal_target",
    "observed",
    "timestamps",
    "replaced",
)


def load_folder(folder: Path) -> AsOfArrays:
    """The arrays of a folder; those with a row per grid row are read from disk as they are used.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or has other rows than the index says.
    """
    content = read_arrays(folder / SMALL)
    try:
        rules = SeriesRules(**read_arrays(folder / RULES))
        offsets, targets = content["series_offsets"], content["target_indices"]
        stored = _stored(folder, offsets, targets, rules)
        arrays = AsOfArrays(**content, **stored.arrays())
    except (KeyError, TypeError):
        raise ArtifactError(
            f"{folder} was written by another version of the code; run `dvc repro`"
        ) from None
    rows = read_json(folder / INDEX).get("rows")
    per_row = [*stored.values.values(), stored.features]
    if len(stored.timestamps):
        per_row.append(stored.timestamps)
    if any(len(values) != rows for values in per_row) or stored.rows != rows:
        raise ArtifactError(f"{folder} has other rows than {INDEX} says; run `dvc repro`")
    return arrays


def _stored(
    folder: Path, offsets: np.ndarray, targets: np.ndarray, rules: SeriesRules
) -> StoredRows:
    """The files of a folder, mapped."""
    used = set(rules.form.tolist())
    count, derived = rules.known_after.shape[1], targets if rules.center.shape[1] else ()
    features = np.empty((int(offsets[-1]), 0), np.float32)
    if len(other_features(count, derived)):
        features = _mapped(folder / "features.npy")
    is_even = bool((rules.step != 0).all())
    return StoredRows(
        offsets,
        targets,
        rules,
        {
            name: _mapped(folder / f"target_{name}.npy")
            for index, name in enumerate(FORMS)
            if index in used
        },
        features,
        np.empty(0, np.int64) if is_even else _mapped(folder / "timestamps.npy"),
        _mapped(folder / "marks.npy"),
        _mapped(folder / "ranks.npy"),
        _full(folder),
    )


def _full(folder: Path) -> Mapping[str, np.ndarray]:
    paths = sorted(folder.glob("full_*.npy"))
    return {path.stem.removeprefix("full_"): _mapped(path) for path in paths}


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); run `dvc repro`") from None


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
