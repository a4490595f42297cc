"""Commands: ``python -m spline_lstm COMMAND``, or ``spline-lstm COMMAND``.

A command is a module of `spline_lstm.cli` with `DESCRIPTION`, `EXAMPLES`, `add_arguments(parser)`
and `run(arguments) -> str`. It is imported only when it is called, because some of them need
libraries that take seconds to load.
"""

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from spline_lstm.core.blas import limit_blas_threads
from spline_lstm.core.errors import SplineLstmError, report
from spline_lstm.core.garbage import importing

# As a shell reports a program that SIGPIPE ended: 128 + 13.
CLOSED_PIPE = 141
# In the order in which one meets them; what a command does in one line.
COMMANDS = {
    "init": "write a pipeline folder for a CSV or Parquet file",
    "check": "check params.yaml, the schema and the source, without running anything",
    "show": "list the experiments of a pipeline",
    "compare": "run models x feature modes x seeds as experiments and compare them",
    "promote": "copy the results of an experiment into the workspace",
    "tune": "search for better hyperparameters",
    "predict": "forecast from new data with an exported file",
    "train": "run a pipeline and register its model",
    "retrain": "train, and promote the model if it is better beyond the noise",
    "registry": "list, show, promote or retire registered models",
    "score": "store what the promoted model says at the end of dates",
    "explain": "name the reasons of a probability",
    "serve": "serve forecasts over HTTP",
    "dashboard": "show pipelines in a browser",
    "store": "export or check the stored predictions",
    "audit-leakage": "test that no window contains data from after its forecast origin",
}
EPILOG = """start here:
  python -m spline_lstm init demand --csv demand.csv   # a pipeline for your own data
  dvc repro pipelines/demand/dvc.yaml                  # run it
  python -m spline_lstm COMMAND --help                 # what a command does, with examples
"""


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of examples, and adds the default of each option."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        is_example = "\n  python -m spline_lstm" in text
        return text.rstrip() if is_example else super()._fill_text(text, width, indent)

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        if "default" in text or action.required or isinstance(action, argparse._HelpAction):
            return text
        if action.default is False:
            return f"{text} (default: off)"
        return text if action.default in (None, []) else f"{text} (default: %(default)s)"


def parser(called: str, program: str = "python -m spline_lstm") -> argparse.ArgumentParser:
    """The command line; only the command that is `called` has its arguments."""
    root = argparse.ArgumentParser(
        prog=program,
        description="Reproducible forecasting of time series under DVC.",
        epilog=EPILOG,
        formatter_class=HelpFormatter,
    )
    commands = root.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, formatter_class=HelpFormatter)
        if name == called:
            module = importlib.import_module(f"spline_lstm.cli.{name.replace('-', '_')}")
            command.description = module.DESCRIPTION
            command.epilog = "examples:" + module.EXAMPLES.rstrip().replace("\n", "\n  ")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return root


def leave_closed_pipe() -> int:
    """The exit code of a program whose reader, such as ``head``, has had enough; nothing is said.

    What is still in the buffer goes nowhere, or Python would complain about it at exit.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    limit_blas_threads()
    words = sys.argv[1:] if argv is None else argv
    called_as = Path(sys.argv[0]).name
    program = called_as if called_as == "spline-lstm" else "python -m spline_lstm"
    # In a process of its own all that it imports stays.
    with importing(stays=True) if argv is None else contextlib.nullcontext():
        arguments = parser(words[0] if words else "", program).parse_args(words)
    try:
        print(arguments.run(arguments))
        sys.stdout.flush()
    except SplineLstmError as error:
        return report(error)
    except BrokenPipeError:
        return leave_closed_pipe()
    return 0


if __name__ == "__main__":
    sys.exit(main())
