"""Command registry: the models that were trained, and the one that scores."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.params import load_params
from spline_lstm.store.files import Store
from spline_lstm.store.registry import Registry
from spline_lstm.store.tables import model_text, models_table

DESCRIPTION = """\
List the models that `train` and `retrain` registered, failed trainings included, show one of them,
promote one (the command score takes it from then on; the one before is kept), or retire one. To
roll back, promote the previous model again. An id may be cut short if its beginning is unique. Not
to be confused with the command promote, which copies an experiment into the workspace.
"""
EXAMPLES = """
python -m spline_lstm registry list
python -m spline_lstm registry show 3f2a pipelines/stores
python -m spline_lstm registry promote 3f2a
python -m spline_lstm registry retire 3f2a
"""
ACTIONS = {
    "show": "everything that is known of a model",
    "promote": "make it the model that score takes",
    "retire": "mark it as not to be used; its row and files stay",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = command.add_subparsers(
        required=True, dest="action", metavar="ACTION", help="list, show, promote or retire"
    )
    add_folder(actions.add_parser("list", help="all models, the newest first"))
    for name, summary in ACTIONS.items():
        action = actions.add_parser(name, help=summary)
        action.add_argument("model", metavar="MODEL", help="its id, or how it begins")
        add_folder(action)


def run(arguments: argparse.Namespace) -> str:
    """One action; returns the models, or what was done."""
    folder: Path = arguments.folder
    registry = Registry(Store.of(folder, load_params(folder).store).registry)
    if arguments.action == "list":
        return models_table(registry.models(), registry.path)
    if arguments.action == "show":
        return model_text(registry.get(arguments.model))
    if arguments.action == "promote":
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return f"{registry.promote(arguments.model, now).model_id} is promoted"
    return f"{registry.retire(arguments.model).model_id} is retired"
