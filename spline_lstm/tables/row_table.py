"""A table of rows without timestamps: CSV text, Parquet or a frame to typed columns.

Row numbers in messages are lines of the file, the header being line 1.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from spline_lstm.core.errors import DataContractError, shorten
from spline_lstm.core.row_schema import RowColumn, RowSchema
from spline_lstm.core.table_format import TableFormat
from spline_lstm.tables.contract import Violation, raise_violations
from spline_lstm.tables.csv_text import parse_csv, plain_lines, read_header, read_lines
from spline_lstm.tables.parquet import is_parquet, parquet_frame, parquet_header
from spline_lstm.tables.parsing import (
    Faults,
    any_fault,
    cell_texts,
    factorized,
    parse_numbers,
    parse_timestamps,
)

cell_checks: Any = lazy_loader.load("spline_lstm.tables.cell_checks", suppress_warning=True)

# A date that is missing, as pandas has it in int64.
NO_DATE = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class RowTable:
    """Typed columns of a table.

    Attributes
    ----------
    columns : name -> [rows]
        Numbers: float64, NaN where missing. Categories and booleans: objects, texts or None. Dates:
        int64, ns since 1970, `NO_DATE` where missing.
    lines : [rows] int64
        Line of each row in the file.
    unknown_columns : tuple of str
        Columns that the schema does not name.
    """

    columns: Mapping[str, np.ndarray]
    lines: Int[np.ndarray, " rows"]
    unknown_columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def kept(self, rows: Bool[np.ndarray, " rows"]) -> "RowTable":
        """The table with some of its rows."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return RowTable(columns, self.lines[rows], self.unknown_columns)

    def is_missing(self, name: str) -> Bool[np.ndarray, " rows"]:
        """Cells of a column without a value."""
        values = self.columns[name]
        if values.dtype == object:
            return np.array([value is None for value in values], dtype=bool)
        return np.isnan(values) if values.dtype.kind == "f" else values == NO_DATE


def read_row_table(
    content: bytes, schema: RowSchema, *, where: str, optional: Collection[str] = ()
) -> RowTable:
    """Parse and check a table of rows.

    Parameters
    ----------
    content : bytes
        CSV text, in the encoding of its byte order mark or of the schema, or a Parquet file.
    schema : RowSchema
    where : str
        Name of the file in messages.
    optional : names of columns that may be absent, such as the target of rows to predict

    Raises
    ------
    DataContractError
        The content is not a table, a column is absent or appears twice, or cells are not of their
        kind: one line for each.
    """
    if is_parquet(content):
        header = parquet_header(content, where)
        _check_header(header, schema, where, optional)
        frame = parquet_frame(content, where, [name for name in header if name in schema.names])
        lines = np.arange(2, len(frame) + 2, dtype=np.int64)
    else:
        text = plain_lines(content, schema.table_format, where)
        header = read_header(text, schema.table_format)
        _check_header(header, schema, where, optional)
        lines = read_lines(text, schema.table_format, len(header), where)
        texts = [item.name for item in schema.columns if item.kind != "number"]
        frame = parse_csv(text, schema.table_format, where, texts)
    unknown = tuple(name for name in header if name not in schema.names)
    return _typed(frame, schema, lines, unknown, where)


def row_table_of_frame(
    frame: pd.DataFrame, schema: RowSchema, *, where: str, optional: Collection[str] = ()
) -> RowTable:
    """The table of a frame in memory; parameters and errors are those of `read_row_table`."""
    header = [str(name) for name in frame.columns]
    _check_header(header, schema, where, optional)
    lines = np.arange(2, len(frame) + 2, dtype=np.int64)
    unknown = tuple(name for name in header if name not in schema.names)
    renamed = frame.set_axis(header, axis=1).reset_index(drop=True)
    return _typed(renamed, schema, lines, unknown, where)


def _check_header(
    header: Sequence[str], schema: RowSchema, where: str, optional: Collection[str]
) -> None:
    present = shorten(", ".join(header), 400).strip("'")
    twice = [name for name, count in Counter(header).items() if count > 1]
    absent = [name for name in schema.names if name not in {*header, *optional}]
    found = [
        Violation("twice", name, (1,), 1, f"column {name!r} appears twice; remove or rename one")
        for name in twice
    ] + [
        Violation(
            "absent",
            name,
            (),
            1,
            f"column {name!r} of the schema is not in the table (columns: {present}); fix the "
            "schema or table_format.separator",
        )
        for name in absent
    ]
    raise_violations(found, where, {})


def _typed(
    frame: pd.DataFrame,
    schema: RowSchema,
    lines: Int[np.ndarray, " rows"],
    unknown: tuple[str, ...],
    where: str,
) -> RowTable:
    columns, faults = {}, {}
    for item in schema.columns:
        if item.name in frame.columns:
            values, rules = _column(frame[item.name], item, schema.table_format)
            columns[item.name], faults[item.name] = values, rules
    if any_fault(faults.values()):
        forms = {
            item.name: schema.table_format.timestamp_format
            for item in schema.columns
            if item.kind == "date"
        }
        used = frame[list(columns)]
        raise_violations(
            cell_checks.check_cells(used, faults, lines, forms, schema.table_format), where, {}
        )
    return RowTable(columns, lines, unknown)


def _column(
    column: pd.Series, item: RowColumn, table_format: TableFormat
) -> tuple[np.ndarray, Faults]:
    if item.kind == "number":
        cells = parse_numbers(column, table_format)
        return cells.values, cells.faults
    if item.kind == "date":
        cells = parse_timestamps(column, table_format)
        missing = cells.faults.pop("timestamp_missing")
        faults = {rule: mask & ~missing for rule, mask in cells.faults.items()}
        return np.where(missing, NO_DATE, cells.values), faults
    codes, distinct = factorized(column)
    texts = cell_texts(distinct, table_format)
    named = np.array([None if pd.isna(text) else str(text) for text in texts] + [None], object)
    if item.kind == "boolean":
        named = _one_spelling(named)
    faults = {} if item.kind != "boolean" else {"boolean": _third(named)[codes]}
    return named[codes], faults


def _one_spelling(words: np.ndarray) -> np.ndarray:
    """True and TRUE are one word; 1.0 is 1, as a column of numbers with a gap is read."""
    lowered = [None if word is None else str(word).lower().removesuffix(".0") for word in words]
    return np.array(lowered, dtype=object)


def _third(words: np.ndarray) -> Bool[np.ndarray, " distinct"]:
    """Words of a boolean beyond the first two."""
    known = list(dict.fromkeys(word for word in words if word is not None))[:2]
    return np.array([word is not None and word not in known for word in words], dtype=bool)


def check_rows(table: RowTable, where: str, fewest: int) -> None:
    """Raise DataContractError if the table has fewer rows than `fewest`."""
    if len(table) < fewest:
        raise DataContractError(
            f"{where}: {len(table)} rows with a target; a table of this task needs at least "
            f"{fewest}"
        )
