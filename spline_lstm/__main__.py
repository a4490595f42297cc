"""Commands: ``python -m spline_lstm COMMAND``.

A command is a module of `spline_lstm.cli` with `add_arguments(parser)` and `run(arguments) -> str`. It
is imported only when it is called, because some of them need libraries that take seconds to load.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from spline_lstm.core.errors import SplineLstmError, report

COMMANDS = {
    "check": "Validate params.yaml and the covariate schema of a folder, and that its source is there; run nothing.",
    "audit-leakage": "Change everything at and after random forecast origins, build again, and compare the windows "
    "bit by bit.",
    "predict": "Forecast from raw history with an exported file (.onnx or .tflite).",
    "compare": "Run models x feature modes x seeds as DVC experiments, one after another, and write the comparison.",
    "promote": "Take an experiment into the workspace, with an artifacts: entry in dvc.yaml, ready to be committed.",
    "tune": "Search better hyperparameters on training and validation data; write them as a patch of params.yaml.",
    "init": "Look at a file and write a pipeline for it: pipelines/NAME with params, schema and dvc.yaml.",
}


def parser(called: str) -> argparse.ArgumentParser:
    """The command line; only the command that is `called` has its arguments."""
    root = argparse.ArgumentParser(
        prog="python -m spline_lstm", description="Reproducible forecasting under DVC."
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == called:
            module = importlib.import_module(f"spline_lstm.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    arguments = parser(words[0] if words else "").parse_args(words)
    try:
        print(arguments.run(arguments))
    except SplineLstmError as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
