"""Stage ingest: a named source to data/raw, its bytes unchanged."""

from pathlib import Path

from spline_lstm.core.artifacts import sha256_of_file, write_metrics
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import load_params
from spline_lstm.core.params_data import DataParams
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tables.raw_file import check_dvc_yaml, write_raw
from spline_lstm.tables.raw_table import RawTable, read_raw_table
from spline_lstm.tables.source_deps import check_watched
from spline_lstm.tables.sources import read_source

MAX_NAMED = 8


def main(folder: Path) -> str:
    """Write the raw table and metrics/ingest.json, unless the table breaks the contract."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    content = read_source(params.data.source, folder)
    check_watched(pipeline, params.data.source)
    check_dvc_yaml(pipeline, content, params.data.source)
    try:
        table = read_raw_table(
            content,
            schema,
            where=params.data.source,
            reading=Reading.of(params.data),
        )
    except DataContractError as error:
        write_metrics(pipeline.metrics("ingest"), error.quality)
        raise
    raw = write_raw(pipeline, content)
    metrics = {
        "source": params.data.source,
        "rows": len(table.timestamps) + table.duplicates,
        "columns": [*table.columns, *table.unknown_columns],
        "first_timestamp": params.clock.text_of(int(table.timestamps.min())),
        "last_timestamp": params.clock.text_of(int(table.timestamps.max())),
        "sha256": sha256_of_file(raw),
        "code_id": stage_code_id(folder, "ingest"),
    }
    write_metrics(pipeline.metrics("ingest"), metrics)
    span = f"{metrics['first_timestamp']} to {metrics['last_timestamp']}"
    return f"{params.data.source}: {metrics['rows']} rows, {span}{blank_line(table, params.data)}"


def blank_line(table: RawTable, data: DataParams) -> str:
    """A line that names the series of a wide table without any value, and what becomes of them."""
    if not table.blank_series:
        return ""
    names = ", ".join(map(repr, table.blank_series[:MAX_NAMED]))
    more = len(table.blank_series) - MAX_NAMED
    rest = f" and {more} more" if more > 0 else ""
    policy = f"data.short_series: {data.short_series}"
    return f"\nWARNING: series without any value: {names}{rest} ({policy})"


if __name__ == "__main__":
    run_stage("ingest", main)
