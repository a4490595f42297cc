import json
import logging
import os

import pytest

from spline_lstm.core.errors import ArtifactError, DivergedError
from spline_lstm.core.ledger import (
    FOLDER,
    MAX_ENTRIES,
    ROOT_VARIABLE,
    ledger_folder,
    read_failures,
    record_failure,
)

ERROR = DivergedError("the loss is nan after step 20", "the gradient is inf after step 21")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "params.yaml").write_text("train: {seed: 7}\n", encoding="utf-8")
    return tmp_path


def test_an_entry_says_what_failed_why_with_what_and_how_far_it_came(folder, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "brave")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "c" * 40)
    (folder / "curve.csv").write_text("step,loss\n1,0.5\n")
    record_failure(folder, "train-flax-rnn", ERROR, keep=("curve.csv", "never-written.csv"))
    (entry,) = read_failures(folder)
    assert (entry.stage, entry.exit_code, entry.title) == ("train-flax-rnn", 16, ERROR.title)
    assert entry.reasons == ERROR.lines
    assert (entry.experiment, entry.commit) == ("brave", "c" * 40)
    assert entry.params == {"train": {"seed": 7}}
    assert entry.curve == {"curve.csv": "step,loss\n1,0.5\n"}


def test_params_that_are_not_yaml_are_left_out(folder):
    (folder / "params.yaml").write_text("a: [", encoding="utf-8")
    record_failure(folder, "ingest", ERROR)
    assert read_failures(folder)[0].params is None


def test_the_oldest_entries_go(folder):
    for number in range(MAX_ENTRIES + 3):
        record_failure(folder, f"stage {number}", ERROR)
    entries = read_failures(folder)
    assert len(entries) == MAX_ENTRIES
    assert entries[0].stage == "stage 3"
    assert entries[-1].stage == f"stage {MAX_ENTRIES + 2}"


def test_a_ledger_that_cannot_be_written_is_said_in_one_line(folder, caplog):
    (folder / ".cache").write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING, "spline_lstm"):
        record_failure(folder, "ingest", ERROR)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_temporary_copy_writes_beside_the_folder_it_was_made_from(tmp_path, monkeypatch):
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    queued = tmp_path / ".dvc/tmp/exps/tmpab12"
    assert ledger_folder(queued) == tmp_path / FOLDER
    copy = tmp_path / ".dvc/tmp/exps/standalone/tmpab12/pipelines/stores"
    assert ledger_folder(copy) == tmp_path / "pipelines/stores" / FOLDER
    monkeypatch.setenv(ROOT_VARIABLE, os.fspath(tmp_path / "real"))
    assert ledger_folder(copy) == tmp_path / "real/pipelines/stores" / FOLDER
    # Only a copy belongs to another repository.
    assert ledger_folder(tmp_path / "pipelines/stores") == tmp_path / "pipelines/stores" / FOLDER


def test_an_entry_that_is_damaged_is_named(folder):
    record_failure(folder, "ingest", ERROR)
    (path,) = (folder / FOLDER).glob("*.json")
    path.write_text(json.dumps({"reasons": [], "colour": "red"}))
    with pytest.raises(ArtifactError, match=f"{path.name} is not an entry of the ledger"):
        read_failures(folder)
