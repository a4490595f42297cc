"""The application of one worker process."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pydantic_core
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from spline_lstm.core.errors import SplineLstmError, report
from spline_lstm.service import openapi, protocol, routes
from spline_lstm.service.catalog import Catalog, make_catalog
from spline_lstm.service.errors import (
    BAD_REQUEST,
    UNPROCESSABLE,
    CallError,
    contract_error,
    given_error,
    refused,
)
from spline_lstm.service.guard import LOG, Guard, error_content
from spline_lstm.service.logs import configure_logs
from spline_lstm.service.settings import Settings
from spline_lstm.service.work import LargeCalls

# Exit status by which uvicorn's supervisor knows that a new worker would fail, too.
CANNOT_START = 3
# New objects after which the garbage collector looks at them.
GARBAGE = 10_000
DESCRIPTION = "Forecasts of time series, from models that the pipelines of Spline-LSTM trained."


def application() -> FastAPI:
    """The application of a worker, with the settings that the command left in the environment."""
    settings = Settings.from_environment()
    configure_logs(as_json=settings.json_logs)
    try:
        catalog = make_catalog(settings.folders)
    except SplineLstmError as error:
        report(error)
        sys.exit(CANNOT_START)
    app = make_app(settings, catalog)
    # What is loaded stays: looking for garbage in it again and again took a tenth of each call.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    return app


def make_app(settings: Settings, catalog: Catalog) -> FastAPI:
    """The application over loaded models."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_reload(catalog, settings.reload_seconds))
        yield
        task.cancel()
        app.state.large_calls.end()

    app = FastAPI(title="Spline-LSTM", description=DESCRIPTION, lifespan=lifespan)
    app.state.settings, app.state.catalog = settings, catalog
    app.state.large_calls = LargeCalls()
    # Not by `include_router`, whose routes take several times as long to be found.
    app.router.routes.extend([*routes.router.routes, *protocol.router.routes])
    app.add_exception_handler(CallError, _on_error)
    app.add_exception_handler(SplineLstmError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(HTTPException, _on_error)
    openapi.install(app)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "x-api-key", "x-request-id"],
        )
    app.add_middleware(Guard, settings=settings)
    Instrumentator(excluded_handlers=["/metrics"]).instrument(app).expose(
        app, tags=["metrics"], response_class=PlainTextResponse
    )
    return app


async def _reload(catalog: Catalog, seconds: float) -> None:
    """Look at the registries for newly promoted models, for ever."""
    while True:
        await asyncio.sleep(seconds)
        try:
            # Not in the thread for large calls: a registry may have to be waited for.
            await asyncio.get_running_loop().run_in_executor(None, catalog.refresh, LOG.warning)
        except Exception:
            # The models that are loaded are served on, and the next look may succeed.
            LOG.exception("the registries could not be read")


async def _on_error(request: Request, error: Exception) -> Response:
    """The answer to a call that is refused."""
    path = request.url.path
    refusal = _refusal(error)
    headers = dict(getattr(error, "headers", None) or {})
    content = pydantic_core.to_json(error_content(refusal, path))
    # The Open Inference Protocol knows no 422.
    is_protocol = path.startswith("/v2") and refusal.status == UNPROCESSABLE
    status = BAD_REQUEST if is_protocol else refusal.status
    return Response(content, status, headers, media_type="application/json")


def _refusal(error: Exception) -> CallError:
    if isinstance(error, CallError):
        return error
    if isinstance(error, SplineLstmError):
        return contract_error(error)
    if isinstance(error, RequestValidationError):
        return given_error(error.errors())
    assert isinstance(error, HTTPException)
    text = f"{error.detail}; /docs lists the calls"
    return refused(error.status_code, ("path",), "route", text)
