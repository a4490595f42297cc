"""What the stage ingest says of a table of rows."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.row_schema import load_row_schema
from spline_lstm.core.stage_files import CheckedTable
from spline_lstm.rows.labels import check_target
from spline_lstm.tables.row_table import read_row_table


def check_rows_table(
    content: bytes, folder: Path, params: Params, where: str | None = None
) -> CheckedTable:
    """Read the table of rows of a pipeline folder from its bytes; `where` names it in messages.

    Raises
    ------
    SchemaError
        The schema does not have the target.
    DataContractError
        The table breaks the contract.
    """
    check_rows_schema(folder, params)
    schema = load_row_schema(folder / params.data.schema_file)
    table = read_row_table(content, schema, where=where or params.data.source)
    metrics = {"rows": len(table), "columns": [*table.columns, *table.unknown_columns]}
    return CheckedTable(metrics, f"{len(table)} rows, {len(table.columns)} columns")


def check_rows_schema(folder: Path, params: Params) -> tuple[str, ...]:
    """The target of a folder whose schema and params fit together.

    Raises
    ------
    SchemaError
        The schema breaks a rule, or does not have the target.
    """
    schema = load_row_schema(folder / params.data.schema_file)
    check_target(schema, params.tabular, params.data.schema_file)
    return (params.tabular.target,)
