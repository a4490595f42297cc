"""The leakage audit of a pipeline folder of series: its raw table, its params, one sentence."""

from pathlib import Path

from spline_lstm.core.clock_inference import bind
from spline_lstm.core.errors import LeakageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.evaluation.leakage import audit
from spline_lstm.tables.raw_file import find_sample
from spline_lstm.tables.raw_table import read_raw_table


def audit_folder(folder: Path, params: Params, origins: int, seed: int) -> str:
    """Audit the preprocessing of the raw table of a folder, and say what was compared.

    Raises
    ------
    LeakageError
        A window knows the future.
    """
    schema = load_schema(folder / params.data.schema_file)
    pipeline = Pipeline(folder)
    raw = find_sample(pipeline)
    reading = Reading.of(params.data)
    table = read_raw_table(raw.read_bytes(), schema, where=str(raw), reading=reading)
    clock = bind(params.clock, table.timestamps)
    result = audit(
        table,
        schema,
        params.preprocess,
        params.window,
        clock=clock,
        options=TargetOptions.of(params),
        origins=origins,
        seed=seed,
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
    # Of a panel in partitions the first one stands for all.
    sample = "" if raw in pipeline.raw_files else f" of {raw.name}"
    return f"windows{sample} compared bit by bit: {compared}; 0 differ{remark}"
