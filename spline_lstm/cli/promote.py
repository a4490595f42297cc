"""Command promote: take an experiment over."""

import argparse
from pathlib import Path

from spline_lstm.experiments.git import find_place
from spline_lstm.experiments.promote import promote


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument("name", metavar="NAME", help="experiment, such as gru-univariate-s42")
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="pipeline folder (default: this one)"
    )


def run(arguments: argparse.Namespace) -> str:
    """Take an experiment into the workspace, with an artifacts: entry in dvc.yaml, ready to be committed."""
    return promote(find_place(arguments.folder), arguments.name)
