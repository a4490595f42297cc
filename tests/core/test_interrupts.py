"""Ctrl-C ends a process with one line and code 130."""

import signal
import subprocess
import sys

import pytest

from spline_lstm.core.interrupts import ended_by_interrupts
from tools.import_closure import ROOT

LINE = "130 interrupted: train: stopped by Ctrl-C; the next run of it starts anew\n"
STOP = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
INSIDE = f"""
import sys
from spline_lstm.core.interrupts import ended_by_interrupts
with ended_by_interrupts("train"):
    try:
        try:
            {STOP}
        except KeyboardInterrupt:
            raise RuntimeError("INTERNAL: a callback failed")
    finally:
        sys.stdout.write("cleaned up")
"""
IMPORTING = f"""
import sys
from spline_lstm.core.interrupts import end_quietly_before
# As while a parent package is imported.
sys.argv[0] = "-m"
end_quietly_before("train")
{STOP}
"""


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("code", "told"), [(INSIDE, "cleaned up"), (IMPORTING, "")])
def test_ctrl_c_is_one_line_and_code_130(code, told):
    ended = run(code)
    assert (ended.returncode, ended.stderr, ended.stdout) == (130, LINE, told)


def test_a_program_that_imports_a_stage_does_with_ctrl_c_what_it_did():
    ended = run(f"import stages\n{STOP}")
    assert ended.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in ended.stderr


def test_other_errors_stay_what_they_are():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="own"), ended_by_interrupts("train"):
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is before
    assert (
        "ValueError: own" in run(f"{IMPORTING.replace(STOP, '')}\nraise ValueError('own')").stderr
    )


def test_a_handler_of_somebody_else_stays(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with ended_by_interrupts("train"):
        assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
