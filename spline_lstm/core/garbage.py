"""Imports without looking for garbage, which takes a quarter of their time: modules stay."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def importing(stays: bool | None = None) -> Iterator[None]:
    """Inside, nothing is looked at as garbage.

    Parameters
    ----------
    stays : bool
        What is there afterwards never is. By default if that holds for what is there before, as in
        stages and commands: in a process of the user's own, objects are to go when they are unused.
    """
    was_enabled = gc.isenabled()
    stays = gc.get_freeze_count() > 0 if stays is None else stays
    gc.disable()
    try:
        yield
    finally:
        if stays:
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
