"""Ctrl-C ends a stage with one line, wherever it comes: in an import, in our code or in XLA's.

Inside compiled code the interrupt may come out as another exception, and threads of a library may
crash while the process ends in its usual way. So it is noted when it comes, and the process is left
at once after everything on the stack was cleaned up.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import NoReturn

# What shells give for SIGINT.
EXIT_CODE = 128 + signal.SIGINT


def end_quietly_before(name: str) -> None:
    """Have Ctrl-C end ``python -m`` with one line while it imports what the stage `name` needs.

    Only a parent package may call this, as `garbage.pause_for_module`. A program of the user's own
    that imports a stage keeps what it does with Ctrl-C.
    """
    if sys.argv[0] != "-m":
        return
    usual = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            end(name)
        usual(kind, error, trace)

    sys.excepthook = hook


@contextmanager
def ended_by_interrupts(name: str) -> Iterator[None]:
    """Inside, whatever is raised after Ctrl-C ends the process with one line.

    Where SIGINT is ignored or handled by somebody else, it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except BaseException:
        if noted:
            end(name)
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end(name: str) -> NoReturn:
    """End the process with the line and the exit code of Ctrl-C."""
    # Once more Ctrl-C changes nothing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError, ValueError):
        sys.stderr.write(
            f"{EXIT_CODE} interrupted: {name}: stopped by Ctrl-C; the next run of it starts anew\n"
        )
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(EXIT_CODE)
