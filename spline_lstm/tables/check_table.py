"""What the stage ingest says of a raw table of series."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.params_data import DataParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.stage_files import CheckedTable
from spline_lstm.tables.raw_table import RawTable, read_raw_table

MAX_NAMED = 8


def check_table(content: bytes, folder: Path, params: Params) -> CheckedTable:
    """Read the raw table of a pipeline folder from its bytes.

    Raises
    ------
    DataContractError
        The table breaks the contract.
    """
    table = read_raw_table(
        content,
        load_schema(folder / params.data.schema_file),
        where=params.data.source,
        reading=Reading.of(params.data),
    )
    metrics = {
        "rows": len(table.timestamps) + table.duplicates,
        "columns": [*table.columns, *table.unknown_columns],
        "first_timestamp": params.clock.text_of(int(table.timestamps.min())),
        "last_timestamp": params.clock.text_of(int(table.timestamps.max())),
    }
    span = f"{metrics['first_timestamp']} to {metrics['last_timestamp']}"
    return CheckedTable(metrics, f"{metrics['rows']} rows, {span}{blank_line(table, params.data)}")


def blank_line(table: RawTable, data: DataParams) -> str:
    """A line that names the series of a wide table without any value, and what becomes of them."""
    if not table.blank_series:
        return ""
    names = ", ".join(map(repr, table.blank_series[:MAX_NAMED]))
    more = len(table.blank_series) - MAX_NAMED
    rest = f" and {more} more" if more > 0 else ""
    policy = f"data.short_series: {data.short_series}"
    return f"\nWARNING: series without any value: {names}{rest} ({policy})"
