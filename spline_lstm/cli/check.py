"""Command check: the files that people write, against their rules."""

import argparse
from pathlib import Path

from spline_lstm.core.params import load_params
from spline_lstm.core.schema import load_schema
from spline_lstm.models.types import check_types
from spline_lstm.tables.sources import read_source


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="pipeline folder (default: this one)"
    )


def run(arguments: argparse.Namespace) -> str:
    """Read params.yaml and the schema, and open the source as ingest does; any broken rule is an error."""
    folder: Path = arguments.folder
    params = load_params(folder)
    check_types(params)
    schema = load_schema(folder / params.data.schema_file)
    read_source(params.data.source, folder)
    files = f"{folder / 'params.yaml'} and {folder / params.data.schema_file}"
    return f"{files} are valid; targets: {', '.join(schema.target_cols)}"
