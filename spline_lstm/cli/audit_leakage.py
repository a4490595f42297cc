"""Command audit-leakage: whether any window of the data at hand knows the future."""

import argparse
from collections.abc import Callable
from pathlib import Path

from spline_lstm.cli.arguments import add_folder
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.errors import LeakageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.evaluation.leakage import audit
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.raw_table import read_raw_table

DESCRIPTION = """\
Draw forecast origins, change all data at and after each of them (of a covariate with a delay, from
as many rows earlier on), build the windows again and compare them bit by bit: a window that differs
has seen the future. Half of the origins are drawn from rows that follow a filled gap or a replaced
outlier, where a leak would show. Ends with code 19 if a window differs.
"""
EXAMPLES = """
python -m spline_lstm audit-leakage --origins 20
python -m spline_lstm audit-leakage pipelines/stores --seed 1
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_folder(command)
    command.add_argument(
        "--origins", type=_at_least(1), default=200, metavar="N", help="origins per split"
    )
    command.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="seed of the draw"
    )


def _at_least(minimum: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number of at least {minimum}"
            )
        return int(text)

    return whole_number


def run(arguments: argparse.Namespace) -> str:
    """Build the windows of the folder's raw table twice; a difference is an error."""
    folder: Path = arguments.folder
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    raw = find_raw(Pipeline(folder))
    table = read_raw_table(
        raw.read_bytes(),
        schema,
        where=str(raw),
        reading=Reading.of(params.data),
    )
    clock = bind(params.clock, table.timestamps)
    result = audit(
        table,
        schema,
        params.preprocess,
        params.window,
        clock=clock,
        options=TargetOptions.of(params),
        origins=arguments.origins,
        seed=arguments.seed,
    )
    compared = ", ".join(f"{count} {split}" for split, count in result.compared.items())
    if result.differences:
        first = result.differences[0]
        raise LeakageError(
            f"{raw}: {len(result.differences)} of the windows compared ({compared}) changed with "
            f"the data after their origin; first {first.split} window at "
            f"{clock.text_of(first.instant)} {first.series}: "
            f"{', '.join(first.features)} ({first.change}). "
            "Report this as a defect, with params.yaml and the schema"
        )
    late = [f"{item.name} by {plural(item.delay, 'row')}" for item in schema.delayed]
    remark = f"; known late: {', '.join(late)}" if late else ""
    return f"windows compared bit by bit: {compared}; 0 differ{remark}"
