"""What surrounds each call: its id, the API key, limits of body and time, a line of the log.

It is an ASGI middleware by hand, because it must refuse a body before anything has read it.
"""

import asyncio
import logging
import re
import secrets
import time
from contextvars import ContextVar
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
from spline_lstm.service.settings import Settings, key_accepted

LOG = logging.getLogger("spline_lstm.service")
CALL_ID: ContextVar[str] = ContextVar("call_id", default="-")
ID_HEADER = b"x-request-id"
# Ids of callers go into the log: nothing that could break a line.
PLAIN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}").fullmatch
# Calls that need no key: a supervisor asks them.
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")
# Answers after which the connection ends, so that the rest of the body is not read.
CLOSING = (TOO_LARGE, UNAUTHORIZED, UNAVAILABLE)
# Seconds for such an answer to be taken: a connection that is closed while it is sent to takes back
# what was not yet read.
LINGER = 0.5


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
            text = "the service failed; its log has the reason beside the id of this call"
            await call.refuse(refused(500, (), "internal", text), scope["path"])
        finally:
            if LOG.isEnabledFor(logging.INFO):
                extra = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": call.status,
                    "ms": round(1000 * (time.perf_counter() - begin), 2),
                }
                # As `LOG.info` without a look at the stack: the line names no place in the code.
                LOG.handle(
                    LOG.makeRecord(LOG.name, logging.INFO, "", 0, "call", (), None, extra=extra)
                )

    def _admit(self, scope: Scope, headers: dict[bytes, bytes], call: "_Call") -> None:
        """Raise CallError for a wrong key, or a body that says that it is too large."""
        if scope["path"] not in OPEN_PATHS and not key_accepted(headers.get(b"x-api-key")):
            text = "the API key is missing or wrong; send it in the header X-API-Key"
            raise refused(UNAUTHORIZED, ("header", "x-api-key"), "api_key", text)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.settings.max_body:
            raise call.too_large()


class _Call:
    """The messages of one call."""

    def __init__(
        self, receive: Receive, send: Send, call_id: bytes, max_body: int, has_body: bool
    ) -> None:
        self._receive, self._send, self._id, self._max_body = receive, send, call_id, max_body
        self._read, self._has_more = 0, has_body
        self.status = 0

    async def receive(self) -> Message:
        """The next part of the body; CallError beyond the limit."""
        message = await self._receive()
        self._read += len(message.get("body", b""))
        self._has_more = message.get("more_body", False)
        if self._read > self._max_body:
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
