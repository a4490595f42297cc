"""Experiments run by hand, in the root and in a pipeline folder: shown and promoted."""

import json
import sys

import pytest

from spline_lstm.core.params import load_params
from spline_lstm.core.params_file import experiment_command, params_text
from spline_lstm.scaffold.dvc_text import render_dvc
from tests.builders import ROOT
from tests.experiments import stand_in
from tests.experiments.test_driver import repository

pytestmark = pytest.mark.slow

STILL = "  # backtest: still from the previous params"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The stand-in's pipeline at the root and in pipelines/shop; pipelines/later was never run."""
    clone = repository(tmp_path_factory.mktemp("by-hand"))
    params = load_params(clone.folder)
    for name in ("shop", "later"):
        folder = clone.folder / "pipelines" / name
        folder.mkdir(parents=True)
        (folder / "params.yaml").write_text(params_text(params, name), encoding="utf-8")
        (folder / "dvc.yaml").write_text(
            render_dvc(stand_in.PIPELINE, name, source_file=False), encoding="utf-8"
        )
        (folder / ".gitignore").write_text("/data/\n")
    clone.run("dvc", "repro", "--quiet", "dvc.yaml", "pipelines/shop/dvc.yaml")
    clone.commit("run")
    return clone


def promote(clone, *arguments) -> str:
    """What the command prints; the workspace is that of the commit again afterwards."""
    done = clone.run(
        sys.executable, "-m", "spline_lstm", "promote", *arguments, PYTHONPATH=str(ROOT)
    )
    _, *folder = arguments
    path = "/".join([*folder, "params.yaml"])
    before, after = clone.run("git", "show", f"HEAD:{path}").stdout, (clone.folder / path)
    # DVC would leave out null, and write lists over several lines.
    assert ": null\n" in before
    assert ": [64, 32]" in before
    assert after.read_text("utf-8") == before.replace("type: lstm", "type: gru")
    stale = clone.run("dvc", "status", "--json").stdout
    clone.run("git", "restore", "--source=HEAD", "--worktree", "--", ".")
    clone.run("dvc", "checkout", "--quiet", "dvc.yaml", "pipelines/shop/dvc.yaml")
    assert ("backtest" in stale_stages(stale)) == (STILL in done.stdout)
    return done.stdout


def stale_stages(status: str) -> set[str]:
    """Names of the stages of the pipelines that were run and are not up to date now."""
    return {
        stage.split(":")[-1]
        for stage in json.loads(status)
        if not stage.startswith("pipelines/later")
    }


def test_an_experiment_that_ran_the_backtest_needs_no_further_one(clone):
    clone.run("dvc", "exp", "run", "--temp", "--quiet", "--name", "whole", "-S", "model.type=gru")
    clone.run(
        "dvc", "exp", "run", "--temp", "--quiet", "--name", "part", "-S", "model.type=gru", "report"
    )
    assert STILL not in promote(clone, "whole")
    assert f"dvc repro dvc.yaml{STILL}" in promote(clone, "part")


def test_the_command_for_a_folder_changes_this_folder_alone_and_is_promoted_there(clone):
    *command, setting = experiment_command("shop", "model.type=gru").split()
    clone.run(*command, setting, "--temp", "--quiet", "--name", "shop-gru")
    reference = clone.run(
        "git", "for-each-ref", "--format=%(objectname)", "refs/exps/**/shop-gru"
    ).stdout.strip()
    changed = clone.run("git", "diff", "--name-only", "HEAD", reference).stdout.split()
    assert "pipelines/shop/params.yaml" in changed
    assert all(path.startswith("pipelines/shop/") for path in changed)
    refused = clone.run("dvc", "exp", "apply", "shop-gru", check=False)
    assert refused.returncode
    assert "pipelines/later" in refused.stderr
    clone.run("git", "restore", "--source=HEAD", "--worktree", "--staged", "--", ".")
    told = promote(clone, "shop-gru", "pipelines/shop")
    assert "pipelines/shop/dvc.yaml names it as the artifact forecaster" in told
    assert STILL not in told
