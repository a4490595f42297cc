"""Command promote: copy an experiment into the workspace."""

import argparse

from spline_lstm.cli.arguments import add_folder
from spline_lstm.experiments.git import find_pipeline
from spline_lstm.experiments.promote import promote

DESCRIPTION = """\
Copy the params, metrics, plots, data and models of an experiment into the workspace, with its
dvc.lock, and name the model in the artifacts of dvc.yaml. The commands that keep or undo this are
printed; nothing is committed.
"""
EXAMPLES = """
python -m spline_lstm show                            # the names of the experiments
python -m spline_lstm promote gru-univariate-s42
python -m spline_lstm promote stores-64 pipelines/stores
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    command.add_argument(
        "name", metavar="NAME", help="name of the experiment, such as gru-univariate-s42"
    )
    add_folder(command)


def run(arguments: argparse.Namespace) -> str:
    """Copy an experiment into the workspace and name its model in dvc.yaml."""
    return promote(find_pipeline(arguments.folder), arguments.name)
