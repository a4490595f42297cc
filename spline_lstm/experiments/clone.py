"""A private clone in which experiments run, so that the user's branch and workspace stay untouched.

``dvc exp run --temp`` runs the stages in a temporary copy, but to queue the experiment it first
stashes the workspace, detaches HEAD, edits params.yaml and resets everything again. A process
killed in those seconds leaves the workspace in that state, and a file saved in them is lost. Here
that happens in a clone below .cache/compare, which shares the objects of git and the cache of DVC;
a finished experiment is fetched as one git reference. What a killed run leaves is in its clone,
which the next run removes.
"""

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from dvc.config import Config

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.ledger import ROOT_VARIABLE
from spline_lstm.core.pipeline import WALL_CLOCK, TrackedPipeline, compilation_cache
from spline_lstm.experiments.git import (
    cache_folder,
    clean_environment,
    exp_ref,
    file_at,
    git,
    tracked_changes,
)
from spline_lstm.experiments.processes import end_marked
from spline_lstm.experiments.runs import Run

FOLDER = Path(".cache/compare")
logger = logging.getLogger("spline_lstm")


@contextmanager
def private_clone(pipeline: TrackedPipeline, commit: str) -> Iterator[Path]:
    """A clone at `commit`; processes and clones that killed runs left are ended and removed.

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
        clone = Path(tempfile.mkdtemp(prefix="clone-", dir=folder))
        try:
            _fill(clone, pipeline, commit)
            yield clone
        finally:
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


def _fill(clone: Path, pipeline: TrackedPipeline, commit: str) -> None:
    git(
        pipeline.root,
        "clone",
        "--quiet",
        "--shared",
        "--no-checkout",
        str(pipeline.root),
        str(clone),
    )
    git(clone, "checkout", "--quiet", "--detach", commit)
    for key in ("user.name", "user.email"):
        value = git(pipeline.root, "config", "--get", "--default", "", key).strip()
        if value:
            git(clone, "config", key, value)
    for path in tracked_changes(pipeline.root):
        if path.endswith((*WALL_CLOCK, "dvc.lock")):
            shutil.copyfile(pipeline.root / path, clone / path)
    settings = Config(str(pipeline.root / ".dvc"))
    local: dict[str, Any] = dict(cast("dict[str, Any]", settings.read("local")))
    local["cache"] = {**local.get("cache", {}), "dir": str(cache_folder(pipeline))}
    # DVC's own notes about a repository, which would stay below /var/tmp for ever.
    local["core"] = {**local.get("core", {}), "site_cache_dir": str(clone / ".dvc/tmp/site")}
    with Config(str(clone / ".dvc")).edit("local") as config:
        cast("dict[str, Any]", config).update(local)


def run_experiment(
    clone: Path, environment: Mapping[str, str], run: Run, on_line: Callable[[str], None]
) -> int:
    """Run one experiment in the clone, giving each line of output to `on_line`; the exit status."""
    command = [
        sys.executable,
        "-m",
        "dvc",
        "exp",
        "run",
        "--temp",
        "--name",
        run.name,
        *run.arguments,
    ]
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=clone,
        env=environment,
        # Its own session: Ctrl-C ends the driver, and the driver ends all of these.
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            for line in process.stdout:
                on_line(line.rstrip("\n"))
        return process.wait()
    except BaseException:
        end_marked(clone.parent)
        process.wait()
        raise


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


def fetch_experiment(clone: Path, pipeline: TrackedPipeline, commit: str, name: str) -> bool:
    """Bring a finished experiment into the repository; False if the clone has none of that name."""
    ref = exp_ref(commit, name)
    found = git(clone, "for-each-ref", "--format=%(refname)", ref).split()
    if ref not in found:
        return False
    git(
        pipeline.root,
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        str(clone),
        f"{ref}:{ref}",
    )
    # The lock file names what the stages made: without it the experiment is empty.
    file_at(pipeline.root, ref, pipeline.inside("dvc.lock"))
    return True
