"""What git and dvc.lock know of a pipeline: commit, experiments and their files.

DVC keeps an experiment as a commit under ``refs/exps/<baseline[:2]>/<baseline[2:]>/<name>``.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.config import Config
from ruamel.yaml import YAML

from spline_lstm.core.errors import ExperimentError, UsageError
from spline_lstm.core.pipeline import COMMAND_FILES, WALL_CLOCK, TrackedPipeline

SHOWN = 5
# What `git show` says of a commit, and the variables of `git commit-tree` for the first six.
PEOPLE = "%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B"
PEOPLE_VARIABLES = tuple(
    f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE")
)


def find_pipeline(folder: Path) -> TrackedPipeline:
    """The repository that contains a pipeline folder.

    Raises
    ------
    UsageError
        The folder is not a pipeline folder.
    ExperimentError
        The folder is not in a git repository.
    """
    if not (folder / "dvc.yaml").is_file() or not (folder / "params.yaml").is_file():
        raise UsageError(f"{folder} is not a pipeline folder: it has no params.yaml and dvc.yaml")
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode:
        raise ExperimentError(
            f"{folder} is not in a git repository; experiments are commits: clone the repository"
        )
    root = Path(done.stdout.decode().strip()).resolve()
    return TrackedPipeline(folder.resolve(), root)


def _git(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    standard_input: str = "",
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        capture_output=True,
        env=clean_environment() | dict(environment or {}),
        input=standard_input.encode("utf-8", errors="surrogateescape"),
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """The environment without variables that point git or DVC to another repository."""
    foreign = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "DVC_ROOT",
        "DVC_EXP_BASELINE_REV",
        "DVC_EXP_NAME",
    )
    return {key: value for key, value in os.environ.items() if key not in foreign}


def git(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    standard_input: str = "",
) -> str:
    """Output of a git command, with more variables in its environment.

    Raises
    ------
    ExperimentError
        It failed.
    """
    done = _git(folder, *arguments, environment=environment, standard_input=standard_input)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise ExperimentError(
            f"git {' '.join(arguments[:2])} failed in {folder}: {reason}; repair the repository"
        )
    return done.stdout.decode("utf-8", errors="surrogateescape")


def tree_of(folder: Path, commit: str) -> str:
    """The object of all files of a commit."""
    return git(folder, "rev-parse", f"{commit}^{{tree}}").strip()


def commit_files(folder: Path, tree: str, like: str, parent: str = "") -> str:
    """A new commit of the files of `tree`, with people, times and message of the commit `like`.

    Parameters
    ----------
    folder : Path
        In the repository; no reference, index or file of it changes.
    tree, like : str
        Objects of the repository.
    parent : str
        A commit; "" for a commit without parents.
    """
    shown = ("--no-patch", "--no-show-signature", "--date=raw", f"--format={PEOPLE}")
    written = git(folder, "show", *shown, like)
    *people, message = written.split("\0", 6)
    return git(
        folder,
        "commit-tree",
        tree,
        *(["-p", parent] if parent else []),
        "-m",
        message.rstrip("\n"),
        environment=dict(zip(PEOPLE_VARIABLES, people, strict=True)),
    ).strip()


def head(pipeline: TrackedPipeline) -> str:
    """The commit that experiments start from.

    Raises
    ------
    ExperimentError
        The repository has no commit.
    """
    done = _git(pipeline.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if done.returncode:
        raise ExperimentError(
            f"{pipeline.root} has no commit to start experiments from; git add --all && git commit"
        )
    return done.stdout.decode().strip()


def check_ready(pipeline: TrackedPipeline) -> str:
    """The commit to start from, if experiments can be run.

    Raises
    ------
    ExperimentError
        The repository has no commit, is shallow, or has changes that are not committed.
    """
    commit = head(pipeline)
    if git(pipeline.root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise ExperimentError(
            f"{pipeline.root} is a shallow clone, in which DVC saves no experiment; "
            "git fetch --unshallow"
        )
    changed = changed_paths(pipeline.root)
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise ExperimentError(
            f"{', '.join(changed[:SHOWN])}{more}: changed since the commit {commit[:10]}, but "
            "experiments start from a commit; git commit or git stash them"
        )
    return commit


def changed_paths(root: Path) -> list[str]:
    """Tracked files that differ from the commit, except wall-clock files and outputs of compare.

    A dvc.lock counts only if it differs in more than the hashes of wall-clock files.
    """
    changed = [
        path for path in tracked_changes(root) if not path.endswith((*WALL_CLOCK, *COMMAND_FILES))
    ]
    return [
        path
        for path in changed
        if not (path.endswith("dvc.lock") and same_but_for_time(root, path))
    ]


def tracked_changes(root: Path) -> list[str]:
    """Tracked files that differ from the commit."""
    return [path for path in git(root, "diff", "--name-only", "-z", "HEAD").split("\0") if path]


def same_but_for_time(root: Path, lock: str) -> bool:
    """Whether a dvc.lock differs from the commit only in wall-clock files."""
    if not (root / lock).is_file():
        return False
    committed = read_lock(file_at(root, "HEAD", lock))
    return _timeless(committed) == _timeless(read_lock((root / lock).read_bytes()))


def _timeless(lock: dict[str, Any]) -> dict[str, Any]:
    def kept(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {key: kept(value) for key, value in entry.items()}
        if isinstance(entry, list):
            return [
                kept(item) for item in entry if not (isinstance(item, dict) and _is_clocked(item))
            ]
        return entry

    return kept(lock)


def _is_clocked(item: dict[str, Any]) -> bool:
    return str(item.get("path", "")).endswith(WALL_CLOCK)


def read_lock(content: bytes) -> dict[str, Any]:
    """Content of a dvc.lock."""
    return YAML(typ="safe").load(content) or {}


def exp_ref(commit: str, name: str) -> str:
    """The git reference of an experiment."""
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def experiments(pipeline: TrackedPipeline, commit: str) -> dict[str, str]:
    """Name -> commit of the experiments that start from `commit`."""
    folder = exp_ref(commit, "")
    lines = git(
        pipeline.root, "for-each-ref", "--format=%(refname) %(objectname)", folder
    ).splitlines()
    return {ref.removeprefix(folder): sha for ref, sha in (line.split(" ") for line in lines)}


def baselines_of(pipeline: TrackedPipeline, name: str) -> dict[str, str]:
    """Baseline commit -> experiment commit of all experiments of that name."""
    lines = git(
        pipeline.root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps"
    ).splitlines()
    found = {}
    for ref, sha in (line.split(" ") for line in lines):
        *_, first, rest, last = ref.split("/")
        if last == name and len(first) == 2:
            found[first + rest] = sha
    return found


def remove_experiment(pipeline: TrackedPipeline, commit: str, name: str) -> None:
    """Forget an experiment; its stages stay in the run cache."""
    git(pipeline.root, "update-ref", "-d", exp_ref(commit, name))


def file_at(root: Path, revision: str, path: str) -> bytes:
    """Content of a tracked file in a commit.

    Raises
    ------
    ExperimentError
        The commit has no such file.
    """
    done = _git(root, "show", f"{revision}:{path}")
    if done.returncode:
        raise ExperimentError(
            f"commit {revision[:10]} has no {path}; run the experiment again with --redo"
        )
    return done.stdout


def cache_folder(pipeline: TrackedPipeline) -> Path:
    """Where DVC keeps the content of data and models."""
    config = Config(str(pipeline.root / ".dvc"))
    return (pipeline.root / ".dvc" / config["cache"].get("dir", "cache")).resolve()
