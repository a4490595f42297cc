"""The raw table: CSV text or Parquet to typed columns, checked against the data contract.

Row numbers in messages are lines of the file, the header being line 1; rows of a Parquet file are
counted in the same way, so that the first one is row 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.reading import AS_WRITTEN, Reading
from spline_lstm.core.schema import Schema
from spline_lstm.tables.arrow_csv import arrow_frame
from spline_lstm.tables.contract import check_header, check_order, raise_violations
from spline_lstm.tables.csv_text import parse_csv, plain_lines, read_header, read_lines
from spline_lstm.tables.parquet import is_parquet, parquet_frame, parquet_header
from spline_lstm.tables.parsing import (
    Cells,
    any_fault,
    factorized,
    parse_booleans,
    parse_categories,
    parse_numbers,
    parse_timestamps,
)

cells_contract: Any = lazy_loader.load("spline_lstm.tables.cell_checks", suppress_warning=True)

DISCRETE = ("boolean", "categorical")


@dataclass(frozen=True)
class RawTable:
    """Rows sorted by series and timestamp, each timestamp once.

    Attributes
    ----------
    timestamps : [rows] int64, ns since 1970 UTC
    values : [rows, columns] float64, data units, NaN where missing; a category is its position in
        `categories`
    columns : names of `values`: targets, then dynamic covariates
    series_offsets : [series + 1] int64, first row of each series and the end
    series_names : one name per series, in sorted order ("" if the schema has no series column)
    duplicates : number of rows merged into another row of the same timestamp
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
        CSV text, UTF-8 (a byte order mark is allowed), or a Parquet file.
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
    return typed_table(
        frame,
        schema,
        where=where,
        reading=reading,
        lines=lines,
        unknown=unknown,
    )


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
    covariates = (*schema.dynamic_covariates, *schema.static_covariates)
    names = {*schema.timestamp_cols, *schema.target_cols, *(item.name for item in covariates)}
    names |= set(schema.wide.columns) if schema.wide else set()
    return names if schema.series_col is None else {*names, schema.series_col}


def csv_frame(
    content: bytes, schema: Schema, where: str
) -> tuple[pd.DataFrame, Int[np.ndarray, " rows"], list[str]]:
    """The named columns of CSV text, the line of each row, and the header.

    Errors are those of `read_raw_table`.
    """
    content = plain_lines(content, where)
    header = read_header(content, schema.table_format)
    if not header:
        raise DataContractError(
            f"{where}: the file has no table; it needs a header line and one row per timestamp"
        )
    check_header(header, schema, where)
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
    needed = [name for name in (schema.series_col, schema.timestamp_col) if name is not None]
    if isinstance(frame.index, pd.DatetimeIndex) and schema.timestamp_col not in (
        *frame.columns,
        frame.index.name,
    ):
        frame = frame.rename_axis(schema.timestamp_col)
    if any(name in frame.index.names for name in needed if name not in frame.columns):
        frame = frame.reset_index()
    check_header([str(name) for name in frame.columns], schema, where)
    if frame.empty:
        raise DataContractError(
            f"{where}: the frame has no rows; it must have one row per timestamp"
        )
    named = named_columns(schema)
    return frame[[name for name in frame.columns if name in named]].reset_index(drop=True)


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
    columns = (
        *schema.target_cols,
        *(c.name for c in schema.dynamic_covariates if c.name in frame.columns),
    )
    timestamps = parse_timestamps(frame[schema.timestamp_col], schema.table_format)
    cells, categories = _parse_columns(frame, columns, schema)
    keys, names, keyless = _series_keys(frame, schema)
    parsed = {schema.timestamp_col: timestamps, **dict(zip(columns, cells, strict=True)), **keyless}
    statics, changing = _statics(frame, schema, keys, len(names))
    found = []
    if any_fault([*parsed.values(), *changing.values()]):
        faults = {name: column.faults for name, column in (parsed | changing).items()}
        found = cells_contract.check_cells(
            frame, faults, lines, schema.table_format.timestamp_format
        )
    order = _order(timestamps.values, keys, reading.sort)
    sorted_timestamps, sorted_keys = timestamps.values[order], keys[order]
    if not any_fault([timestamps, *keyless.values()]):
        found += check_order(
            sorted_timestamps,
            sorted_keys,
            lambda rows: lines[np.arange(len(keys))[order][rows]],
            duplicates_allowed=reading.duplicates != "error",
        )
    raise_violations(found, where, {"rows": len(frame)})

    discrete = np.array([_is_discrete(schema, name) for name in columns])
    values = np.empty((len(frame), len(columns)))
    for index, column in enumerate(cells):
        values[:, index] = column.values[order]
    merged = merge_duplicates(sorted_timestamps, values, sorted_keys, reading.duplicates, discrete)
    return RawTable(
        timestamps=merged[0],
        values=merged[1],
        columns=columns,
        series_offsets=np.searchsorted(merged[2], np.arange(len(names) + 1)).astype(np.int64),
        series_names=names,
        duplicates=len(frame) - len(merged[0]),
        unknown_columns=tuple(unknown),
        categories=categories,
        statics=statics,
    )


def _order(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"], sort: bool
) -> Int[np.ndarray, " rows"] | slice:
    """What puts the rows of each series together, by timestamp if `sort`; most files are so."""
    same, apart = keys[1:] == keys[:-1], keys[1:] > keys[:-1]
    forward = same & (timestamps[1:] >= timestamps[:-1]) if sort else same
    if (forward | apart).all():
        return slice(None)
    return np.lexsort((timestamps, keys)) if sort else np.argsort(keys, kind="stable")


def _text_columns(schema: Schema, header: Sequence[str]) -> list[str]:
    """Columns whose cells must reach us as they are written: 01 is another series than 1."""
    names = [
        schema.timestamp_col,
        schema.series_col,
        *(item.name for item in schema.static_covariates),
    ]
    names += [item.name for item in schema.dynamic_covariates if item.dtype in DISCRETE]
    return [name for name in dict.fromkeys(names) if name is not None and name in header]


def _parse_columns(
    frame: pd.DataFrame, columns: Sequence[str], schema: Schema
) -> tuple[list[Cells], dict[str, tuple[str, ...]]]:
    cells, categories = [], {}
    for name in columns:
        covariate = schema.covariate(name)
        dtype = covariate.dtype if covariate else "float"
        if dtype == "categorical":
            column, categories[name] = parse_categories(frame[name], schema.table_format)
        elif dtype == "boolean":
            column = parse_booleans(frame[name], schema.table_format)
        else:
            column = parse_numbers(frame[name], schema.table_format, whole=dtype == "int")
        cells.append(column)
    return cells, categories


def _is_discrete(schema: Schema, name: str) -> bool:
    covariate = schema.covariate(name)
    return covariate is not None and covariate.dtype in DISCRETE


def _series_keys(
    frame: pd.DataFrame, schema: Schema
) -> tuple[Int[np.ndarray, " rows"], tuple[str, ...], dict[str, Cells]]:
    """Series of each row, names of the series in sorted order, and rows without a key."""
    if schema.series_col is None:
        return np.zeros(len(frame), dtype=np.int64), ("",), {}
    codes, distinct = factorized(frame[schema.series_col])
    # Sorted as texts; cells that read alike, such as 1 and "1", are one series.
    positions, names = pd.factorize(distinct.astype("str"), sort=True)
    keys = np.append(positions, -1)[codes].astype(np.int64, copy=False)
    cells = Cells(keys, {"series": codes < 0})
    return keys, tuple(str(name) for name in names), {schema.series_col: cells}


def _statics(
    frame: pd.DataFrame, schema: Schema, keys: Int[np.ndarray, " rows"], n_series: int
) -> tuple[dict[str, tuple[str | None, ...]], dict[str, Cells]]:
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
        changing[name] = Cells(
            codes, {"static": (codes >= 0) & (keys >= 0) & (codes != of_series[keys])}
        )
    changing.pop(schema.series_col or "", None)
    return statics, changing


def merge_duplicates(
    timestamps: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, "rows columns"],
    keys: Int[np.ndarray, " rows"],
    policy: str,
    discrete: Bool[np.ndarray, " columns"] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave one row per series and timestamp by `policy` (``error`` is ``last``); rows are sorted.

    Columns that are `discrete` have no mean; the last row counts for them.
    """
    same = (np.diff(timestamps) == 0) & (np.diff(keys) == 0)
    if not same.any():
        return timestamps, values, keys
    first: Bool[np.ndarray, " rows"] = np.concatenate([[True], ~same])
    kept = first if policy == "first" else np.concatenate([~same, [True]])
    merged = values[kept]
    if policy == "mean":
        numbers = np.ones(values.shape[1], dtype=bool) if discrete is None else ~discrete
        merged[:, numbers] = _means(values[:, numbers], np.flatnonzero(first))
    return timestamps[kept], merged, keys[kept]


def _means(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    counted = ~np.isnan(values)
    totals = np.add.reduceat(np.where(counted, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(counted.astype(np.float64), starts, axis=0)
    return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
