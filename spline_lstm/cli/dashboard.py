"""Command dashboard: the page for people, without JAX or TensorFlow."""

import argparse
from pathlib import Path

from spline_lstm.core.errors import UsageError
from spline_lstm.page.run import serve_page
from spline_lstm.page.sources import find_sources

DESCRIPTION = """\
Show pipelines in a browser: forecasts with their intervals, stored predictions, registered models,
the comparison, the data and the backtest. It reads what the stages, score and registry wrote, and
never trains. It listens on this machine only (127.0.0.1) and sends nothing to others.
docs/dashboard.md has a picture of each tab. Needs neither JAX nor TensorFlow.
"""
EXAMPLES = """
python -m spline_lstm dashboard
python -m spline_lstm dashboard pipelines/stores
python -m spline_lstm dashboard . pipelines/stores --port 8080
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "folders",
        nargs="*",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="pipeline folders, such as pipelines/stores (default: this folder and those in its "
        "folder pipelines)",
    )
    command.add_argument(
        "--port", type=int, default=8501, help="port to listen on, 0 for a free one"
    )


def run(arguments: argparse.Namespace) -> str:
    """Serve the page until the process is told to end."""
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port} is not a port; give one from 0 to 65535")
    serve_page(find_sources(arguments.folders), arguments.port)
    return "the page has stopped"
