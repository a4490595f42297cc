"""Command show: the experiments of a pipeline as a table."""

import argparse

from ruamel.yaml import YAML

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.ledger import FOLDER, read_failures
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.failed import failed_csv, failed_text
from spline_lstm.experiments.git import find_pipeline
from spline_lstm.experiments.show import as_csv, as_text, read_rows

DESCRIPTION = """\
List the experiments of a pipeline: what each changed in params.yaml, its errors on the test
split, and latency and size of its exported file (compare.format of params.yaml). The commit that
they started from is listed with them. The lowest RMSE comes first. With --failed: the stages that
failed, in experiments and outside of them, with the reason and the last losses of a training.
"""
EXAMPLES = """
python -m spline_lstm show                   # experiments of the newest commit that has any
python -m spline_lstm show --all             # experiments of every commit
python -m spline_lstm show --csv > experiments.csv
python -m spline_lstm show --failed          # stages that failed, why, and how far they came
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--all", action="store_true", help="experiments of every commit, not only of the newest"
    )
    which.add_argument(
        "--failed", action="store_true", help="failed stages and experiments, newest first"
    )
    command.add_argument(
        "--csv", action="store_true", help="print CSV with all digits, not an aligned table"
    )


def run(arguments: argparse.Namespace) -> str:
    """Return the table; without experiments one sentence, or the header of the CSV."""
    pipeline = find_pipeline(arguments.folder)
    if arguments.failed:
        return failures(pipeline, as_table=arguments.csv)
    file_format = load_params(pipeline.folder).compare.format
    rows = read_rows(pipeline, file_format, every_commit=arguments.all)
    if not rows and not arguments.csv:
        params, dvc_yaml = (str(pipeline.inside(name)) for name in ("params.yaml", "dvc.yaml"))
        # Without files DVC runs the pipeline of the root.
        is_root = params == "params.yaml"
        changed = "-S KEY=VALUE" if is_root else f"{dvc_yaml} -S {params}:KEY=VALUE"
        return (
            f"{params}: no experiments of this pipeline yet; "
            f"start one with `dvc exp run --temp --name NAME {changed}`"
        )
    return as_csv(rows) if arguments.csv else as_text(rows)


def failures(pipeline: TrackedPipeline, *, as_table: bool) -> str:
    """The ledger of failures, newest first; without any one sentence, or the header of the CSV."""
    found = read_failures(pipeline.folder)
    present = YAML(typ="safe").load(pipeline.params.read_text("utf-8"))
    if as_table:
        return failed_csv(found, present)
    if not found:
        return f"{pipeline.inside(FOLDER)}: no stage of this pipeline has failed"
    return failed_text(found, present)
