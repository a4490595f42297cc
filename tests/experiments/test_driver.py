"""The driver in a repository whose stages take a moment: killed, failing, resumed, promoted."""

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from ruamel.yaml import YAML

from spline_lstm.__main__ import main
from spline_lstm.core.params import parse_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments import driver
from spline_lstm.experiments.attempts import Attempt, Engine
from spline_lstm.experiments.clone import Clone as PrivateClone
from spline_lstm.experiments.costs import Cost
from spline_lstm.experiments.git import experiments, find_pipeline
from spline_lstm.experiments.processes import marked
from spline_lstm.experiments.promote import with_artifact
from spline_lstm.experiments.results import COLUMNS, LATENCY
from spline_lstm.experiments.runs import Run
from tests.builders import ROOT
from tests.experiments import stand_in
from tests.pipeline.conftest import Clone, clone_environment

pytestmark = pytest.mark.slow

LSTM, GRU = "lstm-univariate-s42", "gru-univariate-s42"
COMPARE = (sys.executable, "-m", "spline_lstm", "compare")
MATRIX = (
    ("models: [lstm, gru, attention_lstm]", "models: [lstm, gru]"),
    ("modes: [univariate, multivariate]", "modes: [univariate]"),
    ("seeds: [42, 2026]", "seeds: [42]"),
)


def repository(folder) -> Clone:
    """A DVC repository with the stand-in's pipeline, one commit, nothing run."""
    clone = Clone(folder)
    (folder / "configs/covariates").mkdir(parents=True)
    for name in ("params.yaml", "configs/covariates/glucose.json"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "stages").mkdir()
    (folder / "stages/stand_in.py").write_bytes(
        (ROOT / "tests/experiments/stand_in.py").read_bytes()
    )
    (folder / "dvc.yaml").write_text(stand_in.PIPELINE)
    (folder / ".gitignore").write_text("/data/\n/.cache/\n")
    (folder / ".dvcignore").write_text(".cache/\n")
    clone.edit("params.yaml", *MATRIX)
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    clone.run("dvc", "init", "--quiet")
    clone.commit("start")
    return clone


def compare(clone, *arguments, check=True, **environment):
    """The command of this working tree in the other repository."""
    return clone.run(*COMPARE, *arguments, check=check, PYTHONPATH=str(ROOT), **environment)


@dataclass(frozen=True)
class Ended:
    """How a command ended in the process of the test."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command on a repository in this process: one of its own would mostly import.

    Where experiments run, `compare` above is a process of its own.
    """
    for name in os.environ.keys() - clone_environment().keys():
        monkeypatch.delenv(name)
    for name, value in clone_environment().items():
        monkeypatch.setenv(name, value)

    def run(clone, name, *arguments):
        monkeypatch.chdir(clone.folder)
        capsys.readouterr()
        return Ended(main([name, *arguments]), *capsys.readouterr())

    return run


def state(clone):
    """Branch, commit, changes and stashes."""
    commands = (
        ("symbolic-ref", "HEAD"),
        ("rev-parse", "HEAD"),
        ("status", "--porcelain"),
        ("stash", "list"),
    )
    return [clone.run("git", *command).stdout for command in commands]


def signal_in_the_middle(clone, number) -> str:
    """Start a comparison, send only its process a signal while both runs are in a stage.

    Its output is returned.
    """
    environment = clone_environment() | {"PYTHONPATH": str(ROOT), "STAND_IN_SECONDS": "600"}
    process = subprocess.Popen(
        COMPARE, cwd=clone.folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 300
    while len(running(clone, "stages/stand_in.py")) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(number)
    return process.communicate()[1]


def running(clone, script) -> list[int]:
    """Processes of a script in clones of this repository."""
    found = []
    for process in marked(clone.folder / ".cache/compare"):
        # DVC starts others that end at once: they may be gone by now.
        with contextlib.suppress(psutil.NoSuchProcess):
            # Not the shell that has it within a word.
            if any(word == script or word.endswith(f"/{script}") for word in process.cmdline()):
                found.append(process.pid)
    return found


def wait_for_the_end_of_the_fork_server(clone):
    """It ends by itself with the driver, if none of its children is left."""
    until = time.monotonic() + 120
    while servers := running(clone, "fork_server.py"):
        assert time.monotonic() < until, servers
        time.sleep(0.1)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """What happened, by name, in order; `clone` is the repository at its end."""
    clone = repository(tmp_path_factory.mktemp("compared"))
    pipeline, before = find_pipeline(clone.folder), state(clone)
    commit, told = before[1].strip(), {"before": before}
    told["interrupted"] = signal_in_the_middle(clone, signal.SIGINT)
    told["after the interrupt"] = (state(clone), experiments(pipeline, commit), leftovers(clone))
    signal_in_the_middle(clone, signal.SIGKILL)
    told["after the kill"] = (state(clone), experiments(pipeline, commit))
    wait_for_the_end_of_the_fork_server(clone)
    told["left by the kill"] = leftovers(clone)
    told["failing"] = compare(clone, check=False, STAND_IN_FAILS="gru")
    told["left by the next call"] = leftovers(clone)
    told["after the failure"] = set(experiments(pipeline, commit))
    told["table without gru"] = rows(clone)
    told["mended"] = compare(clone)
    told["after it was mended"] = set(experiments(pipeline, commit))
    return {"clone": clone, "commit": commit, **told}


def leftovers(clone) -> tuple[int, int]:
    """How many processes of experiments run, and how many clones lie there."""
    folder = clone.folder / ".cache/compare"
    return len(marked(folder)), len(list(folder.glob("clone-*")))


def rows(clone):
    with (clone.folder / "metrics/comparison.csv").open() as file:
        return list(csv.DictReader(file))


def leaves(content) -> set[str]:
    """Every number and text inside nested JSON, as text."""
    if isinstance(content, dict | list):
        values = content.values() if isinstance(content, dict) else content
        return set().union(*map(leaves, values))
    return {str(content)}


def test_a_kill_touches_neither_branch_nor_workspace(story):
    assert story["after the kill"] == (story["before"], {})


def test_ctrl_c_leaves_branch_workspace_and_no_process(story):
    assert story["after the interrupt"] == (story["before"], {}, (0, 0))
    assert (
        story["interrupted"]
        .splitlines()[-1]
        .startswith("20 experiments: interrupted; branch and workspace are unchanged")
    )
    assert " failed: " not in story["interrupted"]


def test_the_next_call_ends_what_a_kill_of_the_driver_alone_left_running(story):
    processes, clones = story["left by the kill"]
    assert processes >= 4
    assert clones == 2
    assert story["left by the next call"] == (0, 0)
    assert (
        f"ended {processes} processes that a killed comparison had left" in story["failing"].stderr
    )


def test_runs_go_side_by_side(story):
    """Both have started before one is done: no time is known yet."""
    for number in (1, 2):
        found = re.search(rf"^{number} of 2: (.*)$", story["failing"].stderr, re.MULTILINE)
        assert found is not None
        assert "time left unknown until one is done" in found[1]


def test_progress_says_what_is_left_once_a_run_is_done(story):
    # The first run of the next call is expected to take what those before took.
    assert re.search(r"^2 of 2: .* about \d+:\d\d left", story["mended"].stderr, re.MULTILINE)


def test_experiments_run_as_tasks_of_ray(tmp_path):
    pytest.importorskip("ray", reason="Ray is the extra `cluster`")
    clone = repository(tmp_path)
    clone.edit("params.yaml", ("executor: local", "executor: ray"))
    clone.commit("on a cluster")
    done = compare(clone)
    assert done.stdout.startswith("2 experiments run")
    assert [row["model_type"] for row in rows(clone)] == ["lstm", "gru", "naive"]
    assert leftovers(clone) == (0, 0)


def test_a_run_is_redone_on_request_alone(story):
    clone, commit = story["clone"], story["commit"]
    before = experiments(find_pipeline(clone.folder), commit)
    done = compare(clone, "--redo", GRU)
    after = experiments(find_pipeline(clone.folder), commit)
    assert done.stdout.startswith("1 experiments run")
    assert re.findall(r"^\d of 2: (\S+)", done.stderr, re.MULTILINE) == [GRU]
    assert after[LSTM] == before[LSTM]
    assert after[GRU] != before[GRU]


def test_a_lost_experiment_is_tried_once_more(tmp_path, monkeypatch):
    calls = []

    def lost(times):
        """An experiment that DVC ends with 0 and without saving it, so many times."""
        calls.clear()
        monkeypatch.setattr(driver, "fetch_experiment", lambda *arguments: len(calls) > times)
        clone, pipeline = PrivateClone(tmp_path, "0" * 40), TrackedPipeline(tmp_path, tmp_path)
        runner = Engine(lambda job: calls.append(job) or Attempt(0, (), Cost(1.0)), calls.clear)
        one = driver.Driver(pipeline, "0" * 40, [clone], runner, 1)
        return one.run_one(clone, Run("gru", "univariate", 42))[0]

    assert (lost(0), len(calls)) == ("", 1)
    assert (lost(1), len(calls)) == ("", 2)
    assert lost(2).startswith("dvc exp run ended with 0, but saved no experiment")
    assert len(calls) == 2


def test_nothing_starts_after_an_interrupt(tmp_path, monkeypatch):
    """Another run waits while one is fetched, and Ctrl-C comes: nobody would end what it starts."""
    tried, (both, fetching, stopped) = [], (threading.Event() for _ in range(3))

    def attempt(job):
        tried.append(job.run.seed)
        if len(tried) == 2:
            both.set()
        (both if job.run.seed == 1 else fetching).wait(60)
        return Attempt(0 if job.run.seed == 1 else 1, (driver.STAGE_FAILED,), Cost(1.0))

    def fetch(*arguments):
        fetching.set()
        # For the second run to fail, and the third to come as far as it can.
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return stopped.wait(60)

    monkeypatch.setattr(driver, "fetch_experiment", fetch)
    pipeline = TrackedPipeline(tmp_path, tmp_path)
    clones = [PrivateClone(tmp_path / name, "0" * 40) for name in "ab"]
    one = driver.Driver(pipeline, "0" * 40, clones, Engine(attempt, stopped.set), 3)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            one.run([Run("gru", "univariate", seed) for seed in (1, 2, 3)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(tried) == [1, 2]


def test_a_failing_run_is_named_and_the_others_run_all_the_same(story):
    failed = story["failing"]
    assert failed.returncode == 20
    assert failed.stderr.splitlines()[-1].startswith(
        "20 experiments: 1 of 2 runs failed: gru-univariate-s42: 16 training"
    )
    assert story["after the failure"] == {LSTM}
    assert [row["model_type"] for row in story["table without gru"]] == ["lstm", "naive"]


def test_the_next_call_runs_what_is_missing_alone(story):
    assert story["mended"].stdout.startswith("1 experiments run")
    assert LSTM not in story["mended"].stderr
    assert story["after it was mended"] == {LSTM, GRU}


def test_a_comparison_leaves_its_files_and_nothing_else(story):
    clone = story["clone"]
    assert state(clone)[:2] == story["before"][:2]
    assert list((clone.folder / ".cache/compare").glob("clone-*")) == []
    files = {
        path.relative_to(clone.folder).as_posix()
        for path in clone.folder.glob("*/*")
        if path.suffix != ".json"
    }
    assert {path for path in files if path.startswith(("metrics", "plots"))} == {
        "metrics/comparison.csv",
        "plots/comparison.html",
        "plots/comparison.md",
        "plots/comparison.png",
    }


def test_a_second_call_does_nothing_and_says_so(story, command):
    clone = story["clone"]
    before = {path: path.stat().st_mtime_ns for path in clone.folder.glob("*/comparison.*")}
    assert command(clone, "compare").stdout.startswith("nothing to run: all 2 experiments")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def check(clone, command) -> tuple[int, str]:
    """Exit status and words of `compare --check`."""
    done = command(clone, "compare", "--check")
    return done.returncode, done.stdout + done.stderr


def test_files_that_somebody_changed_are_named_and_written_again(story, command):
    clone = story["clone"]
    files = [clone.folder / path for path in ("metrics/comparison.csv", "plots/comparison.md")]
    before = [file.read_bytes() for file in files]
    for file, content in zip(files, before, strict=True):
        file.write_text("garbage\n")
        status, told = check(clone, command)
        assert (status, told.count(f"{file} is not what the comparison wrote")) == (15, 1)
        file.write_bytes(content)
    for broken in ([*files], [clone.folder / "metrics/comparison.json"]):
        for file in broken:
            file.write_text("garbage\n")
        assert "comparison.csv was written again" in command(clone, "compare").stdout
        assert [file.read_bytes() for file in files] == before
        assert check(clone, command)[0] == 0


def test_the_check_passes_on_equal_code_and_params_and_fails_on_others(story, command):
    clone = story["clone"]
    assert check(clone, command)[1].startswith(
        "metrics/comparison.csv is from this code and these params"
    )
    edits = {
        "params.yaml": ("max_epochs: 6", "max_epochs: 7"),
        "stages/stand_in.py": ("15.5", "15.6"),
    }
    for path, edit in edits.items():
        text = (clone.folder / path).read_text()
        clone.edit(path, edit)
        status, told = check(clone, command)
        (clone.folder / path).write_text(text)
        assert (status, told.count("is from code and params")) == (15, 1)
    clone.edit("params.yaml", ("random trials", "drawn trials"))
    assert check(clone, command)[0] == 0
    clone.edit("params.yaml", ("drawn trials", "random trials"))


def test_an_experiment_of_other_params_does_not_count_as_done(story, command):
    clone, commit = story["clone"], story["commit"]
    reference = f"refs/exps/{commit[:2]}/{commit[2:]}/{GRU}"
    (own,) = clone.run("git", "for-each-ref", "--format=%(objectname)", reference).stdout.split()
    clone.run("git", "worktree", "add", "--quiet", "--detach", ".cache/other", own)
    other = Clone(clone.folder / ".cache/other")
    other.edit("params.yaml", ("max_epochs: 6", "max_epochs: 1"))
    other.commit("run by hand")
    clone.run("git", "update-ref", reference, other.run("git", "rev-parse", "HEAD").stdout.strip())
    refused = [
        command(clone, "compare"),
        command(clone, "compare", "--plan"),
        command(clone, "promote", GRU),
    ]
    clone.run("git", "update-ref", reference, own)
    clone.run("git", "worktree", "remove", "--force", ".cache/other")
    for done in refused:
        assert done.returncode == 20
        assert f"experiment {GRU} was run with train.max_epochs = 1, not 6" in done.stderr


def test_experiments_of_another_folder_or_under_a_wrong_name_are_not_promoted(story, command):
    clone, commit = story["clone"], story["commit"]
    folder = f"refs/exps/{commit[:2]}/{commit[2:]}"
    before = state(clone)
    told = {
        "stores-gru-univariate-s42": "pipelines/stores",
        "lstm-univariate-s7": "model.type = 'gru', not 'lstm'",
    }
    for name, reason in told.items():
        clone.run("git", "update-ref", f"{folder}/{name}", f"{folder}/{GRU}")
        refused = command(clone, "promote", name)
        clone.run("git", "update-ref", "-d", f"{folder}/{name}")
        assert refused.returncode == 20
        assert reason in refused.stderr
    assert state(clone) == before


def test_other_artifacts_stay_when_one_is_promoted():
    text = "artifacts:\n  scaler: # of the gateway\n    path: models/scaler.json\nstages: {}\n"
    params = parse_params((ROOT / "params.yaml").read_text(), "params.yaml")
    once = with_artifact(text, LSTM, params)
    assert once.startswith(text.removesuffix("stages: {}\n"))
    artifacts = YAML(typ="safe").load(with_artifact(once, GRU, params))["artifacts"]
    assert set(artifacts) == {"scaler", "forecaster"}
    assert artifacts["forecaster"]["desc"] == f"Promoted from the experiment {GRU}"
    empty = with_artifact("artifacts:\nstages: {}\n", LSTM, params)
    assert set(YAML(typ="safe").load(empty)["artifacts"]) == {"forecaster"}


def test_every_cell_is_found_in_dvc_exp_show(story):
    shown = json.loads(story["clone"].run("dvc", "exp", "show", "--json").stdout)
    experiment = {
        revision["name"]: revision for item in shown[1]["experiments"] for revision in item["revs"]
    }
    table = rows(story["clone"])
    assert [row["notes"] for row in table] == [
        f"{LSTM}; lowest RMSE",
        f"{GRU}; edge winner; recommended",
        "baseline",
    ]
    for row in table:
        found = leaves(experiment.get(row["notes"].split(";")[0], experiment[LSTM])["data"]) | {""}
        for column in set(COLUMNS[:-2]) - set(LATENCY):
            assert row[column] in found | {"naive"}, (column, row)
        assert shown[1]["rev"].startswith(row["commit"])


def test_latency_is_measured_side_by_side_and_not_taken_from_the_runs(story):
    (book,) = (story["clone"].folder / ".cache/compare/latency").glob("*.json")
    measured = json.loads(book.read_text())
    for row, name in zip(rows(story["clone"]), (LSTM, GRU), strict=False):
        for column, key in (("p50(ms)", "p50_ms"), ("p95(ms)", "p95_ms")):
            rounds = measured["latency"][name][key]
            assert len(rounds) == measured["rounds"]
            assert float(row[column]) == pytest.approx(np.median(rounds), rel=1e-5)
            # The stand-in says a million seconds.
            assert max(rounds) < 1e6


def test_promotion_applies_the_experiment_and_names_the_model(story, command):
    clone = story["clone"]
    clone.commit("comparison")
    done = command(clone, "promote", GRU)
    # Experiments leave the backtest out: it would stand beside a model that it does not know.
    assert (
        "dvc repro dvc.yaml  # report, backtest: still from the previous params\n  git add"
        in done.stdout
    )
    assert "git commit" in done.stdout
    entry = YAML(typ="safe").load((clone.folder / "dvc.yaml").read_text())["artifacts"][
        "forecaster"
    ]
    assert (entry["path"], entry["labels"]) == (
        "models/edge/model.onnx",
        ["gru", "univariate", "onnx"],
    )
    assert (
        YAML(typ="safe").load((clone.folder / "params.yaml").read_text())["model"]["type"] == "gru"
    )
    assert json.loads((clone.folder / "metrics/train.json").read_text())["model_type"] == "gru"
    assert (clone.folder / "data/predictions.parquet").is_file()
    assert "up to date" in clone.run("dvc", "status", "evaluate").stdout
    # What was promoted is no commit yet: nothing is promoted over it.
    refused = command(clone, "promote", LSTM)
    assert refused.returncode == 20
    assert "params.yaml" in refused.stderr
