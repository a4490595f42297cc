"""Command store: the stored predictions as a DuckDB file, and a check of the whole store."""

import argparse
from pathlib import Path

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.params import load_params
from spline_lstm.store.check import check_store
from spline_lstm.store.database import export
from spline_lstm.store.files import Store

DESCRIPTION = """\
Look after the store of a pipeline folder. The action export writes its predictions as the table
predictions of a DuckDB file for other tools (it needs the extra store); check reads every file of
the store, and says how many rows and models there are and whether something is damaged.
"""
EXAMPLES = """
python -m spline_lstm store export predictions.duckdb
python -m spline_lstm store export predictions.duckdb pipelines/stores
python -m spline_lstm store check
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = command.add_subparsers(
        required=True, dest="action", metavar="ACTION", help="export or check"
    )
    writing = actions.add_parser("export", help="write the predictions into a DuckDB file")
    writing.add_argument("file", type=Path, metavar="FILE", help="the file, such as all.duckdb")
    add_folder(writing)
    add_folder(actions.add_parser("check", help="read every file of the store"))


def run(arguments: argparse.Namespace) -> str:
    """Export or check; returns what was found."""
    folder: Path = arguments.folder
    store = Store.of(folder, load_params(folder).store)
    if arguments.action == "export":
        return export(store.predictions, arguments.file)
    return check_store(store)
