"""Every error that a user can meet, with its exit code.

A message is one line: what, where, the rule, what to do. `report` prints it on stderr
as ``<exit code> <title>: <message>``; ``SPLINE_LSTM_DEBUG=1`` adds the traceback.
"""

import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, ClassVar


class SplineLstmError(Exception):
    """Base of all user-facing errors.

    Attributes
    ----------
    exit_code : int
        Exit status of a command that ends with this error.
    title : str
        Name of the error class as it is printed.
    lines : tuple of str
        One message per violation, if several rules are broken at once; `str` gives the first.
    """

    exit_code: ClassVar[int] = 1
    title: ClassVar[str] = "error"

    def __init__(self, message: str, *more: str) -> None:
        self.lines = tuple(" ".join(line.split()) for line in (message, *more))
        super().__init__(self.lines[0])


class UsageError(SplineLstmError):
    """The command line does not fit the command."""

    exit_code = 2
    title = "usage"


class ParamsError(SplineLstmError):
    """params.yaml has a wrong key, type or value."""

    exit_code = 10
    title = "params"


class SchemaError(SplineLstmError):
    """The covariate schema is not valid, or does not fit the params."""

    exit_code = 11
    title = "schema"


class DataContractError(SplineLstmError):
    """The raw table breaks the data contract.

    Attributes
    ----------
    quality : dict
        The quality report as far as it was made, ready for JSON.
    """

    exit_code = 12
    title = "data contract"

    def __init__(self, message: str, *more: str, quality: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, *more)
        self.quality = dict(quality or {"violations": list(self.lines)})


class MissingCovariateError(SplineLstmError):
    """A covariate that the schema requires is not in the raw table."""

    exit_code = 13
    title = "required covariate"


class TooLittleDataError(SplineLstmError):
    """A split has no complete window."""

    exit_code = 14
    title = "too little data"


class ArtifactError(SplineLstmError):
    """Artefacts are missing or damaged, or do not belong together."""

    exit_code = 15
    title = "artefacts"


class DivergedError(SplineLstmError):
    """The training loss or a gradient is no longer finite."""

    exit_code = 16
    title = "training diverged"


class ExportError(SplineLstmError):
    """A model file could not be exported."""

    exit_code = 17
    title = "export"


class GateError(SplineLstmError):
    """An exported file does not meet its thresholds."""

    exit_code = 18
    title = "gate"


class LeakageError(SplineLstmError):
    """A window changed when the data at and after its origin were changed."""

    exit_code = 19
    title = "leakage"


class ExperimentError(SplineLstmError):
    """Experiments cannot be run here, failed, or do not fit together."""

    exit_code = 20
    title = "experiments"


class StoreError(SplineLstmError):
    """The store has no such model or prediction, is damaged, or a training for it failed."""

    exit_code = 21
    title = "store"


class MissingPackageError(SplineLstmError):
    """A package that is an extra is needed and not installed."""

    exit_code = 22
    title = "missing package"


class WorkerError(SplineLstmError):
    """The process of a task was lost, several times in a row."""

    exit_code = 23
    title = "workers"


def prefixed(error: SplineLstmError, prefix: str) -> SplineLstmError:
    """The same error, each of its messages after a prefix that says where, if it does not.

    >>> str(prefixed(ParamsError("seed is missing"), "fold 2"))
    'fold 2: seed is missing'
    >>> str(prefixed(ParamsError("part-0, series 'a': no rows"), "part-0"))
    "part-0, series 'a': no rows"
    """
    lines = (line if line.startswith(prefix) else f"{prefix}: {line}" for line in error.lines)
    return type(error)(*lines)


def shorten(value: object, limit: int = 80) -> str:
    """Text of a user's value for a message, cut if it is long.

    >>> shorten("x" * 200, 12)
    "'xxxxxxxx..."
    """
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def report(error: SplineLstmError) -> int:
    """Print `error` on stderr, one line per violation, and return its exit code."""
    if os.environ.get("SPLINE_LSTM_DEBUG") == "1":
        traceback.print_exception(error)
    for line in error.lines:
        print(f"{error.exit_code} {error.title}: {line}", file=sys.stderr)
    return error.exit_code
