"""Content ids of code: of what a stage depends on, and of any set of files and folders."""

from collections.abc import Iterable
from pathlib import Path

from ruamel.yaml import YAML

from spline_lstm.core.artifacts import content_id, sha256_of_file

# What paths of code start with in dvc.yaml.
CODE = ("spline_lstm/", "stages/")


def stage_code_id(folder: Path, stage: str) -> str | None:
    """Content id of the code that a stage depends on, by the dvc.yaml of the pipeline folder.

    Its `deps` name exactly the folders that the stage imports from, so two runs with the same id
    ran the same code. None if the folder has no dvc.yaml with such a stage.
    """
    path = folder / "dvc.yaml"
    if not path.is_file():
        return None
    entry = YAML(typ="safe").load(path.read_text(encoding="utf-8")).get("stages", {}).get(stage)
    if entry is None:
        return None
    root = folder / entry.get("wdir", ".")
    return code_id_of(root, (dep for dep in entry.get("deps", ()) if dep.startswith(CODE)))


def code_id_of(root: Path, paths: Iterable[str]) -> str:
    """Content id of files and folders of code, whatever their order.

    Parameters
    ----------
    root : Path
        That the paths are relative to.
    paths : iterable of str
    """
    return content_id({path: content_id(*_hashes(root / path)) for path in paths})


def _hashes(path: Path) -> list[str]:
    """Path and hash of a file, or of each file in a folder, without bytecode."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    kept = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return [
        text
        for file in kept
        for text in (file.relative_to(path.parent).as_posix(), sha256_of_file(file))
    ]
