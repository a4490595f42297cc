"""Command serve: forecasts over HTTP, without JAX or TensorFlow."""

import argparse
import importlib.util
import os
from pathlib import Path

from spline_lstm.core.errors import MissingPackageError, UsageError
from spline_lstm.service.settings import Settings

DESCRIPTION = """\
Serve forecasts and directions over HTTP, from the promoted model of each pipeline folder, or else
from its exported files. A newly promoted model is taken up without a restart. /docs lists the
calls, and docs/service.md has one example of each. With the environment variable
SPLINE_LSTM_API_KEY calls need that key in the header X-API-Key. Needs neither JAX nor TensorFlow.
"""
EXAMPLES = """
python -m spline_lstm serve
python -m spline_lstm serve . pipelines/stores --port 8080
python -m spline_lstm serve --host 0.0.0.0 --workers 4 --log json
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    limits = Settings(())
    command.add_argument(
        "folders",
        nargs="*",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="pipeline folders, such as pipelines/stores (default: this folder)",
    )
    command.add_argument("--host", default="127.0.0.1", help="address to listen on")
    command.add_argument(
        "--port", type=int, default=8000, help="port to listen on, 0 for a free one"
    )
    command.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)"
    )
    command.add_argument("--log", choices=("text", "json"), default="text", help="form of the log")
    command.add_argument(
        "--max-body", type=int, default=limits.max_body, metavar="BYTES", help="most of one body"
    )
    command.add_argument(
        "--max-rows", type=int, default=limits.max_rows, metavar="N", help="most of one series"
    )
    command.add_argument(
        "--max-series", type=int, default=limits.max_series, metavar="N", help="most of one call"
    )
    command.add_argument(
        "--timeout", type=float, default=limits.timeout, metavar="SECONDS", help="most for one call"
    )
    command.add_argument(
        "--reload",
        type=float,
        default=limits.reload_seconds,
        metavar="SECONDS",
        help="between two looks for a newly promoted model",
    )
    command.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a site whose pages may call the service, such as https://example.org (default: none)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Serve until the process is told to end.

    Raises
    ------
    MissingPackageError
        The packages of the service are not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")):
        raise MissingPackageError(
            "this needs FastAPI and uvicorn, which are not installed; call `make env-all`, "
            "or pip install 'spline-lstm[service]'"
        )
    from spline_lstm.service.run import Place, serve  # noqa: PLC0415 - an extra

    for name in ("workers", "max_body", "max_rows", "max_series", "timeout", "reload"):
        if not getattr(arguments, name) > 0:
            raise UsageError(f"--{name.replace('_', '-')} must be above 0; give a larger number")
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port} is not a port; give one from 0 to 65535")
    settings = Settings(
        folders=tuple(str(folder.resolve()) for folder in arguments.folders or [Path()]),
        max_body=arguments.max_body,
        max_rows=arguments.max_rows,
        max_series=arguments.max_series,
        timeout=arguments.timeout,
        reload_seconds=arguments.reload,
        json_logs=arguments.log == "json",
        origins=tuple(arguments.cors),
    )
    serve(settings, Place(arguments.host, arguments.port, arguments.workers))
    return "the service has stopped"
