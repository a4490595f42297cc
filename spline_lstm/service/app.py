"""The application of one worker process.

::

    Guard -- CORS, if it is on --+-- the calls that programs make most, straight to their functions
                                 +-- FastAPI: parameters of path and query, documentation, 404
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pydantic_core
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spline_lstm.core.errors import SplineLstmError, report
from spline_lstm.service import metrics, openapi, protocol, routes
from spline_lstm.service.catalog import Catalog, make_catalog
from spline_lstm.service.errors import (
    BAD_REQUEST,
    UNPROCESSABLE,
    CallError,
    contract_error,
    given_error,
    refused,
)
from spline_lstm.service.guard import INTERNAL, LOG, Guard, error_content
from spline_lstm.service.logs import configure_logs
from spline_lstm.service.settings import Settings
from spline_lstm.service.work import LargeCalls

# Exit status by which uvicorn's supervisor knows that a new worker would fail, too.
CANNOT_START = 3
# New objects after which the garbage collector looks at them.
GARBAGE = 10_000
# Calls without parameters in path and query, whose functions take a request and give an answer.
DIRECT = (routes.forecast, routes.direction, routes.rows, protocol.live, protocol.ready)
DESCRIPTION = "Forecasts of time series, from models that the pipelines of Spline-LSTM trained."


class Application(FastAPI):
    """FastAPI, with a shorter way for calls that need nothing of it.

    Finding a route and running a function by FastAPI takes five times as long as all of `Guard`.
    """

    def set_up(self, settings: Settings) -> None:
        """Put everything around the routes; they must be there."""
        app: ASGIApp = self._routed
        if settings.origins:
            app = CORSMiddleware(
                app,
                allow_origins=settings.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["content-type", "x-api-key", "x-request-id"],
            )
        self._guarded = Guard(app, settings)
        self._direct = {
            (method, route.path): route
            for route in self.routes
            if isinstance(route, APIRoute) and route.endpoint in DIRECT
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Anything that the server has for the application."""
        await self._guarded(scope, receive, send)

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_call = scope["type"] == "http"
        route = self._direct.get((scope["method"], scope["path"])) if is_call else None
        if route is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"], scope["route"] = self, route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except SplineLstmError as error:
            raise contract_error(error) from None
        await response(scope, receive, send)


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

    app = Application(title="Spline-LSTM", description=DESCRIPTION, lifespan=lifespan)
    app.state.settings, app.state.catalog = settings, catalog
    app.state.large_calls = LargeCalls()
    # Not by `include_router`, whose routes take several times as long to be found.
    app.router.routes.extend([*routes.router.routes, *protocol.router.routes])
    app.add_api_route("/metrics", _metrics, tags=["metrics"], response_class=PlainTextResponse)
    for kind in (CallError, SplineLstmError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _on_error)
    openapi.install(app)
    app.set_up(settings)
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


def _metrics() -> Response:
    """Counts and durations of the calls of all workers, for Prometheus."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


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
    if not isinstance(error, HTTPException):
        return INTERNAL
    text = f"{error.detail}; /docs lists the calls"
    return refused(error.status_code, ("path",), "route", text)
