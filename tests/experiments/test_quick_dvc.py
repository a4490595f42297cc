"""dvc.lock as DVC writes it, read by the parser in C."""

import sys
from pathlib import Path

import pytest
from dvc import dvcfile
from dvc.fs import LocalFileSystem
from dvc.utils.serialize import dumps_yaml, modify_yaml

from spline_lstm.experiments.quick_dvc import read_locks_quickly
from spline_lstm.experiments.warm_stages import _quick
from tools.import_closure import ROOT

PARAMS = {
    "rate": 1e-05,
    "small": 1e-300,
    "whole": 2.0,
    "big": 1e22,
    "count": 10**12,
    "none": None,
    "off": "off",
    "text": "yes",
    "number as text": "010",
    "time": "2020-01-01",
    "words": "two words: a colon, # a hash and 'quotes' " * 4,
    "lines": "one\ntwo\n",
    "empty": {"list": [], "dict": {}, "text": ""},
    "Grüße": [True, False, [1, [2, None]]],
}


@pytest.fixture
def quick(monkeypatch):
    """The function with which DVC changes its files, once `read_locks_quickly` was called."""
    monkeypatch.setattr(dvcfile, "modify_yaml", modify_yaml)
    read_locks_quickly()
    assert dvcfile.modify_yaml is not modify_yaml
    return dvcfile.modify_yaml


def changed(modify, path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with modify(path.as_posix(), fs=LocalFileSystem()) as data:
        data["stages"].update({"two": {"cmd": "b", "params": {"params.yaml": PARAMS}}})
    return path.read_text(encoding="utf-8")


def test_a_lock_has_the_bytes_that_dvc_gives_it(tmp_path, quick):
    text = dumps_yaml({"schema": "2.0", "stages": {"one": {"cmd": "a", "params": PARAMS}}})
    path = tmp_path / "dvc.lock"
    assert changed(quick, path, text) == changed(modify_yaml, path, text)
    committed = (ROOT / "dvc.lock").read_text(encoding="utf-8")
    assert changed(quick, path, committed) == changed(modify_yaml, path, committed)


def test_comments_of_other_files_are_kept(tmp_path, quick):
    text = changed(quick, tmp_path / "dvc.yaml", "# why\nstages:\n  one: {cmd: a}  # what\n")
    assert text.startswith("# why\n")
    assert "# what" in text


def test_only_the_command_dvc_is_replaced():
    assert _quick(["sh", "-c", "dvc repro"]) == ["sh", "-c", "dvc repro"]
    executable, script, *arguments = _quick(["dvc", "repro", "-f"])
    assert executable == sys.executable
    assert Path(script).name == "quick_dvc.py"
    assert arguments == ["repro", "-f"]
