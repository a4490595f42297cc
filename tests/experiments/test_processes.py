"""What is ended, and what is not, of the processes that carry a mark."""

import os
import signal
import subprocess
import sys
import time

import pytest

from spline_lstm.experiments import processes
from spline_lstm.experiments.processes import MARK, end_marked, ended_as_by_ctrl_c, marked

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, 1); print('up', flush=True); time.sleep(60)",
)
# The parent outlives its child, which may be gone before the parent has its own request to end.
FORKER = (
    sys.executable,
    "-c",
    "import subprocess, time; "
    f"subprocess.run({list(SLEEPER)!r}, start_new_session=True); time.sleep(60)",
)


@pytest.fixture
def start():
    """Starts a process in a clone of a folder, and waits until it runs."""
    started = []

    def run(command, clone):
        process = subprocess.Popen(
            command, env=os.environ | {MARK: str(clone)}, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_processes_of_the_folders_clones_end_with_their_children_and_no_others(tmp_path, start):
    own = start(FORKER, tmp_path / "clone-a")
    others = [start(SLEEPER, tmp_path / "other/clone-a"), start(SLEEPER, "")]
    # The child has a session of its own, and is found all the same.
    assert len(marked(tmp_path)) == 2
    assert end_marked(tmp_path) == 2
    assert own.wait() == -signal.SIGTERM
    assert [process.poll() for process in others] == [None, None]
    assert end_marked(tmp_path) == 0


def test_a_process_that_ignores_the_request_is_killed(tmp_path, start, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 1.5)
    process = start(STUBBORN, tmp_path / "clone-a")
    assert end_marked(tmp_path) == 1
    assert process.wait() == -signal.SIGKILL


def test_a_process_is_asked_and_then_killed_however_busy_the_machine_is(
    tmp_path, start, monkeypatch
):
    """Looking for processes takes longer than they are waited for."""

    def slowly(folder):
        time.sleep(0.3)
        return marked(folder)

    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    monkeypatch.setattr(processes, "marked", slowly)
    willing, stubborn = (start(each, tmp_path / "clone-a") for each in (SLEEPER, STUBBORN))
    assert end_marked(tmp_path) == 2
    assert (willing.wait(), stubborn.wait()) == (-signal.SIGTERM, -signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_is_met_like_ctrl_c_and_only_meanwhile(number):
    with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_as_by_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
