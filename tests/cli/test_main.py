import json
import shutil
import subprocess
import sys

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import DataContractError
from spline_lstm.scaffold.dvc_text import render_dvc
from stages import ingest
from tests.builders import ROOT


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    return tmp_path


def edit(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(*arguments: str, cwd=ROOT) -> subprocess.CompletedProcess:
    """The command as users run it."""
    command = [sys.executable, "-W", "error", "-m", "spline_lstm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_check_names_the_files_and_the_targets(folder, capsys):
    assert main(["check", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "params.yaml" in captured.out
    assert "glucose" in captured.out


def test_check_takes_the_current_folder_by_default(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["check"]) == 0
    assert "valid" in capsys.readouterr().out


def test_check_changes_nothing(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    main(["check", str(folder)])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_check_says_that_the_folder_was_renamed(folder, capsys):
    pattern = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    mine = folder / "pipelines/mine"
    shutil.copytree(ROOT / "configs", mine / "configs")
    shutil.copy(ROOT / "params.yaml", mine)
    (mine / "dvc.yaml").write_text(render_dvc(pattern, "mine", source_file=False))
    assert main(["check", str(mine)]) == 0
    mine.rename(folder / "pipelines/renamed")
    assert main(["check", str(folder / "pipelines/renamed")]) == 15
    (line,) = capsys.readouterr().err.splitlines()
    assert "renamed/dvc.yaml runs the stages of pipelines/mine, as after this folder was" in line


def test_the_shipped_pipeline_passes_as_a_process():
    done = run("check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_key_ends_the_process_with_code_10_and_one_line(folder):
    edit(folder / "params.yaml", "  max_gap: 6", "  maxgap: 6")
    done = run("check", str(folder))
    assert done.returncode == 10
    assert done.stdout == ""
    assert done.stderr.startswith("10 params: ")
    assert done.stderr.count("\n") == 1
    assert "preprocess.maxgap" in done.stderr


def test_a_wrong_schema_ends_with_code_11_and_one_line(folder, capsys):
    path = folder / "configs/covariates/glucose.json"
    path.write_text(
        json.dumps({"version": 1, "timestamp_col": "t", "target_cols": []}), encoding="utf-8"
    )
    assert main(["check", str(folder)]) == 11
    error = capsys.readouterr().err
    assert error.startswith("11 schema: ")
    assert error.count("\n") == 1


def test_a_schema_file_that_is_not_there_ends_with_code_11(folder, capsys):
    (folder / "configs/covariates/glucose.json").unlink()
    assert main(["check", str(folder)]) == 11
    assert "data.schema_file" in capsys.readouterr().err


def test_a_source_that_is_not_there_ends_with_code_12_as_in_ingest(folder, capsys):
    edit(folder / "params.yaml", "source: bokeh_sampledata/CGM", "source: data/source/mine.csv")
    assert main(["check", str(folder)]) == 12
    told = capsys.readouterr().err
    assert f"{folder / 'data/source/mine.csv'}: no such file" in told
    with pytest.raises(DataContractError) as caught:
        ingest.main(folder)
    assert told == f"12 data contract: {caught.value}\n"
    (folder / "data/source").mkdir(parents=True)
    (folder / "data/source/mine.csv").write_text("time,glucose\n2024-01-01,1\n")
    assert main(["check", str(folder)]) == 0


@pytest.mark.parametrize("place", ["nowhere", "params.yaml"])
def test_a_place_that_is_no_folder_ends_with_code_10(folder, capsys, place):
    assert main(["check", str(folder / place)]) == 10
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["no-such-command"], ["check", "a", "b"], ["check", "--fast"]]
)
def test_a_wrong_command_line_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "check" in shown
    assert "init" in shown


def test_a_reader_that_has_had_enough_ends_a_command_without_a_word():
    command = [sys.executable, "-m", "spline_lstm", "check"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_serving_without_its_packages_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["serve", "."]) == 22
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("22 missing package: this needs FastAPI and uvicorn")
