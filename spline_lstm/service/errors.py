"""What is wrong with a call, as a status and findings: where, which rule, what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pydantic

from spline_lstm.core.errors import SplineLstmError

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, TOO_LARGE, UNPROCESSABLE = 400, 401, 404, 413, 422
UNAVAILABLE = 503
# A history with thousands of bad cells gives so many findings, not thousands.
MAX_FINDINGS = 20
SERIES = re.compile(r"series '([^']*)'")
COLUMN = re.compile(r"column '([^']*)'")
# How pydantic names the member of a union that it tried.
TYPE = re.compile(r"(?:list|dict)\[.*\]|bool|float|int|str").fullmatch
DEFAULT_REMEDY = "correct the body; /docs shows what this call takes"
CALL_REMEDY = "correct the address of the call; /docs shows what it takes"
# Kinds of error of pydantic -> what to do; others get DEFAULT_REMEDY.
REMEDIES = {
    "extra_forbidden": "remove this key; /docs shows which ones the call takes",
    "missing": "add this key; /docs shows an example",
    "json_invalid": "send a JSON object; numbers that are missing are null",
    "finite_number": "write null for a missing value; values must be finite",
    "too_long": "send less in one call, or start the service with a higher limit",
}
# Kinds of error of pydantic whose message names classes of Python -> what a caller is told.
_NO_OBJECT = "Input should be a JSON object"
MESSAGES = {"dict_type": _NO_OBJECT, "model_type": _NO_OBJECT}


class ServiceError(SplineLstmError):
    """The service cannot be started as asked."""

    exit_code: ClassVar[int] = 25
    title: ClassVar[str] = "service"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a call.

    Attributes
    ----------
    loc : keys and positions that lead to it, from "body", "query" or "path" on
    rule : name of the rule that it breaks
    message : what is wrong
    remedy : what to do
    """

    loc: tuple[str | int, ...]
    rule: str
    message: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Content of an answer."""
        return {
            "loc": list(self.loc),
            "rule": self.rule,
            "message": self.message,
            "remedy": self.remedy,
        }


class CallError(Exception):
    """A call that is refused.

    Attributes
    ----------
    status : HTTP status
    findings : why, at least one
    """

    def __init__(self, status: int, *findings: Finding) -> None:
        super().__init__(findings[0].message)
        self.status, self.findings = status, findings


def refused(status: int, loc: Sequence[str | int], rule: str, text: str) -> CallError:
    """An error with one finding; `text` ends with the remedy, after its last semicolon."""
    return CallError(status, finding_of(loc, rule, text))


def finding_of(loc: Sequence[str | int], rule: str, text: str) -> Finding:
    """The message of a command line, which ends with its remedy.

    >>> finding_of(("body",), "data contract", "history: row 3 has no timestamp; add it").remedy
    'add it'
    """
    _, separator, remedy = text.rpartition("; ")
    return Finding(tuple(loc), rule, text, remedy if separator else DEFAULT_REMEDY)


def contract_error(error: SplineLstmError) -> CallError:
    """An error of the library, with the series and the column that its messages name."""
    findings = []
    for line in error.lines[:MAX_FINDINGS]:
        loc: list[str | int] = ["body"]
        if series := SERIES.search(line):
            loc += ["series", series[1]]
        if column := COLUMN.search(line):
            loc.append(column[1])
        findings.append(finding_of(loc, error.title, line))
    return CallError(UNPROCESSABLE, *findings)


def body_error(error: pydantic.ValidationError) -> CallError:
    """Findings of pydantic about a body."""
    return _found(error.errors(include_url=False, include_context=False, include_input=False))


def given_error(errors: Sequence[Any]) -> CallError:
    """Findings of FastAPI about parameters of the path and the query."""
    return _found(errors, root=())


def _found(errors: Sequence[Any], root: tuple[str, ...] = ("body",)) -> CallError:
    findings = [
        Finding(
            (*root, *(part for part in entry["loc"] if not _is_type(part))),
            entry["type"],
            str(MESSAGES.get(entry["type"], entry["msg"])),
            REMEDIES.get(entry["type"], DEFAULT_REMEDY if root else CALL_REMEDY),
        )
        for entry in errors[:MAX_FINDINGS]
    ]
    return CallError(UNPROCESSABLE, *findings)


def _is_type(part: object) -> bool:
    return isinstance(part, str) and TYPE(part) is not None
