"""Functions that worker processes import."""

import os
import signal
import time
from pathlib import Path

from spline_lstm.core.errors import DivergedError


def square(number):
    return number**2


def threads_and_process(_):
    return os.environ["OMP_NUM_THREADS"], os.environ["NPROC"], os.getpid()


def fail_at_two_and_four(number):
    if number in {2, 4}:
        raise DivergedError(f"the loss of {number} is nan", "and its gradient")
    return number


def fail_as_a_bug_does(_):
    raise TypeError("a bug")


def die_once(folder):
    """Kill the worker, the first time that the job runs."""
    mark = Path(folder) / "ran"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def tell_and_sleep(mark):
    """Run for longer than any test waits."""
    Path(mark).touch()
    time.sleep(600)


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)
