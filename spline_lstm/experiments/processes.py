"""The processes of an experiment: found by a mark in their environment, and ended together.

``dvc exp run`` starts stages, and these start others. If the driver is killed they continue, write
into a clone that is to be removed, and slow the next run down. Each of them inherits an environment
variable that names its clone, so that a later call, which has the lock and thus knows that their
driver is gone, finds them and no others.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from spline_lstm.core.errors import ExperimentError

MARK = "SPLINE_LSTM_EXPERIMENT"
# Seconds for a process to end by itself before it is killed, and for a killed one to be gone.
PATIENCE = 10.0


def marked(folder: Path) -> list[psutil.Process]:
    """Processes whose mark names a clone below `folder`; not this one."""
    found = []
    for process in psutil.process_iter():
        try:
            clone = process.environ().get(MARK, "")
        except (psutil.Error, OSError):
            # It belongs to somebody else, or is gone.
            continue
        if process.pid != os.getpid() and Path(clone).parent == folder:
            found.append(process)
    return found


def end_marked(folder: Path) -> int:
    """End the processes of experiments in clones below `folder`; how many there were.

    Raises
    ------
    ExperimentError
        One does not end.
    """
    ended: set[int] = set()
    # Each is waited for from its own time: on a busy machine one round may take longer than both.
    asked = killed = None
    while found := marked(folder):
        now = time.monotonic()
        if asked is None:
            asked = now
        elif killed is None and now - asked > PATIENCE:
            killed = now
        elif killed is not None and now - killed > PATIENCE:
            raise ExperimentError(
                f"process {found[0].pid} of an earlier comparison does not end; "
                "end it and try again"
            )
        # The youngest first: a client whose server ends before it would say so.
        for process in sorted(found, key=_start_of, reverse=True):
            with _gone_is_well():
                process.terminate() if killed is None else process.kill()
        ended |= {process.pid for process in found}
        time.sleep(0.2)
    return len(ended)


def _start_of(process: psutil.Process) -> tuple[float, int]:
    """Seconds at which a process started, and its number: numbers alone begin anew some day."""
    with _gone_is_well():
        return process.create_time(), process.pid
    return 0.0, process.pid


@contextmanager
def _gone_is_well() -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess:
        return


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt, so no process is left; nohup is kept."""
    signals = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in signals:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
