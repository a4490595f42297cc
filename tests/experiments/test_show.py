"""The table of experiments, of real experiments of two tiny pipelines in one repository."""

import csv
import io
import shutil

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.ledger import read_failures
from spline_lstm.experiments.show import Row, as_csv, as_text
from tests.builders import ROOT
from tests.pipeline.conftest import Clone

# RMSE is 10 + seed, so that a reader knows the order.
STAGE = """
import json, pathlib, sys
from ruamel.yaml import YAML
folder = pathlib.Path(sys.argv[1])
seed = YAML(typ="safe").load(folder / "params.yaml")["train"]["seed"]
(folder / "metrics").mkdir(exist_ok=True)
scores = {"rmse": 10.0 + seed, "mase": 0.123456, "skill": None}
latency = {"onnx": {"p95_ms": 0.05, "size_mb": 0.188163}}
(folder / "metrics/evaluate.json").write_text(json.dumps(scores))
(folder / "metrics/latency.json").write_text(json.dumps(latency))
"""
# A stage as ours are; with the seed 13 it fails after it has written its curve.
FAILING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from spline_lstm.core.errors import DivergedError
from spline_lstm.core.stage import run_stage
import pathlib
def main(folder):
    (folder / "plots").mkdir(exist_ok=True)
    (folder / "plots/training.csv").write_text("step,train_loss\\n10,0.5\\n20,nan\\n")
    if "seed: 13" in (folder / "params.yaml").read_text():
        raise DivergedError("the loss is nan after step 20; lower train.lr")
    return "trained"
run_stage("train-flax-rnn", main, keep=("plots/training.csv",))
"""
PIPELINE = """stages:
  train-flax-rnn:
    wdir: WDIR
    cmd: python failing.py FOLDER
    deps: [failing.py]
    params:
      - FOLDER/params.yaml: [train.seed]
    plots:
      - FOLDER/plots/training.csv: {cache: false}
  evaluate:
    wdir: WDIR
    cmd: python stage.py FOLDER
    deps: [stage.py]
    params:
      - FOLDER/params.yaml: [train.seed, model.hidden]
    metrics:
      - FOLDER/metrics/evaluate.json: {cache: false}
      - FOLDER/metrics/latency.json: {cache: false}
"""


def write_pipeline(folder, name: str, wdir: str) -> None:
    text = PIPELINE.replace("WDIR", wdir)
    text = text.replace("FOLDER/", "").replace("FOLDER", ".") if name == "." else text
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "dvc.yaml").write_text(text.replace("FOLDER", name))
    shutil.copy(ROOT / "params.yaml", folder / name)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Two commits; the first has experiments of both pipelines, the second has none."""
    clone = Clone(tmp_path_factory.mktemp("show") / "repository")
    clone.folder.mkdir()
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    clone.run("dvc", "init", "--quiet")
    (clone.folder / "stage.py").write_text(STAGE)
    (clone.folder / "failing.py").write_text(FAILING)
    (clone.folder / ".gitignore").write_text(".cache/\n")
    write_pipeline(clone.folder, ".", ".")
    write_pipeline(clone.folder, "pipelines/other", "../..")
    clone.run("dvc", "repro", "--all-pipelines")
    clone.commit("one")
    run = ("dvc", "exp", "run", "--temp", "--name")
    clone.run(*run, "late", "-S", "train.seed=9")
    clone.run(*run, "early", "-S", "train.seed=0", "-S", "model.hidden=[4,2]")
    other = "pipelines/other"
    clone.run(*run, "elsewhere", f"{other}/dvc.yaml", "-S", f"{other}/params.yaml:train.seed=5")
    (clone.folder / "note.txt").write_text("x")
    clone.commit("two")
    return clone


def shown(capsys, *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.slow
def test_the_experiments_of_the_newest_commit_that_has_any_are_shown_by_rmse(repository, capsys):
    title, head, *lines = shown(capsys, str(repository.folder)).splitlines()
    commit = repository.run("git", "rev-parse", "HEAD~1").stdout
    assert commit[:10] in title
    assert head.split() == (
        ["experiment", "RMSE", "MASE", "skill", "p95", "(ms)", "size", "(MB)", "changed", "params"]
    )
    rows = [line.split() for line in lines]
    assert rows == [
        [
            "early",
            "10.00",
            "0.1235",
            "-",
            "0.05000",
            "0.1882",
            "model.hidden=[4,2]",
            "train.seed=0",
        ],
        ["late", "19.00", "0.1235", "-", "0.05000", "0.1882", "train.seed=9"],
        ["(the", "commit)", "52.00", "0.1235", "-", "0.05000", "0.1882", "-"],
    ]


@pytest.mark.slow
def test_each_pipeline_shows_its_own_experiments(repository, capsys):
    text = shown(capsys, str(repository.folder / "pipelines/other"))
    assert "elsewhere" in text
    assert "train.seed=5" in text
    assert "late" not in text


@pytest.mark.slow
def test_csv_has_all_digits_and_all_adds_the_other_commits(repository, capsys):
    clone = Clone(repository.folder)
    clone.run("dvc", "exp", "run", "--temp", "--name", "newer", "-S", "train.seed=1")
    try:
        newest = list(csv.DictReader(io.StringIO(shown(capsys, str(clone.folder), "--csv"))))
        every = list(
            csv.DictReader(io.StringIO(shown(capsys, str(clone.folder), "--csv", "--all")))
        )
    finally:
        clone.run("dvc", "exp", "remove", "newer")
    assert [row["experiment"] for row in newest] == ["newer", ""]
    assert [row["experiment"] for row in every] == ["newer", "", "early", "late", ""]
    assert every[2]["size (MB)"] == "0.188163"
    assert every[2]["skill"] == ""
    assert len({row["commit"] for row in every}) == 2


@pytest.mark.slow
def test_an_experiment_that_failed_keeps_reason_curve_and_params(repository, capsys):
    clone = Clone(repository.folder)
    other = "pipelines/other"
    for arguments in (
        ("-S", "train.seed=13", "dvc.yaml"),
        (f"{other}/dvc.yaml", "-S", f"{other}/params.yaml:train.seed=13"),
    ):
        name = "unlucky-elsewhere" if other in arguments[0] else "unlucky"
        failed = clone.run("dvc", "exp", "run", "--temp", "--name", name, *arguments, check=False)
        assert failed.returncode != 0
    head = clone.run("git", "rev-parse", "HEAD").stdout.strip()
    for folder, name in ((clone.folder, "unlucky"), (clone.folder / other, "unlucky-elsewhere")):
        first, *lines = shown(capsys, str(folder), "--failed").splitlines()
        assert first.endswith(f"{name}, stage train-flax-rnn: 16 training diverged")
        assert lines == [
            "  the loss is nan after step 20; lower train.lr",
            "  params other than now: train.seed=13",
            "  last evaluation: step=20 train_loss=nan",
        ]
        (row,) = csv.DictReader(io.StringIO(shown(capsys, str(folder), "--failed", "--csv")))
        assert (row["experiment"], row["code"]) == (name, "16")
        (entry,) = read_failures(folder)
        assert entry.commit == head


def test_a_folder_where_nothing_failed_says_so(tmp_path, capsys):
    clone = Clone(tmp_path)
    write_pipeline(tmp_path, ".", ".")
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    assert shown(capsys, str(tmp_path), "--failed") == (
        ".cache/failed: no stage of this pipeline has failed\n"
    )
    assert shown(capsys, str(tmp_path), "--failed", "--csv").count("\n") == 1


def test_a_folder_without_experiments_says_so_in_one_line(tmp_path, capsys):
    clone = Clone(tmp_path)
    write_pipeline(tmp_path, ".", ".")
    clone.run("git", "init", "--quiet", "--initial-branch", "main")
    clone.commit("start")
    text = shown(capsys, str(tmp_path))
    assert text.count("\n") == 1
    assert "no experiments of this pipeline yet" in text
    assert "`dvc exp run --temp --name NAME -S KEY=VALUE`" in text
    write_pipeline(tmp_path, "pipelines/shop", "../..")
    clone.commit("shop")
    text = shown(capsys, str(tmp_path / "pipelines/shop"))
    command = "pipelines/shop/dvc.yaml -S pipelines/shop/params.yaml:KEY=VALUE`"
    assert f"`dvc exp run --temp --name NAME {command}" in text


def test_a_folder_that_is_not_a_pipeline_ends_with_2(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_experiments_csv_is_only_the_header(tmp_path, capsys):
    clone = Clone(tmp_path)
    clone.run("git", "init", "-q")
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    assert shown(capsys, str(tmp_path), "--csv").splitlines() == [as_csv([])]
    assert "no experiments" in shown(capsys, str(tmp_path))


def test_the_columns_of_the_table_line_up_and_csv_quotes_what_it_must():
    metrics = dict.fromkeys(("RMSE", "MASE", "skill", "p95 (ms)", "size (MB)"), 1.5)
    rows = [
        Row("c" * 40, "a", {"model.hidden": [4, 2], "data.source": "x,y"}, metrics),
        Row("c" * 40, "much-longer", {}, metrics | {"RMSE": None}),
    ]
    title, *lines = as_text(rows).splitlines()
    assert title == "Experiments of commit cccccccccc, lowest error first"
    assert len({line.index("  ", line.rindex("1.500")) for line in lines[1:]}) == 1
    table = list(csv.reader(io.StringIO(as_csv(rows))))
    assert table[1][-1] == "model.hidden=[4,2] data.source=x,y"
    assert table[2] == ["c" * 40, "much-longer", "", "1.5", "1.5", "1.5", "1.5", ""]
