"""Lines of the log: text, or one JSON object a line."""

import json
import logging
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

CALL_ID: ContextVar[str] = ContextVar("call_id", default="-")


class Lines(logging.Formatter):
    """Time, level, id of the call, and what was said."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows in text, and is a key in JSON."""
        level, message = record.levelname.lower(), record.getMessage()
        content = {**_head(record.created, level), "message": message}
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            return _json({**content, **({"traceback": trace} if trace else {})})
        return f"{_text(content)}\n{trace}" if trace else _text(content)


def call_line(method: str, path: str, status: int, seconds: float, *, as_json: bool) -> str:
    """The line of a call that has ended now, with its line feed.

    It is written without a look at loggers, which takes several times as long as the line itself.
    """
    content = {
        **_head(time.time(), "info"),
        "message": "call",
        "method": method,
        "path": path,
        "status": status,
        "ms": round(1000 * seconds, 2),
    }
    if as_json:
        return f"{_json(content)}\n"
    # A path may have any character, also such as would begin another line.
    content["path"] = path if path.isprintable() else ascii(path)
    return f"{_text(content)}\n"


def _head(instant: float, level: str) -> dict[str, Any]:
    return {
        "time": datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "request_id": CALL_ID.get(),
    }


def _text(content: dict[str, Any]) -> str:
    return " ".join(map(str, content.values()))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content)


def configure_logs(*, as_json: bool) -> None:
    """Send the lines of this service and of uvicorn to the standard error."""
    # What no line has is not looked up for each of them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if sys.version_info >= (3, 12):
        logging.logAsyncioTasks = False
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(as_json=as_json))
    for name, level in (("spline_lstm.service", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
