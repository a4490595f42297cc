"""Commands: ``python -m spline_lstm COMMAND``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spline_lstm.errors import SplineLstmError, report
from spline_lstm.params import load_params
from spline_lstm.schema import load_schema


def check(arguments: argparse.Namespace) -> str:
    """Validate params.yaml and the covariate schema of a folder; run nothing."""
    folder: Path = arguments.folder
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    files = f"{folder / 'params.yaml'} and {folder / params.data.schema_file}"
    return f"{files} are valid; targets: {', '.join(schema.target_cols)}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m spline_lstm", description="Reproducible forecasting under DVC.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = _command(commands, "check", check)
    checking.add_argument("folder", nargs="?", type=Path, default=Path(), help="pipeline folder (default: this one)")
    return root


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Callable[[argparse.Namespace], str]
) -> argparse.ArgumentParser:
    summary = (run.__doc__ or "").splitlines()[0]
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = parser().parse_args(argv)
    try:
        print(arguments.run(arguments))
    except SplineLstmError as error:
        return report(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
