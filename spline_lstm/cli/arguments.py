"""Arguments that several commands share."""

import argparse
from pathlib import Path


def add_folder(command: argparse.ArgumentParser) -> None:
    """FOLDER, the pipeline that the command works on."""
    command.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="pipeline folder, such as pipelines/stores (default: this folder)",
    )
