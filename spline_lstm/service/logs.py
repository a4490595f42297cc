"""Lines of the log: text, or one JSON object a line."""

import json
import logging
import sys
from datetime import UTC, datetime

from spline_lstm.service.guard import CALL_ID

FIELDS = ("method", "path", "status", "ms")


class Lines(logging.Formatter):
    """Time, level, id of the call, and what was said."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows in text, and is a key in JSON."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "request_id": CALL_ID.get(),
            "message": record.getMessage(),
        }
        content |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            return json.dumps({**content, **({"traceback": trace} if trace else {})})
        text = " ".join(str(value) for value in content.values())
        return f"{text}\n{trace}" if trace else text


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
