"""Command retrain: train, and promote the model only if it is better beyond the noise."""

import argparse

from spline_lstm.cli.arguments import add_folder
from spline_lstm.experiments.git import find_pipeline
from spline_lstm.store.retrain import retrain

DESCRIPTION = """\
Train a pipeline as the command train does, compare the new model with the promoted one on the
newest data that neither was trained on, and promote it only if it is better beyond the noise (95 %
interval of a paired block bootstrap). The previous model is kept. One line goes to the output and
to retrain.log in the store; the exit code is not 0 if anything failed. docs/operations.md shows how
to run it every week.
"""
EXAMPLES = """
python -m spline_lstm retrain
python -m spline_lstm retrain pipelines/stores
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)


def run(arguments: argparse.Namespace) -> str:
    """Retrain; returns the line of the log."""
    return retrain(find_pipeline(arguments.folder))
