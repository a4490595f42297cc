"""What surrounds each call: its id, the key, limits of body and time, counts, a line of the log.

It is one ASGI middleware by hand, because it must refuse a body before anything has read it, and
because each layer of its own would take as long as all of this.
"""

import asyncio
import logging
import re
import secrets
import sys
import time
from typing import Any

import pydantic_core
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spline_lstm.service.errors import (
    TOO_LARGE,
    UNAUTHORIZED,
    UNAVAILABLE,
    CallError,
    refused,
)
from spline_lstm.service.logs import CALL_ID, call_line
from spline_lstm.service.metrics import NO_ROUTE, count_call, known_method
from spline_lstm.service.settings import Settings, key_accepted

LOG = logging.getLogger("spline_lstm.service")
ID_HEADER = b"x-request-id"
# Ids of callers go into the log: nothing that could break a line.
PLAIN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}").fullmatch
# Calls that need no key: a supervisor asks them.
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")
# Not counted: who asks for the counts would change them.
METRICS_PATH = "/metrics"
# Answers after which the connection ends, so that the rest of the body is not read.
CLOSING = (TOO_LARGE, UNAUTHORIZED, UNAVAILABLE)
# Seconds for such an answer to be taken: a connection that is closed while it is sent to takes back
# what was not yet read.
LINGER = 0.5

INTERNAL = refused(
    500, (), "internal", "the service failed; its log has the reason beside the id of this call"
)


class Guard:
    """Wraps an application; `settings` has the limits."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(ID_HEADER, b"")
        call_id = given if PLAIN_ID(given) else secrets.token_hex(8).encode()
        CALL_ID.set(call_id.decode())
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        call = _Call(receive, send, call_id, self.settings.max_body, has_body)
        begin = time.perf_counter()
        try:
            self._admit(scope, headers, call)
            async with asyncio.timeout(self.settings.timeout):
                await self.app(scope, call.receive, call.send)
        except CallError as error:
            await call.refuse(error, scope["path"])
        except TimeoutError:
            text = f"the call took longer than {self.settings.timeout:g} s; send less, or try again"
            await call.refuse(refused(UNAVAILABLE, (), "timeout", text), scope["path"])
        except ClientDisconnect:
            LOG.info("the caller has gone")
        except Exception:
            LOG.exception("the call failed")
            await call.refuse(INTERNAL, scope["path"])
        finally:
            self._note(scope, call, time.perf_counter() - begin)

    def _note(self, scope: Scope, call: "_Call", seconds: float) -> None:
        """Count a call that has ended, and write its line."""
        method, path = scope["method"], scope["path"]
        if path != METRICS_PATH:
            route = scope.get("route")
            handler = NO_ROUTE if route is None else route.path
            count_call(
                known_method(method), handler, call.status, seconds, call.received, call.sent
            )
        if LOG.isEnabledFor(logging.INFO):
            as_json = self.settings.json_logs
            sys.stderr.write(call_line(method, path, call.status, seconds, as_json=as_json))

    def _admit(self, scope: Scope, headers: dict[bytes, bytes], call: "_Call") -> None:
        """Raise CallError for a wrong key, or a body that says that it is too large."""
        if scope["path"] not in OPEN_PATHS and not key_accepted(headers.get(b"x-api-key")):
            text = "the API key is missing or wrong; send it in the header X-API-Key"
            raise refused(UNAUTHORIZED, ("header", "x-api-key"), "api_key", text)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.settings.max_body:
            raise call.too_large()


class _Call:
    """The messages of one call.

    Attributes
    ----------
    status : int
        Of the answer; 0: it has not begun.
    received, sent : int
        Bytes of the two bodies so far.
    """

    def __init__(
        self, receive: Receive, send: Send, call_id: bytes, max_body: int, has_body: bool
    ) -> None:
        self._receive, self._send, self._id, self._max_body = receive, send, call_id, max_body
        self._has_more = has_body
        self.status = self.received = self.sent = 0

    async def receive(self) -> Message:
        """The next part of the body; CallError beyond the limit."""
        message = await self._receive()
        self.received += len(message.get("body", b""))
        self._has_more = message.get("more_body", False)
        if self.received > self._max_body:
            raise self.too_large()
        return message

    async def send(self, message: Message) -> None:
        """A part of the answer, its head with the id of the call."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), (ID_HEADER, self._id)]
            if self.status in CLOSING:
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)

    def too_large(self) -> CallError:
        """The error of a body beyond the limit."""
        text = f"the body is longer than {self._max_body} bytes; send less in one call"
        return refused(TOO_LARGE, ("body",), "max_body", text)

    async def refuse(self, error: CallError, path: str) -> None:
        """Answer with an error unless the answer has begun; the rest of the body stays unread."""
        if self.status:
            return
        content = pydantic_core.to_json(error_content(error, path))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        start = {"type": "http.response.start", "status": error.status, "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": content, "more_body": True})
        if self._has_more:
            await asyncio.sleep(LINGER)
        await self.send({"type": "http.response.body", "body": b""})


def error_content(error: CallError, path: str) -> dict[str, Any]:
    """The content of an answer to a refused call, in the form of its protocol."""
    if path.startswith("/v2"):
        return {"error": " | ".join(finding.message for finding in error.findings)}
    return {
        "detail": [finding.to_json() for finding in error.findings],
        "request_id": CALL_ID.get(),
    }
