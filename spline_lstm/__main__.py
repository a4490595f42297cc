"""Commands: ``python -m spline_lstm COMMAND``."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spline_lstm.audit import audit
from spline_lstm.comparison.command import add_compare_arguments, add_promote_arguments, run_compare, run_promote
from spline_lstm.errors import ArtifactError, LeakageError, SplineLstmError, report
from spline_lstm.evaluation.tables import iso_stamp
from spline_lstm.params import load_params
from spline_lstm.scaffold.choices import Wishes
from spline_lstm.scaffold.text import SEPARATORS
from spline_lstm.scaffold.writing import scaffold
from spline_lstm.schema import load_schema
from spline_lstm.series.reading import read_raw_table
from spline_lstm.tuning.command import add_tune_arguments, run_tune


def check(arguments: argparse.Namespace) -> str:
    """Validate params.yaml and the covariate schema of a folder; run nothing."""
    folder: Path = arguments.folder
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    files = f"{folder / 'params.yaml'} and {folder / params.data.schema_file}"
    return f"{files} are valid; targets: {', '.join(schema.target_cols)}"


def audit_leakage(arguments: argparse.Namespace) -> str:
    """Change everything at and after random forecast origins, build again, and compare the windows bit by bit."""
    folder: Path = arguments.folder
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    raw = folder / "data/raw/series.csv"
    if not raw.is_file():
        raise ArtifactError(f"{raw} is missing; run `dvc repro` to make it")
    table = read_raw_table(
        raw.read_bytes(), schema, where=str(raw), sort=params.data.sort, duplicates=params.data.duplicates
    )
    result = audit(table, schema, params.preprocess, params.window, origins=arguments.origins, seed=arguments.seed)
    compared = ", ".join(f"{count} {split}" for split, count in result.compared.items())
    if result.differences:
        first = result.differences[0]
        raise LeakageError(
            f"{raw}: {len(result.differences)} of the windows compared ({compared}) changed with the data after their "
            f"origin; first {first.split} window at {iso_stamp(first.instant)} {first.series}: "
            f"{', '.join(first.features)} ({first.change}). Report this as a defect, with params.yaml and the schema"
        )
    return f"windows compared bit by bit: {compared}; 0 differ"


def init(arguments: argparse.Namespace) -> str:
    """Look at a file and write a pipeline for it: pipelines/NAME with params, schema and dvc.yaml."""
    wishes = Wishes(
        timestamp=arguments.timestamp,
        targets=tuple(arguments.target),
        series=arguments.series,
        frequency=arguments.frequency,
        timestamp_format=arguments.timestamp_format,
        separator=arguments.separator,
        decimal=arguments.decimal,
        missing=tuple(arguments.missing),
    )
    return scaffold(arguments.name, arguments.csv, wishes, Path())


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m spline_lstm", description="Reproducible forecasting under DVC.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = _command(commands, "check", check)
    checking.add_argument("folder", nargs="?", type=Path, default=Path(), help="pipeline folder (default: this one)")
    auditing = _command(commands, "audit-leakage", audit_leakage)
    auditing.add_argument("folder", nargs="?", type=Path, default=Path(), help="pipeline folder (default: this one)")
    auditing.add_argument("--origins", type=int, default=200, help="random origins per split (default: 200)")
    auditing.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    _add_init_arguments(_command(commands, "init", init))
    add_compare_arguments(_command(commands, "compare", run_compare))
    add_promote_arguments(_command(commands, "promote", run_promote))
    add_tune_arguments(_command(commands, "tune", run_tune))
    return root


def _add_init_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="name of the pipeline: letters, digits, - and _")
    command.add_argument("--csv", type=Path, required=True, metavar="FILE", help="CSV or Parquet file")
    command.add_argument("--timestamp", metavar="COL", help="column of the stamps")
    command.add_argument("--target", metavar="COL", action="append", default=[], help="column to forecast; repeatable")
    command.add_argument("--series", metavar="COL", help="column that tells series apart")
    command.add_argument("--frequency", metavar="F", help="step of the regular grid: 5min, 1h, 1D")
    command.add_argument(
        "--timestamp-format", metavar="FORM", help="ISO8601, %%d/%%m/%%Y %%H:%%M, unix_s, unix_ms, ..."
    )
    command.add_argument("--separator", metavar="C", choices=tuple(SEPARATORS), help="character between columns")
    command.add_argument("--decimal", metavar="C", choices=(".", ","), help="decimal mark")
    command.add_argument(
        "--missing", metavar="TEXT", action="append", default=[], help="text or number that means missing; repeatable"
    )


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
