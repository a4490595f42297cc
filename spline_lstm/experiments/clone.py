"""Private clones in which experiments run, so that the user's branch and workspace stay untouched.

``dvc exp run --temp`` runs the stages in a temporary copy, but to queue the experiment it first
stashes the workspace, detaches HEAD, edits params.yaml and resets everything again. A process
killed in those seconds leaves the workspace in that state, and a file saved in them is lost. Here
that happens in a clone below .cache/compare, which has one commit and shares the cache of DVC; a
finished experiment is fetched as one git reference. What a killed run leaves is in its clone, which
the next run removes.
"""

import fcntl
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from dvc.config import Config

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.ledger import ROOT_VARIABLE
from spline_lstm.core.pipeline import WALL_CLOCK, TrackedPipeline, compilation_cache
from spline_lstm.experiments.git import (
    cache_folder,
    clean_environment,
    commit_files,
    exp_ref,
    file_at,
    git,
    tracked_changes,
)
from spline_lstm.experiments.processes import end_marked
from spline_lstm.experiments.siblings import tree_with, tree_without, unneeded_files

FOLDER = Path(".cache/compare")
logger = logging.getLogger("spline_lstm")


@dataclass(frozen=True)
class Clone:
    """A private clone.

    Attributes
    ----------
    folder : of its files
    commit : its only one, which DVC takes for the one that experiments start from
    """

    folder: Path
    commit: str


@contextmanager
def private_clones(pipeline: TrackedPipeline, commit: str, count: int) -> Iterator[list[Clone]]:
    """Clones at `commit`; processes and clones that killed runs left are ended and removed.

    Wall-clock files that the workspace measured again are copied (nothing else may differ from the
    commit), so that the numbers of one comparison are those of one machine.

    Raises
    ------
    ExperimentError
        Another comparison is running in this repository.
    """
    folder = pipeline.root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        _take(lock)
        if left := end_marked(folder):
            logger.info("ended %d processes that a killed comparison had left", left)
        for left in folder.glob("clone-*"):
            shutil.rmtree(left, ignore_errors=True)
        folders = [Path(tempfile.mkdtemp(prefix="clone-", dir=folder)) for _ in range(count)]
        try:
            yield [Clone(clone, _fill(clone, pipeline, commit)) for clone in folders]
        finally:
            for clone in folders:
                shutil.rmtree(clone, ignore_errors=True)


def _take(lock: IO[str]) -> None:
    """Take the lock and write this process into it; the system releases it when that ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        raise ExperimentError(
            f"another comparison is running here, process {holder} (it continues if only `make` "
            f"was killed); wait for it, or end it with `kill {holder}` and compare again"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _fill(clone: Path, pipeline: TrackedPipeline, commit: str) -> str:
    git(
        pipeline.root,
        "clone",
        "--quiet",
        "--shared",
        "--no-checkout",
        str(pipeline.root),
        str(clone),
    )
    for key in ("user.name", "user.email"):
        value = git(pipeline.root, "config", "--get", "--default", "", key).strip()
        if value:
            git(clone, "config", key, value)
    own = tree_without(clone, commit, unneeded_files(pipeline, commit))
    alone = commit_files(clone, own, commit)
    git(clone, "checkout", "--quiet", "--detach", alone)
    _forget_history(clone)
    for path in tracked_changes(pipeline.root):
        if path.endswith((*WALL_CLOCK, "dvc.lock")) and (clone / path).is_file():
            shutil.copyfile(pipeline.root / path, clone / path)
    settings = Config(str(pipeline.root / ".dvc"))
    local: dict[str, Any] = dict(cast("dict[str, Any]", settings.read("local")))
    local["cache"] = {**local.get("cache", {}), "dir": str(cache_folder(pipeline))}
    # DVC's own notes about a repository, which would stay below /var/tmp for ever.
    local["core"] = {**local.get("core", {}), "site_cache_dir": str(clone / ".dvc/tmp/site")}
    with Config(str(clone / ".dvc")).edit("local") as config:
        cast("dict[str, Any]", config).update(local)
    return alone


def _forget_history(clone: Path) -> None:
    """Leave only the commit of HEAD.

    DVC pushes each experiment by dulwich, which looks through all objects of a repository for
    deltas to use again: with a long history that took a tenth of DVC's time.
    """
    git(clone, "remote", "remove", "origin")
    names = git(clone, "for-each-ref", "--format=delete %(refname)")
    git(clone, "update-ref", "--stdin", standard_input=names)
    git(clone, "reflog", "expire", "--expire=now", "--all")
    git(clone, "repack", "-a", "-d", "--quiet", "--window=0")
    (clone / ".git/objects/info/alternates").unlink()


def environment(pipeline: TrackedPipeline) -> dict[str, str]:
    """The environment of an experiment: this interpreter first, one compilation cache for all."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    inherited = clean_environment()
    # Without bytecode each process compiles what it imports: seconds for JAX, more for TensorFlow.
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | {
        "PATH": path,
        "DVC_NO_ANALYTICS": "1",
        "PYTHONUNBUFFERED": "1",
        ROOT_VARIABLE: str(pipeline.root),
        "JAX_COMPILATION_CACHE_DIR": str(compilation_cache(pipeline.folder)),
    }


def fetch_experiment(clone: Clone, pipeline: TrackedPipeline, commit: str, name: str) -> bool:
    """Bring a finished experiment into the repository; False if the clone has none of that name."""
    there = exp_ref(clone.commit, name)
    found = git(clone.folder, "for-each-ref", "--format=%(objectname)", there).split()
    if not found:
        return False
    git(
        pipeline.root,
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        str(clone.folder),
        there,
    )
    (made,) = found
    whole = tree_with(pipeline.root, made, commit, unneeded_files(pipeline, commit))
    experiment = commit_files(pipeline.root, whole, made, parent=commit)
    # The lock file names what the stages made: without it the experiment is empty.
    file_at(pipeline.root, experiment, pipeline.inside("dvc.lock"))
    git(pipeline.root, "update-ref", exp_ref(commit, name), experiment)
    return True
