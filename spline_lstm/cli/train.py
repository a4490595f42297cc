"""Command train: dvc repro, followed by a row of the registry."""

import argparse

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.formatting import listed
from spline_lstm.experiments.git import find_pipeline
from spline_lstm.store.train import changed_files, train

DESCRIPTION = """\
Run `dvc repro` for a pipeline folder and register the model: its files are copied into the store,
and the registry gets a row with the commit, the hash of the data, the params and the metrics. A
training that fails gets a row with the reason. Nothing is promoted; `registry promote` or `retrain`
does that.
"""
EXAMPLES = """
python -m spline_lstm train
python -m spline_lstm train pipelines/stores
python -m spline_lstm registry promote 3f2a pipelines/stores
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)


def run(arguments: argparse.Namespace) -> str:
    """Train; returns the model."""
    pipeline = find_pipeline(arguments.folder)
    model, is_new = train(pipeline)
    if not is_new:
        changed = changed_files(pipeline, model)
        differ = f"; its stored files stay, though {listed(changed)} differ" if changed else ""
        return f"model {model.model_id} is in the registry already ({model.status}){differ}"
    return (
        f"model {model.model_id} is registered; `python -m spline_lstm registry promote "
        f"{model.model_id} {arguments.folder}` promotes it"
    )
