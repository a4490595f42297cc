"""Models of the task tabular in the registry: they have no dates to be scored at."""

import shutil
import subprocess

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.params import load_params
from spline_lstm.inference.row_cells import exported_file
from spline_lstm.inference.row_files import RowPredictor
from spline_lstm.store import retrain as retraining
from spline_lstm.store import train as training
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Registry


@pytest.fixture
def folder(rows_folder, tmp_path, monkeypatch):
    """A repository with a pipeline of rows after its stages."""
    shutil.copytree(rows_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "all"]):
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(training, "run_stages", lambda _: None)
    return tmp_path


def registry_of(folder):
    return Registry(Store.of(folder, load_params(folder).store).registry)


def test_a_training_registers_a_model_that_can_be_promoted(folder, capsys):
    assert main(["train", str(folder)]) == 0
    exported = exported_file(folder / "models/edge")
    run_id = RowPredictor.of_file(exported, folder / "models/preprocessor.json").run_id
    assert run_id in capsys.readouterr().out
    assert main(["registry", "promote", run_id, str(folder)]) == 0
    promoted = registry_of(folder).promoted("tabular")
    assert promoted is not None
    kept = registry_of(folder).folder(promoted)
    assert (kept / "models/edge/model.onnx").read_bytes() == exported.read_bytes()


def test_a_damaged_model_is_a_failed_training(folder):
    path = exported_file(folder / "models/edge")
    path.write_bytes(path.read_bytes()[:-7])
    assert main(["train", str(folder)]) == 21
    (row,) = registry_of(folder).models()
    assert row.status == "failed"


@pytest.mark.parametrize("words", [["retrain"], ["score", "--asof", "2024-01-01"]])
def test_what_needs_dates_is_refused_before_anything_is_run(folder, capsys, monkeypatch, words):
    monkeypatch.setattr(retraining, "train", lambda _: pytest.fail("it was trained"))
    assert main([*words, str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"2 usage: {words[0]} needs dates, and the rows of the task tabular")
