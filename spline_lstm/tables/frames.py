"""A raw table as a frame: the columns that the schema names, and the line of each row.

Cells are not read yet; `spline_lstm.tables.raw_table` does that.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.schema import Schema
from spline_lstm.tables.arrow_csv import arrow_frame
from spline_lstm.tables.contract import (
    SEPARATOR_ADVICE,
    SKIP_ADVICE,
    check_header,
    needed_columns,
)
from spline_lstm.tables.csv_text import header_line, parse_csv, plain_lines, read_header, read_lines
from spline_lstm.tables.parquet import is_parquet, parquet_frame, parquet_header


def table_frame(
    content: bytes, schema: Schema, where: str
) -> tuple[pd.DataFrame, Int[np.ndarray, " rows"], tuple[str, ...]]:
    """The columns that the schema names, the row number of each row, and the other columns' names.

    Parameters and errors are those of `read_raw_table`.
    """
    if is_parquet(content):
        header = parquet_header(content, where)
        check_header(header, schema, where)
        chosen = [name for name in header if name in named_columns(schema)]
        frame = parquet_frame(content, where, chosen)
        lines = np.arange(2, len(frame) + 2, dtype=np.int64)
    else:
        frame, lines, header = csv_frame(content, schema, where)
    return frame, lines, tuple(name for name in header if name not in frame.columns)


def named_columns(schema: Schema) -> set[str]:
    """Columns of the raw table that a schema names."""
    return {*needed_columns(schema), *schema.covariate_names}


def csv_frame(
    content: bytes, schema: Schema, where: str
) -> tuple[pd.DataFrame, Int[np.ndarray, " rows"], list[str]]:
    """The named columns of CSV text, the line of each row, and the header.

    Errors are those of `read_raw_table`.
    """
    content = plain_lines(content, schema.table_format, where)
    header = read_header(content, schema.table_format)
    if not header:
        raise DataContractError(f"{where}: the file has no table; it needs a header line and rows")
    needed = needed_columns(schema)
    line = header_line(content, schema.table_format, needed)
    advice = SEPARATOR_ADVICE if line in (None, 1) else SKIP_ADVICE.format(line, line - 1)
    check_header(header, schema, where, advice)
    lines = read_lines(content, schema.table_format, len(header), where)
    texts, named = _text_columns(schema, header), named_columns(schema)
    columns = [name for name in header if name in named]
    frame = arrow_frame(content, schema.table_format, columns, texts)
    if frame is None or len(frame) != len(lines):
        frame = parse_csv(content, schema.table_format, where, texts)[columns]
    if len(lines) != len(frame):
        lines = np.arange(2, len(frame) + 2, dtype=np.int64)
    return frame, lines, header


def plain_frame(frame: pd.DataFrame, schema: Schema, where: str) -> pd.DataFrame:
    """The columns of a frame in memory that the schema names.

    Timestamps and series keys may be in its index.

    Raises
    ------
    DataContractError, MissingCovariateError
        The frame has no rows, or a column is missing or appears twice.
    """
    needed = needed_columns(schema)
    times = schema.timestamp_cols
    if (
        isinstance(frame.index, pd.DatetimeIndex)
        and len(times) == 1
        and times[0] not in (*frame.columns, frame.index.name)
    ):
        frame = frame.rename_axis(times[0])
    if any(name in frame.index.names for name in needed if name not in frame.columns):
        frame = frame.reset_index()
    check_header([str(name) for name in frame.columns], schema, where)
    if frame.empty:
        raise DataContractError(f"{where}: the frame has no rows; it must have rows")
    named = named_columns(schema)
    return frame[[name for name in frame.columns if name in named]].reset_index(drop=True)


def _text_columns(schema: Schema, header: Sequence[str]) -> list[str]:
    """Columns whose cells must reach us as they are written: 01 is another series than 1."""
    names = [
        *schema.timestamp_cols,
        schema.series_col,
        *(item.name for item in schema.static_covariates),
    ]
    names += [item.name for item in schema.dynamic_covariates if item.is_discrete]
    return [name for name in dict.fromkeys(names) if name is not None and name in header]
