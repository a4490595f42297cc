"""Two runs under DVC in a temporary clone: killed in the middle, gone on with, read, promoted."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ruamel.yaml import YAML

from spline_lstm.comparison.records import COLUMNS
from spline_lstm.comparison.repository import experiments, find_place
from tests.pipeline.conftest import Clone, clone_environment

pytestmark = pytest.mark.slow

FIRST, SECOND = "lstm-univariate-s42", "lstm-univariate-s7"
COMPARE = (sys.executable, "-m", "spline_lstm", "compare")


def state(clone):
    """Branch, commit, changes and stashes."""
    commands = (("symbolic-ref", "HEAD"), ("rev-parse", "HEAD"), ("status", "--porcelain"), ("stash", "list"))
    return [clone.run("git", *command).stdout for command in commands]


def killed_in_the_second_run(clone):
    """Start a comparison and kill it, with all its children, while its second experiment is under way."""
    process = subprocess.Popen(
        COMPARE, cwd=clone.folder, env=clone_environment(), start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("2 of 2"):
            break
    time.sleep(4.0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


@pytest.fixture(scope="module")
def compared(reproduced, tmp_path_factory):
    """A clone after a comparison of two runs, the first attempt of which was killed."""
    clone = Clone(tmp_path_factory.mktemp("compared") / "clone")
    shutil.copytree(reproduced.folder, clone.folder)
    clone.edit(
        "params.yaml",
        ("models: [lstm, gru, attention_lstm]", "models: [lstm]"),
        ("modes: [univariate, multivariate]", "modes: [univariate]"),
        ("seeds: [42, 2026]", "seeds: [42, 7]"),
    )
    clone.commit("matrix")
    before = state(clone)
    killed_in_the_second_run(clone)
    place, commit = find_place(clone.folder), before[1].strip()
    assert state(clone) == before
    assert set(experiments(place, commit)) == {FIRST}
    assert f"{SECOND:<34} to run" in clone.run(*COMPARE, "--plan").stdout
    done = clone.run(*COMPARE)
    assert "1 experiments run" in done.stdout
    assert state(clone)[:2] == before[:2]
    assert set(experiments(place, commit)) == {FIRST, SECOND}
    return clone


def rows(clone):
    with (clone.folder / "metrics/comparison.csv").open() as file:
        return list(csv.DictReader(file))


def leaves(content):
    """Every number and text inside nested JSON, as text."""
    if isinstance(content, dict):
        return set().union(*(leaves(value) for value in content.values()))
    if isinstance(content, list):
        return set().union(*(leaves(value) for value in content)) if content else set()
    return {str(content)}


def test_a_killed_comparison_leaves_nothing_behind(compared):
    assert list((compared.folder / ".cache/compare").glob("clone-*")) == []
    changed = {line[3:] for line in state(compared)[2].splitlines()}
    assert changed == {f"metrics/comparison.{kind}" for kind in ("csv", "json")} | {
        f"plots/comparison.{kind}" for kind in ("html", "md", "png")
    }


def test_a_second_call_does_nothing_and_says_so(compared):
    before = {path: path.stat().st_mtime_ns for path in compared.folder.glob("*/comparison.*")}
    assert compared.run(*COMPARE).stdout.startswith("nothing to run: all 2 experiments")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "is from this code" in compared.run(*COMPARE, "--check").stdout


def test_every_cell_is_found_in_dvc_exp_show(compared):
    baseline = json.loads(compared.run("dvc", "exp", "show", "--json").stdout)[1]
    shown = {revision["name"]: revision for item in baseline["experiments"] for revision in item["revs"]}
    table = rows(compared)
    assert [row["notes"].split(";")[0] for row in table][:2] == [FIRST, SECOND]
    assert {row["model_type"] for row in table[2:]} >= {"naive", "ridge"}
    for row in table:
        found = leaves(shown.get(row["notes"].split(";")[0], shown[FIRST])["data"]) | {baseline["rev"][:10]}
        for column in COLUMNS[:-1]:
            is_name = column == "model_type" and row["notes"] == "baseline"
            assert is_name or row[column] in found | {""}, (column, row)


def test_runs_share_what_does_not_depend_on_the_seed(compared):
    log = (compared.folder / f".cache/compare/logs/{SECOND}.log").read_text()
    assert "Running stage 'report'" in log
    assert "Running stage 'preprocess'" not in log
    assert "Running stage 'window'" not in log


def test_promotion_applies_the_experiment_and_names_the_model(compared):
    compared.commit("comparison")
    done = compared.run(sys.executable, "-m", "spline_lstm", "promote", SECOND)
    assert "git commit" in done.stdout
    content = YAML(typ="safe").load((compared.folder / "dvc.yaml").read_text())
    assert content["artifacts"]["forecaster"]["path"] == "models/edge/model.onnx"
    assert SECOND in content["artifacts"]["forecaster"]["desc"]
    assert YAML(typ="safe").load((compared.folder / "params.yaml").read_text())["train"]["seed"] == 7
    assert json.loads((compared.folder / "metrics/train.json").read_text())["seed"] == 7
    assert "up to date" in compared.run("dvc", "status", "dvc.yaml").stdout
    assert compared.run("git", "diff", "--stat", "--", "stages", "spline_lstm").stdout == ""
    # What was promoted is no commit yet: nothing may be run or promoted over it.
    refused = compared.run(sys.executable, "-m", "spline_lstm", "promote", FIRST, check=False)
    assert refused.returncode == 20
    compared.run("git", "restore", "--source=HEAD", "--worktree", "--", ".")
    compared.run("dvc", "checkout", "dvc.yaml")
    assert "up to date" in compared.run("dvc", "status", "dvc.yaml").stdout
