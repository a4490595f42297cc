"""Where experiments can start, in tiny repositories: no stage is run."""

import fcntl
import subprocess

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import ExperimentError
from spline_lstm.experiments.git import check_ready, commit_files, find_pipeline, tree_of
from tests.builders import ROOT
from tests.pipeline.conftest import Clone

LOCK = """schema: '2.0'
stages:
  benchmark:
    cmd: c
    deps:
    - path: a
      md5: 11
    outs:
    - path: metrics/latency.json
      md5: 22
      size: 3
"""


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit that holds what a comparison reads first."""
    clone = Clone(tmp_path / "repository")
    (clone.folder / "metrics").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (clone.folder / name).write_bytes((ROOT / name).read_bytes())
    (clone.folder / "dvc.lock").write_text(LOCK)
    (clone.folder / "metrics/latency.json").write_text("{}")
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    clone.commit("start")
    return clone


def refusal(folder) -> str:
    with pytest.raises(ExperimentError) as caught:
        check_ready(find_pipeline(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_clean_clone_is_ready_at_its_commit(repository):
    commit = repository.run("git", "rev-parse", "HEAD").stdout.strip()
    assert check_ready(find_pipeline(repository.folder)) == commit


def test_a_commit_is_copied_whatever_git_shows_of_signatures(repository):
    """A line about the signature would come before the names."""

    def run(*arguments):
        return repository.run("git", *arguments).stdout.strip()

    header, _, message = run("cat-file", "commit", "HEAD").partition("\n\n")
    signed = repository.folder / "signed"
    signed.write_text(f"{header}\ngpgsig -----BEGIN PGP SIGNATURE-----\n\n{message}\n")
    commit = run("hash-object", "-t", "commit", "-w", str(signed))
    run("config", "log.showSignature", "true")
    program = repository.folder / "gpg"
    program.write_text("#!/bin/sh\necho 'gpg: no such key' >&2\nexit 1\n")
    program.chmod(0o700)
    run("config", "gpg.program", str(program))
    assert run("show", "--no-patch", "--format=%an", commit) != run("log", "-1", "--format=%an")
    copy = commit_files(repository.folder, tree_of(repository.folder, commit), commit)
    assert run("cat-file", "commit", copy) == f"{header}\n\n{message}"


def test_what_repro_measures_with_a_clock_is_no_change(repository):
    (repository.folder / "metrics/latency.json").write_text('{"p50_ms": 1}')
    repository.edit("dvc.lock", ("md5: 22", "md5: 23"), ("size: 3", "size: 13"))
    check_ready(find_pipeline(repository.folder))
    repository.edit("dvc.lock", ("md5: 11", "md5: 12"))
    assert "dvc.lock" in refusal(repository.folder)


def test_a_changed_file_is_named_with_the_remedy(repository):
    repository.edit("params.yaml", ("stride: 1", "stride: 2"))
    message = refusal(repository.folder)
    assert "params.yaml" in message
    assert "git commit" in message


def test_a_shallow_clone_is_refused_with_the_remedy(repository, tmp_path):
    repository.commit("second")
    subprocess.run(
        [
            "git",
            "clone",
            "--quiet",
            "--depth",
            "1",
            f"file://{repository.folder}",
            str(tmp_path / "shallow"),
        ],
        check=True,
    )
    assert "git fetch --unshallow" in refusal(tmp_path / "shallow")


def test_a_repository_without_a_commit_is_refused_with_the_remedy(repository):
    repository.run("rm", "-rf", ".git")
    repository.run("git", "init", "--quiet")
    assert "git commit" in refusal(repository.folder)


def test_a_folder_outside_git_ends_the_command_with_code_20_and_one_line(
    repository, capsys, monkeypatch
):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.folder.parent))
    repository.run("rm", "-rf", ".git")
    assert main(["compare", str(repository.folder)]) == 20
    error = capsys.readouterr().err
    assert error.startswith("20 experiments: ")
    assert error.count("\n") == 1


def test_an_unknown_run_is_refused_with_the_known_names(repository, capsys):
    assert main(["compare", str(repository.folder), "--redo", "rnn-univariate-s42"]) == 2
    assert "gru-multivariate-s2026" in capsys.readouterr().err


def test_a_running_comparison_is_named_with_the_way_to_end_it(repository, capsys):
    lock = repository.folder / ".cache/compare/lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["compare", str(repository.folder)]) == 20
    assert "wait for it, or end it with `kill 4711` and compare again" in capsys.readouterr().err
    assert lock.read_text() == "4711"


def test_the_plan_names_every_run_and_runs_nothing(repository, capsys):
    assert main(["compare", str(repository.folder), "--plan"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("to run") == 12
    assert "attention_lstm-multivariate-s2026" in shown
    assert not (repository.folder / ".cache").exists()
