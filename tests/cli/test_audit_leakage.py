"""What the command audit-leakage leaves of its result."""

import json

import pytest

from spline_lstm.__main__ import main
from spline_lstm.core.errors import LeakageError
from spline_lstm.core.yaml_files import render_params
from tests.builders import ROOT


@pytest.fixture
def folder(tmp_path):
    params = render_params((ROOT / "pipelines/tabular/params.yaml").read_text(), {})
    (tmp_path / "params.yaml").write_text(params)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/preprocessor.json").write_text('{"run_id": "0123"}')
    return tmp_path


def audited(folder, audit, monkeypatch):
    monkeypatch.setattr("spline_lstm.cli.audit_leakage.load_part", lambda *_: audit)
    code = main(["audit-leakage", str(folder), "--seed", "3"])
    return code, json.loads((folder / "metrics/audit.json").read_text())


def test_a_result_is_kept_with_the_run_that_it_is_of(folder, monkeypatch):
    code, content = audited(folder, lambda *_: "nothing differs", monkeypatch)
    assert code == 0
    drawn = {"origins": 200, "seed": 3, "run_id": "0123"}
    assert content == {"passed": True, "found": ["nothing differs"], **drawn}


def test_a_leak_is_kept_and_ends_with_its_code(folder, monkeypatch):
    def leaks(*_):
        raise LeakageError("a window knows the future")

    code, content = audited(folder, leaks, monkeypatch)
    assert code == LeakageError.exit_code
    assert (content["passed"], content["found"]) == (False, ["a window knows the future"])
