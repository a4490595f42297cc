"""The files of a repository that an experiment does not need.

DVC parses every dvc.yaml and dvc.lock of a repository several times in each experiment, and reads
git's list of all files two dozen times, in pure Python. So the commit of a private clone leaves out
other pipelines, tests and texts, and the finished experiment gets them back unchanged.
"""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML

from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.git import file_at, git, tree_of

NAMES = ("dvc.yaml", "dvc.lock")
# Folders of the root in which no stage looks for anything, unless its pipeline names them.
BESIDE = (".github", "benchmarks", "docs", "notebooks", "tests")


def unneeded_files(pipeline: TrackedPipeline, commit: str) -> list[str]:
    """Files of DVC, tests and texts in folders that the pipeline's own files do not name.

    A pipeline that reads what another one writes names its folder. Files of the root are kept:
    what its stages write has no folder to be found by.
    """
    own = "\n".join(
        text
        for name in ("dvc.yaml", "params.yaml")
        for text in _texts(
            YAML(typ="safe").load(file_at(pipeline.root, commit, pipeline.inside(name)))
        )
    )
    listed = git(pipeline.root, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")

    def is_unneeded(path: str) -> bool:
        top, slash, _ = path.partition("/")
        if PurePosixPath(path).name not in NAMES:
            return bool(slash) and top in BESIDE and not is_named(top, own)
        is_own = path == pipeline.inside(PurePosixPath(path).name)
        return bool(slash) and not is_own and not is_named(str(PurePosixPath(path).parent), own)

    return [path for path in listed if is_unneeded(path)]


def _texts(data: Any) -> Iterator[str]:
    """All keys and values that are text; comments are none."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in (*data, *data.values()) if isinstance(data, dict) else data:
            yield from _texts(each)


def is_named(folder: str, texts: str) -> bool:
    """Whether a folder, what is in it or a module of it is named in texts.

    >>> [is_named("docs", text) for text in ("docs", "../docs/a.csv", "docs.net:Net")]
    [True, True, True]
    >>> is_named("docs", "data/my-docs"), is_named("pipelines/store", "pipelines/stores/out.csv")
    (False, False)
    """
    return re.search(rf"(?<![\w.-]){re.escape(folder)}(?![\w-])", texts) is not None


def tree_without(folder: Path, commit: str, paths: Sequence[str]) -> str:
    """The object of all files of a commit but some."""
    return _written(folder, commit, ["update-index", "-z", "--force-remove", "--stdin"], paths)


def tree_with(folder: Path, made: str, commit: str, paths: Sequence[str]) -> str:
    """The object of all files of `made`, with some as they are in `commit`."""
    wanted, listed = {*paths}, git(folder, "ls-tree", "-r", "-z", commit).split("\0")
    entries = [entry for entry in listed if entry.partition("\t")[2] in wanted]
    return _written(folder, made, ["update-index", "-z", "--index-info"], entries)


def _written(folder: Path, commit: str, change: Sequence[str], lines: Sequence[str]) -> str:
    """The tree of a commit, changed in an index of its own."""
    if not lines:
        return tree_of(folder, commit)
    with tempfile.TemporaryDirectory() as place:
        index: Mapping[str, str] = {"GIT_INDEX_FILE": os.path.join(place, "index")}
        git(folder, "read-tree", commit, environment=index)
        git(
            folder,
            *change,
            environment=index,
            standard_input="".join(f"{line}\0" for line in lines),
        )
        return git(folder, "write-tree", environment=index).strip()
