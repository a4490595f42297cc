"""Where the work of a call is done: at once, or in the one thread for large calls."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pydantic_core
from fastapi import Request, Response

from spline_lstm.service.catalog import Catalog
from spline_lstm.service.errors import UNAVAILABLE, refused
from spline_lstm.service.given_up import GIVEN_UP
from spline_lstm.service.settings import Settings

# Rows up to which a call is answered at once: some milliseconds.
SMALL_ROWS = 4_000
# Bytes up to which a body is read at once.
SMALL_BODY = 200_000
# Large calls that may wait for the one that is worked on.
MOST_WAITING = 64
Result = TypeVar("Result")


class LargeCalls:
    """One thread: large calls wait for each other, small ones pass them by.

    A call that ends before its work does (it took too long, or the caller has gone) gives the work
    up: what waits is not begun, what runs ends at its next step, see `check_wanted`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large-calls")
        self._calls = 0

    async def result(self, work: Callable[[], Result]) -> Result:
        """The result of some work.

        Raises
        ------
        CallError
            503: too many calls wait.
        """
        if self._calls > MOST_WAITING:
            text = f"{MOST_WAITING} large calls are waiting already; try again later"
            raise refused(UNAVAILABLE, (), "busy", text)
        given_up = threading.Event()
        context = contextvars.copy_context()
        context.run(GIVEN_UP.set, given_up)
        loop = asyncio.get_running_loop()
        self._calls += 1
        try:
            return await loop.run_in_executor(self._thread, lambda: context.run(work))
        finally:
            given_up.set()
            self._calls -= 1

    def end(self) -> None:
        """Begin no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def settings_of(request: Request) -> Settings:
    """The settings of the service."""
    return request.app.state.settings


def catalog_of(request: Request) -> Catalog:
    """The models of the service."""
    return request.app.state.catalog


async def in_thread(request: Request, work: Callable[[], Result]) -> Result:
    """The result of work that may take long; health and small calls go on beside it."""
    large: LargeCalls = request.app.state.large_calls
    return await large.result(work)


async def done(request: Request, small: bool, work: Callable[[], Result]) -> Result:
    """The result of some work; a small one is not worth a change of threads."""
    return work() if small else await in_thread(request, work)


def json_answer(content: object) -> Response:
    """An answer from plain content; what is not finite is null."""
    return Response(
        pydantic_core.to_json(content, inf_nan_mode="null"), media_type="application/json"
    )
