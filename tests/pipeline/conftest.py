"""A temporary clone of the repository as it stands, with tiny params."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spline_lstm.experiments.warm_stages import warm_stages
from tools.import_closure import ROOT

TINY = {
    "max_epochs: 6": "max_epochs: 1",
    "hidden: [64, 32]": "hidden: [4]",
    "  stride: 4": "  stride: null",
    "stride: 1": "stride: 40",
    "max_epochs: 4": "max_epochs: 1",
    "folds: 2": "folds: 1",
    "calls: 1000": "calls: 100",
    "warmup_calls: 100": "warmup_calls: 10",
    "golden_windows: 1024": "golden_windows: 32",
    "max_p95_ms: 30.0": "max_p95_ms: 1000.0",
}
# What no stage and no command reads. DVC would look at it again and again, as it does at the
# dvc.yaml of each pipeline: one beside that of the root is enough.
LEFT_OUT = ("benchmarks/", "docs/", "notebooks/", "tests/", "tools/")
BESIDE = "pipelines/stores/"
# Before stages that run in this process add what libraries are to read: the fork server declines a
# stage whose environment is not its own.
ENVIRONMENT = dict(os.environ)


@dataclass(frozen=True)
class Clone:
    """A repository of its own in a temporary folder; `surroundings`: more of its environment."""

    folder: Path
    surroundings: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *command: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there; with `check`, show its output when it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=clone_environment() | {**self.surroundings} | environment,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def stage(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one stage as dvc.yaml does, without DVC."""
        return self.run("python", "-m", f"stages.{name}", check=False)

    def edit(self, path: str, *replacements: tuple[str, str]) -> None:
        """Replace texts in a file; each must stand there."""
        text = (self.folder / path).read_text(encoding="utf-8")
        for old, new in replacements:
            assert old in text, f"{path} does not hold {old!r}"
            text = text.replace(old, new)
        (self.folder / path).write_text(text, encoding="utf-8")

    def commit(self, message: str = "change") -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)


def clone_environment() -> dict[str, str]:
    """The caller's environment, with this interpreter first on PATH and a git identity."""
    path = os.pathsep.join([str(Path(sys.executable).parent), ENVIRONMENT["PATH"]])
    identity = {
        f"GIT_{role}_{key}": "test@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    }
    # Byte code is kept: the stages of a clone share it, instead of compiling all modules each.
    left_out = ("GIT_", "DVC_", "PYTEST_", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE", "XLA_FLAGS")
    kept = {key: value for key, value in ENVIRONMENT.items() if not key.startswith(left_out)}
    return kept | identity | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def make_clone(
    folder: Path,
    *,
    tiny: bool = True,
    beside: str = BESIDE,
    surroundings: Mapping[str, str] | None = None,
) -> Clone:
    """Copy what git tracks or would track, with one commit of its own.

    Of the folders of pipelines only `beside` is copied, of all others what may be read.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        is_read = name.startswith(beside) or not name.startswith((*LEFT_OUT, "pipelines/"))
        if name and is_read and (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    clone = Clone(folder, surroundings or {})
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    clone.run("git", "config", "core.compression", "0")
    if tiny:
        clone.edit("params.yaml", *TINY.items())
        for name in ("dvc.lock", "metrics", "plots"):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # Of the other pipelines there is no output: with a lock, DVC would look for them.
    for path in folder.glob("pipelines/*/dvc.lock"):
        path.unlink()
    clone.commit("start")
    return clone


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """Environment in which `python -m stages.NAME` is forked with its libraries imported."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / ".git").mkdir()
    with warm_stages(folder, clone_environment()) as environment:
        yield {"PATH": environment["PATH"]}


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, warm):
    """A clone with tiny params after `dvc repro`, committed; tests leave it as they found it.

    Its stages are forked, as those of `make repro` are.
    """
    clone = make_clone(tmp_path_factory.mktemp("reproduced") / "clone", surroundings=warm)
    clone.run("dvc", "repro")
    clone.commit("reproduced")
    return clone
