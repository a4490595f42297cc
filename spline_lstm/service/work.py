"""Where the work of a call is done: at once, or in the one thread for large calls."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pydantic_core
from fastapi import Request, Response

from spline_lstm.service.loaded import Catalog
from spline_lstm.service.settings import Settings

# Rows up to which a call is answered at once: some milliseconds.
SMALL_ROWS = 4_000
# Bytes up to which a body is read at once.
SMALL_BODY = 200_000
Result = TypeVar("Result")


def settings_of(request: Request) -> Settings:
    """The settings of the service."""
    return request.app.state.settings


def catalog_of(request: Request) -> Catalog:
    """The models of the service."""
    return request.app.state.catalog


async def in_thread(request: Request, work: Callable[[], Result]) -> Result:
    """The result of work that may take long; health and small calls go on beside it."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app.state.threads, work)


async def done(request: Request, small: bool, work: Callable[[], Result]) -> Result:
    """The result of some work; a small one is not worth a change of threads."""
    return work() if small else await in_thread(request, work)


def json_answer(content: object) -> Response:
    """An answer from plain content; what is not finite is null."""
    return Response(
        pydantic_core.to_json(content, inf_nan_mode="null"), media_type="application/json"
    )
