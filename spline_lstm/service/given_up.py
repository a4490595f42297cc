"""How long work learns that nobody waits for it any more."""

import threading
from contextvars import ContextVar

# Of the call whose work is done; set when the call has ended.
GIVEN_UP: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


class GivenUpError(Exception):
    """The call whose work this is has ended."""


def check_wanted() -> None:
    """A step of long work begins.

    Raises
    ------
    GivenUpError
        The call has ended: it took too long, or the caller has gone.
    """
    event = GIVEN_UP.get()
    if event is not None and event.is_set():
        raise GivenUpError
