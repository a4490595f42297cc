"""The raw table: CSV text or Parquet to typed columns, checked against the data contract.

Row numbers in messages are lines of the file, the header being line 1; rows of a Parquet file are
counted in the same way, so that the first one is row 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import lazy_loader
import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from spline_lstm.core.reading import AS_WRITTEN, Reading
from spline_lstm.core.schema import Schema
from spline_lstm.tables.contract import Violation, check_order, raise_violations
from spline_lstm.tables.duplicates import Repeats, check_repeats, find_repeats, merge_duplicates
from spline_lstm.tables.frames import table_frame
from spline_lstm.tables.parsing import (
    Cells,
    Faults,
    any_fault,
    factorized,
    parse_booleans,
    parse_categories,
    parse_numbers,
    without_faults,
)
from spline_lstm.tables.timestamp_columns import (
    in_time_zone,
    read_timestamps,
    timestamp_text,
    wall_clock_violations,
)
from spline_lstm.tables.wide import melt

cells_contract: Any = lazy_loader.load("spline_lstm.tables.cell_checks", suppress_warning=True)


@dataclass(frozen=True)
class RawTable:
    """Rows sorted by series and timestamp, each timestamp once.

    Attributes
    ----------
    timestamps : [rows] int64, ns since 1970 UTC, or whole numbers of an index
    values : [rows, columns] float64, data units, NaN where missing; a category is its position in
        `categories`
    columns : names of `values`: targets, then dynamic covariates
    series_offsets : [series + 1] int64, first row of each series and the end
    series_names : one name per series, in sorted order ("" if the schema has no series column)
    duplicates : number of rows merged into another row of the same timestamp
    copies : how many of these are exact copies; the others contradict it
    blank_series : series of a wide table without any value; they are not among the names
    unknown_columns : columns that the schema does not name
    categories : categorical column -> its texts in sorted order
    statics : static covariate -> its text per series, None where missing
    """

    timestamps: Int[np.ndarray, " rows"]
    values: Float[np.ndarray, "rows columns"]
    columns: tuple[str, ...]
    series_offsets: Int[np.ndarray, " bounds"]
    series_names: tuple[str, ...]
    duplicates: int
    unknown_columns: tuple[str, ...]
    copies: int = 0
    blank_series: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    statics: dict[str, tuple[str | None, ...]] = field(default_factory=dict)

    @property
    def series(self) -> Int[np.ndarray, " rows"]:
        """Index of the series of each row."""
        return np.repeat(np.arange(len(self.series_names)), np.diff(self.series_offsets))


def rows_of(table: RawTable, kept: Bool[np.ndarray, " rows"]) -> RawTable:
    """The table with some of its rows; series without any are left out."""
    series = table.series[kept]
    offsets = np.searchsorted(series, np.arange(len(table.series_names) + 1))
    present = np.flatnonzero(np.diff(offsets) > 0)
    return replace(
        table,
        timestamps=table.timestamps[kept],
        values=table.values[kept],
        series_offsets=np.append(offsets[present], offsets[-1]).astype(np.int64),
        series_names=tuple(table.series_names[index] for index in present),
        statics={
            name: tuple(texts[index] for index in present) for name, texts in table.statics.items()
        },
    )


def read_raw_table(
    content: bytes, schema: Schema, *, where: str, reading: Reading = AS_WRITTEN
) -> RawTable:
    """Parse and check a raw table.

    Parameters
    ----------
    content : bytes
        CSV text, in the encoding of its byte order mark or of the schema, or a Parquet file.
    schema : Schema
    where : str
        Name of the file in error messages.
    reading : Reading
        By default a row out of order, or a timestamp that repeats, is an error.

    Raises
    ------
    DataContractError
        The content is not a table, or breaks rules of the contract: one line for each.
    MissingCovariateError
        A required covariate is not among the columns.
    """
    frame, lines, unknown = table_frame(content, schema, where)
    table = typed_table(
        frame,
        schema,
        where=where,
        reading=reading,
        lines=lines,
        unknown=unknown,
    )
    # pyarrow keeps the memory of what it has read: as much as the table itself.
    del frame
    pa.default_memory_pool().release_unused()
    return table


def typed_table(
    frame: pd.DataFrame,
    schema: Schema,
    *,
    where: str,
    reading: Reading = AS_WRITTEN,
    lines: Int[np.ndarray, " rows"] | None = None,
    unknown: Sequence[str] = (),
) -> RawTable:
    """The raw table from the frame of `table_frame` or `plain_frame`.

    Other parameters and errors are those of `read_raw_table`.

    Parameters
    ----------
    lines : [rows] int64
        Numbers of the rows in messages; by default they are counted from 0.
    unknown
        Names of columns that the schema does not name.
    """
    lines = np.arange(len(frame), dtype=np.int64) if lines is None else lines
    blank: tuple[str, ...] = ()
    if schema.wide is not None:
        long = melt(frame, schema, schema.wide, lines, reading, where)
        frame, schema, lines, blank = long.frame, schema.long, long.lines, long.blank_series
    table = _long_table(frame, schema, where, reading, lines)
    return replace(table, unknown_columns=tuple(unknown), blank_series=blank)


def _long_table(
    frame: pd.DataFrame,
    schema: Schema,
    where: str,
    reading: Reading,
    lines: Int[np.ndarray, " rows"],
) -> RawTable:
    columns = (
        *schema.target_cols,
        *(c.name for c in schema.dynamic_covariates if c.name in frame.columns),
    )
    keys, names, keyless = _series_keys(frame, schema)
    timestamps = read_timestamps(frame, schema, keys, where)
    cells, categories = _parse_columns(frame, columns, schema)
    statics, changing = _statics(frame, schema, keys, len(names))
    faults = (
        timestamps.faults
        | {name: column.faults for name, column in zip(columns, cells, strict=True)}
        | keyless
    )
    # A key that is a static covariate, too, breaks the rules of both.
    faults |= {name: faults.get(name, {}) | rules for name, rules in changing.items()}
    found = []
    if any_fault(faults.values()):
        found = cells_contract.check_cells(
            frame.assign(**timestamps.joined), faults, lines, timestamps.forms, schema.table_format
        )
    if any_fault(placing := [*timestamps.faults.values(), *keyless.values()]):
        # Order and repeats are told of the rows that have a timestamp and a key.
        kept = without_faults(placing, len(frame))
        if not kept.any():
            raise_violations(found, where, {"rows": len(frame)})
        timestamps, keys, lines = timestamps.of_rows(kept), keys[kept], lines[kept]
        cells = [column._replace(values=column.values[kept]) for column in cells]
    instants, problems = in_time_zone(timestamps, keys, reading)
    order = _order(instants, keys, reading.sort)
    values = np.empty((len(keys), len(columns)))
    for index, column in enumerate(cells):
        values[:, index] = column.values[order]
    rows = _Rows(instants[order], keys[order], values, lines, order)
    repeats = find_repeats(rows.timestamps, rows.values, rows.keys)
    # An hour that cannot be told looks like rows out of order, too.
    found += wall_clock_violations(problems, lines) or _sequence_violations(
        rows, repeats, columns, names, schema, reading
    )
    copies = int(repeats.copies.sum())
    raise_violations(
        found,
        where,
        {
            "rows": len(frame),
            "duplicate_copies": copies,
            "duplicate_contradictions": len(repeats.rows) - copies,
        },
    )
    discrete = np.array([_is_discrete(schema, name) for name in columns])
    merged = merge_duplicates(rows.timestamps, rows.values, rows.keys, reading.duplicates, discrete)
    return RawTable(
        timestamps=merged[0],
        values=merged[1],
        columns=columns,
        series_offsets=np.searchsorted(merged[2], np.arange(len(names) + 1)).astype(np.int64),
        series_names=names,
        duplicates=len(frame) - len(merged[0]),
        unknown_columns=(),
        copies=copies,
        categories=categories,
        statics=statics,
    )


class _Rows(NamedTuple):
    """Rows sorted by series.

    Attributes
    ----------
    timestamps, keys, values : of the sorted rows
    lines : of the rows as the table has them
    order : the rows of the table in sorted order
    """

    timestamps: Int[np.ndarray, " rows"]
    keys: Int[np.ndarray, " rows"]
    values: Float[np.ndarray, "rows columns"]
    lines: Int[np.ndarray, " rows"]
    order: Int[np.ndarray, " rows"] | slice

    def lines_of(self, rows: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """Lines of the file of some sorted rows."""
        return self.lines[rows if isinstance(self.order, slice) else self.order[rows]]


def _order(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"], sort: bool
) -> Int[np.ndarray, " rows"] | slice:
    """What puts the rows of each series together, by timestamp if `sort`; most files are so."""
    same, apart = keys[1:] == keys[:-1], keys[1:] > keys[:-1]
    forward = same & (timestamps[1:] >= timestamps[:-1]) if sort else same
    if (forward | apart).all():
        return slice(None)
    return np.lexsort((timestamps, keys)) if sort else np.argsort(keys, kind="stable")


def _sequence_violations(
    rows: _Rows,
    repeats: Repeats,
    columns: Sequence[str],
    names: Sequence[str],
    schema: Schema,
    reading: Reading,
) -> list[Violation]:
    """Rows out of order, and repeated timestamps that the policy does not allow."""

    def name_of(row: int) -> str:
        series = f" of series {names[rows.keys[row]]!r}" if schema.series_col else ""
        return f"timestamp {timestamp_text(int(rows.timestamps[row]), schema, reading)}{series}"

    unordered = check_order(
        rows.timestamps,
        rows.keys,
        rows.lines_of,
        lambda timestamp: timestamp_text(timestamp, schema, reading),
        has_series=schema.series_col is not None,
    )
    return unordered + check_repeats(
        repeats, rows.values, columns, rows.lines_of, reading.duplicates, name_of
    )


def _parse_columns(
    frame: pd.DataFrame, columns: Sequence[str], schema: Schema
) -> tuple[list[Cells], dict[str, tuple[str, ...]]]:
    cells, categories = [], {}
    for name in columns:
        covariate = schema.covariate(name)
        if covariate is not None and covariate.dtype == "categorical":
            column, categories[name] = parse_categories(frame[name], schema.table_format)
        elif covariate is not None and covariate.is_boolean:
            column = parse_booleans(frame[name], schema.table_format)
        else:
            whole = covariate is not None and covariate.dtype == "int"
            column = parse_numbers(frame[name], schema.table_format, whole=whole)
        cells.append(column)
    return cells, categories


def _is_discrete(schema: Schema, name: str) -> bool:
    covariate = schema.covariate(name)
    return covariate is not None and covariate.is_discrete


def _series_keys(
    frame: pd.DataFrame, schema: Schema
) -> tuple[Int[np.ndarray, " rows"], tuple[str, ...], dict[str, Faults]]:
    """Series of each row, names of the series in sorted order, and rows without a key."""
    if schema.series_col is None:
        return np.zeros(len(frame), dtype=np.int64), ("",), {}
    codes, distinct = factorized(frame[schema.series_col])
    # Sorted as texts; cells that read alike, such as 1 and "1", are one series.
    positions, names = pd.factorize(distinct.astype("str"), sort=True)
    keys = np.append(positions, -1)[codes].astype(np.int64, copy=False)
    keyless: dict[str, Faults] = {schema.series_col: {"series": codes < 0}}
    return keys, tuple(str(name) for name in names), keyless


def _statics(
    frame: pd.DataFrame, schema: Schema, keys: Int[np.ndarray, " rows"], n_series: int
) -> tuple[dict[str, tuple[str | None, ...]], dict[str, Faults]]:
    """Static covariates per series, and rows that differ from an earlier one of their series."""
    statics, changing = {}, {}
    for name in (item.name for item in schema.static_covariates if item.name in frame.columns):
        cells, texts = parse_categories(frame[name], schema.table_format)
        codes = np.where(np.isnan(cells.values), -1, cells.values).astype(np.int64)
        given = np.flatnonzero((codes >= 0) & (keys >= 0))
        of_series = np.full(n_series, -1)
        # Assigned backwards, so that the first value of a series is the one that stays.
        of_series[keys[given][::-1]] = codes[given][::-1]
        statics[name] = tuple(texts[code] if code >= 0 else None for code in of_series)
        changing[name] = {"static": (codes >= 0) & (keys >= 0) & (codes != of_series[keys])}
    changing.pop(schema.series_col or "", None)
    return statics, changing
