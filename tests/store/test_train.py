"""Trainings and retrainings with stages that a test plays."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.artifacts import write_json
from spline_lstm.core.errors import StoreError
from spline_lstm.core.params import Params, load_params, with_values
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.evaluation.blocks import block_length, draw_blocks
from spline_lstm.store import retrain as module
from spline_lstm.store import train as training
from spline_lstm.store.comparison import compare_errors
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Registry
from spline_lstm.store.train import reason_of, run_stages
from tests.builders import HOUR, HOURLY, START
from tests.store.examples import make_folder, make_model, write_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository whose stages write the files of the hand-made model, with run id `model`."""
    make_folder(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".gitignore").write_text("/store/\n/models/\n/data/\n/metrics/\n/trained/\n")
    for command in (["init", "-q"], ["add", "--all"], ["commit", "-qm", "all"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True)
    Store.of(tmp_path, load_params(tmp_path).store).registry.unlink()
    monkeypatch.setattr(training, "run_stages", play)
    return tmp_path


def play(pipeline):
    """The stages: they copy the raw table and write a model."""
    pipeline.raw_csv.parent.mkdir(parents=True, exist_ok=True)
    pipeline.raw_csv.write_bytes((pipeline.folder / "table.csv").read_bytes())
    write_files(pipeline.folder)
    write_json(pipeline.metrics("evaluate"), {"rmse": 2.5, "horizon": [1, 2]})
    write_json(pipeline.metrics("train"), {"run_id": "model"})


def registry_of(folder):
    return Registry(Store.of(folder, load_params(folder).store).registry)


def log_of(folder):
    return (folder / "store/retrain.log").read_text(encoding="utf-8").splitlines()


def test_a_training_registers_its_model_with_its_files(folder, capsys):
    assert main(["train", str(folder)]) == 0
    assert "model model is registered" in capsys.readouterr().out
    (model,) = registry_of(folder).models()
    assert (model.status, model.reason, len(model.git_commit)) == ("registered", "", 40)
    assert json.loads(model.metrics_json) == {"rmse": 2.5}
    assert json.loads(model.params_json) == load_params(folder).model_dump(mode="json")
    assert len(model.data_hash) == 64
    kept = registry_of(folder).folder(model)
    assert (kept / "models/edge/model.onnx").is_file()
    assert main(["train", str(folder)]) == 0
    assert "is in the registry already (registered)" in capsys.readouterr().out


def test_a_model_that_is_registered_keeps_its_files_and_train_names_those_that_differ(
    folder, capsys, monkeypatch
):
    main(["train", str(folder)])
    kept = (folder / "store/models/model/models/intervals.json").read_bytes()

    def other_intervals(pipeline):
        play(pipeline)
        text = pipeline.intervals.read_text().replace("80.0", "90.0")
        pipeline.intervals.write_text(text)

    monkeypatch.setattr(training, "run_stages", other_intervals)
    assert main(["train", str(folder)]) == 0
    assert "its stored files stay, though models/intervals.json differ" in capsys.readouterr().out
    assert (folder / "store/models/model/models/intervals.json").read_bytes() == kept


def test_changed_code_or_params_are_marked_beside_the_commit(folder):
    (folder / "schema.json").write_text((folder / "schema.json").read_text() + "\n")
    main(["train", str(folder)])
    (model,) = registry_of(folder).models()
    assert model.git_commit.endswith("+changes")


def test_a_registered_model_does_not_change_with_the_workspace(folder):
    main(["train", str(folder)])
    registry = registry_of(folder)
    (folder / "models/edge/model.onnx").write_bytes(b"another")
    registry.promote("model", "now")
    assert main(["score", str(folder), "--asof", "2020-01-02"]) == 0


def test_a_training_that_fails_has_a_row_with_the_reason(folder, capsys, monkeypatch):
    monkeypatch.setattr(training, "run_stages", lambda _: "12 data contract: table.csv: empty")
    assert main(["train", str(folder)]) == 21
    assert "12 data contract: table.csv: empty" in capsys.readouterr().err
    (model,) = registry_of(folder).models()
    assert (model.status, model.reason) == ("failed", "12 data contract: table.csv: empty")
    assert model.model_id.startswith("failed-")


def test_a_model_that_cannot_be_loaded_is_a_failed_training(folder, monkeypatch):
    def broken(pipeline):
        play(pipeline)
        (pipeline.exported / "model.onnx").unlink()

    monkeypatch.setattr(training, "run_stages", broken)
    assert main(["train", str(folder)]) == 21
    assert [model.status for model in registry_of(folder).models()] == ["failed"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["a", "16 training diverged: loss", "ERROR: failed to reproduce"],
            "16 training diverged: loss",
        ),
        (["Running", "ERROR: lock is held", ""], "ERROR: lock is held"),
        ([], "dvc repro failed"),
    ],
)
def test_the_reason_is_what_the_stage_said(lines, reason):
    assert reason_of(lines) == reason


def test_the_first_retraining_promotes_and_the_same_model_again_is_kept(folder, capsys):
    assert main(["retrain", str(folder)]) == 0
    assert "promoted model, the first model" in capsys.readouterr().out
    assert registry_of(folder).promoted("forecast").model_id == "model"
    assert main(["retrain", str(folder)]) == 0
    first, second = log_of(folder)
    assert first.endswith("promoted model, the first model")
    assert second.endswith("kept model: the training gave it again")


def test_a_retired_model_is_not_promoted_if_a_retraining_gives_it_again(folder, capsys):
    main(["train", str(folder)])
    main(["registry", "retire", "model", str(folder)])
    assert main(["retrain", str(folder)]) == 0
    assert "promoted nothing" in capsys.readouterr().out
    assert registry_of(folder).get("model").status == "retired"


def test_a_retraining_that_fails_is_logged_and_keeps_the_promoted_model(folder, monkeypatch):
    main(["retrain", str(folder)])
    monkeypatch.setattr(training, "run_stages", lambda _: "14 too little data: x")
    assert main(["retrain", str(folder)]) == 21
    assert "failed: 21 store: " in log_of(folder)[1]
    assert "14 too little data: x" in log_of(folder)[1]
    assert registry_of(folder).promoted("forecast").model_id == "model"


@pytest.mark.parametrize(("better", "promoted"), [(True, "model"), (False, "old")])
def test_only_a_better_model_is_promoted(folder, monkeypatch, better, promoted):
    registry = registry_of(folder)
    (folder / "store/models/old").mkdir(parents=True)
    registry.add(make_model(model_id="old", path="models/old", status="promoted"))
    sizes = {"model": 1.0, "old": 2.0 if better else 0.5}

    class Stub:
        unseen_from, clock = START, HOURLY

        def __init__(self, path):
            self.path = path

        def errors(self, start):
            return errors_of(np.full(200, sizes[self.path.name]))

    monkeypatch.setattr(module, "load_scorer", lambda params, path, source, where: Stub(path))
    assert main(["retrain", str(folder)]) == 0
    assert registry.promoted("forecast").model_id == promoted
    assert registry.get("old").status == ("registered" if better else "promoted")


def errors_of(squared, count=1.0, symbol="a", scale=1.0, first=0):
    ts = START + HOUR * (first + np.arange(len(squared)))
    content = {"ts": ts, "symbol": symbol, "target": "y", "squared": squared}
    frame = pd.DataFrame({**content, "count": count, "scale": scale})
    return frame.set_index(["ts", "symbol", "target"])


PARAMS = with_values(Params(), {"compare.block": 5, "compare.repetitions": 300}, "test")


def test_the_comparison_is_the_paired_block_bootstrap_of_both():
    rng = np.random.default_rng(3)
    one, other = rng.exponential(size=100), rng.exponential(size=100) * 1.5
    found = compare_errors(errors_of(one), errors_of(other), PARAMS, HOURLY)
    assert found.new == pytest.approx(np.sqrt(one.mean()))
    assert found.promoted == pytest.approx(np.sqrt(other.mean()))
    starts, lengths = draw_blocks(100, block_length(100, 5), 300, 0)
    drawn = [
        np.concatenate([np.arange(s, s + n) for s, n in zip(row, lengths, strict=True)])
        for row in starts
    ]
    expected = [np.sqrt(one[rows].mean()) - np.sqrt(other[rows].mean()) for rows in drawn]
    low, high = np.quantile(expected, [0.025, 0.975])
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))


def test_models_are_compared_on_the_windows_of_both_and_series_by_their_scale():
    """A series in thousands does not outweigh one in units: the promoted model's scale counts."""
    new = pd.concat([errors_of(np.full(60, 4.0)), errors_of(np.full(60, 9e6), symbol="b")])
    old = pd.concat(
        [
            errors_of(np.full(60, 4.0), first=10, scale=2.0),
            errors_of(np.full(60, 16e6), symbol="b", first=10, scale=2e3),
        ]
    )
    found = compare_errors(new, old, PARAMS, HOURLY)
    assert found.origins == 50
    assert found.since == HOURLY.text_of(START + 10 * HOUR)
    assert found.new == pytest.approx(np.sqrt((1.0 + 2.25) / 2))
    assert found.promoted == pytest.approx(np.sqrt((1.0 + 4.0) / 2))


def test_equal_models_are_not_better():
    same = errors_of(np.arange(1.0, 101.0))
    assert not compare_errors(same, same, PARAMS, HOURLY).is_better


@pytest.mark.parametrize(
    "other", [errors_of(np.ones(9), count=2.0), errors_of(np.ones(9), first=50)]
)
def test_models_of_other_horizons_or_times_cannot_be_compared(other):
    with pytest.raises(StoreError, match="cannot be compared"):
        compare_errors(errors_of(np.ones(9)), other, PARAMS, HOURLY)


DVC_YAML = """stages:
  ingest:
    cmd: {command}
"""


@pytest.mark.slow
def test_stages_are_run_by_dvc_and_their_message_is_the_reason(tmp_path, capfd):
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    pipeline = TrackedPipeline(tmp_path / "pipelines/shop", tmp_path)
    pipeline.folder.mkdir(parents=True)
    for command, reason in (
        ("echo done", None),
        (
            "echo '12 data contract: shop.csv, empty' && exit 12",
            "12 data contract: shop.csv, empty",
        ),
    ):
        pipeline.dvc_yaml.write_text(DVC_YAML.format(command=json.dumps(command)))
        assert run_stages(pipeline) == reason
    assert "Running stage" in capfd.readouterr().err
