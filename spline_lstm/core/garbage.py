"""Imports without looking for garbage, which takes a quarter of their time: modules stay."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Inside, nothing is looked at as garbage; what is there afterwards never is."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def pause_for_module() -> None:
    """Look for no garbage while ``python -m`` imports its module; `resume` ends this.

    Only a parent package may call this: while it is imported, the program has the name ``-m``.
    """
    if sys.argv[0] == "-m":
        gc.disable()


def resume() -> None:
    """End `pause_for_module`, if it was called; what is there now is never looked at as garbage."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
