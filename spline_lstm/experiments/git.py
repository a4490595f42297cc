"""What git and dvc.lock know of a pipeline: commit, experiments, their files, and what changed.

DVC keeps an experiment as a commit under ``refs/exps/<baseline[:2]>/<baseline[2:]>/<name>``.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.config import Config
from ruamel.yaml import YAML

from spline_lstm.core.errors import ArtifactError, ExperimentError, UsageError, shorten
from spline_lstm.core.pipeline import COMMAND_FILES, WALL_CLOCK, TrackedPipeline
from spline_lstm.core.stage_code import CODE

SHOWN = 5
# The stages whose outputs a search reads.
SEARCH_STAGES = ("preprocess", "window")


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


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=folder,
        capture_output=True,
        env=clean_environment(),
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


def git(folder: Path, *arguments: str) -> str:
    """Output of a git command.

    Raises
    ------
    ExperimentError
        It failed.
    """
    done = _git(folder, *arguments)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise ExperimentError(
            f"git {' '.join(arguments[:2])} failed in {folder}: {reason}; repair the repository"
        )
    return done.stdout.decode("utf-8", errors="surrogateescape")


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


def check_fresh(pipeline: TrackedPipeline) -> None:
    """Raise ArtifactError unless preprocess and window ran with these params, on these files."""
    stage = "window" if pipeline.relative == Path() else f"{pipeline.inside('dvc.yaml')}:window"
    remedy = f"run `dvc repro {stage}`"
    path = pipeline.folder / "dvc.lock"
    stages = read_lock(path.read_bytes()).get("stages", {}) if path.is_file() else {}
    for stage in SEARCH_STAGES:
        if stage not in stages:
            raise ArtifactError(
                f"{path} has no stage {stage}: its outputs are missing or of unknown origin; "
                f"{remedy}"
            )
        for change in changes_of(pipeline, stages[stage]):
            raise ArtifactError(f"{change} since stage {stage} was run; {remedy}")


def changes_of(pipeline: TrackedPipeline, stage: dict[str, Any]) -> Iterator[str]:
    """What differs from a stage's entry in dvc.lock: params, then data; not code."""
    for file, values in stage.get("params", {}).items():
        present = YAML(typ="safe").load((pipeline.root / file).read_text(encoding="utf-8"))
        for key, recorded in values.items():
            for name, old, new in differences(key, recorded, value_at(present, key)):
                yield f"{file}: {name} changed from {shorten(old)} to {shorten(new)}"
    for entry in [*stage.get("deps", ()), *stage.get("outs", ())]:
        if is_data(entry) and entry["md5"] != md5_of(pipeline.root / entry["path"]):
            yield f"{entry['path']} changed or is missing"


def value_at(content: Any, key: str) -> Any:
    """The value of a dotted key; None if there is none."""
    for name in key.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content


def differences(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, old and new value of everything in which two contents differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from differences(f"{name}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield name, old, new


def is_data(entry: dict[str, Any]) -> bool:
    """Whether an entry of dvc.lock is a file of data, not code, nor a metric or plot."""
    path = Path(entry["path"])
    is_code = entry["path"].startswith(CODE)
    return not is_code and not {"metrics", "plots"} & set(path.parts) and "md5" in entry


def md5_of(path: Path) -> str | None:
    """MD5 of a file as DVC records it; None if it is missing."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
