"""What the stages of an experiment wrote, by its dvc.lock, in the DVC cache."""

import json
from functools import cache as remembered
from pathlib import Path
from typing import Any

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.git import file_at, read_lock
from spline_lstm.experiments.results import Record


def find_output(pipeline: TrackedPipeline, cache: Path, record: Record, path: str) -> Path | None:
    """The cached content of an output; None if the experiment did not write it.

    Parameters
    ----------
    pipeline : TrackedPipeline
    cache : Path
        Of DVC (`git.cache_folder`).
    record : Record
    path : str
        Relative to the pipeline folder: of an output, or of a file in a folder that is one.

    Raises
    ------
    ExperimentError
        The experiment wrote it, but the cache does not have it.
    """
    wanted = pipeline.inside(path)
    for out in _outputs(pipeline, record):
        if out["path"] == wanted:
            return _cached(cache, record, path, out["md5"])
        if wanted.startswith(f"{out['path']}/") and out["md5"].endswith(".dir"):
            listing = json.loads(_cached(cache, record, out["path"], out["md5"]).read_bytes())
            inside = wanted.removeprefix(f"{out['path']}/")
            entry = next((entry for entry in listing if entry["relpath"] == inside), None)
            return entry and _cached(cache, record, path, entry["md5"])
    return None


def output(pipeline: TrackedPipeline, cache: Path, record: Record, path: str) -> Path:
    """The cached content of an output that every experiment has.

    Raises
    ------
    ExperimentError
        The experiment did not write it, or the cache does not have it.
    """
    found = find_output(pipeline, cache, record, path)
    if found is None:
        raise ExperimentError(
            f"experiment {record.run.name} has no {path}; run it again with "
            f"--redo {record.run.name}"
        )
    return found


def _outputs(pipeline: TrackedPipeline, record: Record) -> list[dict[str, Any]]:
    return _locked_outputs(pipeline.root, record.revision, pipeline.inside("dvc.lock"))


@remembered
def _locked_outputs(root: Path, revision: str, path: str) -> list[dict[str, Any]]:
    """What the dvc.lock of a commit lists, which never changes."""
    lock = read_lock(file_at(root, revision, path))
    return [out for stage in lock["stages"].values() for out in stage.get("outs", ())]


def _cached(cache: Path, record: Record, name: str, md5: str) -> Path:
    path = cache / "files/md5" / md5[:2] / md5[2:]
    if not path.is_file():
        raise ExperimentError(
            f"{name} of experiment {record.run.name} is not in the DVC cache ({path}); "
            f"dvc pull it, or run it again with --redo {record.run.name}"
        )
    return path
