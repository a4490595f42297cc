"""A table with a column for each series, as one row per series and timestamp.

Leading and trailing blanks of a series are not rows; blanks inside are missing values. All other
columns of the schema are covariates that the series share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.table_format import Wide
from spline_lstm.core.time_zones import UTC
from spline_lstm.tables.contract import raise_violations
from spline_lstm.tables.parsing import Faults, any_fault, parse_numbers
from spline_lstm.tables.timestamp_columns import (
    in_time_zone,
    read_timestamps,
    wall_clock_violations,
)

cells_contract: Any = lazy_loader.load("spline_lstm.tables.cell_checks", suppress_warning=True)


@dataclass(frozen=True)
class LongFrame:
    """The rows of a wide table.

    Attributes
    ----------
    frame : one row per series and timestamp, columns as `Schema.long` has them
    lines : [rows] int64, line of the file of each row
    blank_series : series without any value
    """

    frame: pd.DataFrame
    lines: Int[np.ndarray, " rows"]
    blank_series: tuple[str, ...]


def melt(
    frame: pd.DataFrame,
    schema: Schema,
    wide: Wide,
    lines: Int[np.ndarray, " rows"],
    reading: Reading,
    where: str,
) -> LongFrame:
    """One row per series and timestamp, series by series.

    Parameters
    ----------
    frame : the table, with all columns of `wide`
    schema, wide : the schema, and its layout
    lines : [rows] int64, line of the file of each row
    reading : for the zone and the order of the rows
    where : name of the table in messages

    Raises
    ------
    DataContractError
        A timestamp or a value cannot be read; the messages name its column.
    """
    cells = {name: parse_numbers(frame[name], schema.table_format) for name in wide.columns}
    faults = {name: column.faults for name, column in cells.items()}
    instants = _instants(frame, schema, faults, lines, reading, where)
    order = np.argsort(instants, kind="stable") if reading.sort else np.arange(len(frame))
    values = np.column_stack([column.values for column in cells.values()])[order]
    rows, series = _rows_of_series(~np.isnan(values))
    if not len(rows):
        raise DataContractError(
            f"{where}: no column of a series has a value; check wide.columns of the schema, and "
            "table_format.missing_markers"
        )
    long = _long(frame, schema, wide, instants, order[rows], series)
    present = np.bincount(series, minlength=len(wide.columns)) > 0
    blank = tuple(np.array(wide.columns, dtype=object)[~present].tolist())
    return LongFrame(long.assign(**{wide.value: values[rows, series]}), lines[order[rows]], blank)


def spread(
    frame: pd.DataFrame,
    schema: Schema,
    wide: Wide,
    lines: Int[np.ndarray, " rows"],
    reading: Reading,
    where: str,
) -> LongFrame:
    """Rows with only shared covariates, once for each series; parameters and errors as in `melt`.

    The target has no column: the rows are those of a future.
    """
    instants = _instants(frame, schema, {}, lines, reading, where)
    rows = np.tile(np.arange(len(frame)), len(wide.columns))
    series = np.repeat(np.arange(len(wide.columns)), len(frame))
    return LongFrame(_long(frame, schema, wide, instants, rows, series), lines[rows], ())


def _instants(
    frame: pd.DataFrame,
    schema: Schema,
    faults: Mapping[str, Faults],
    lines: Int[np.ndarray, " rows"],
    reading: Reading,
    where: str,
) -> Int[np.ndarray, " rows"]:
    """Instants of the rows, ns; the `faults` of other columns are reported with their own."""
    one_series = np.zeros(len(frame), dtype=np.int64)
    timestamps = read_timestamps(frame, schema, one_series, where)
    faults = {**timestamps.faults, **faults}
    if any_fault(faults.values()):
        found = cells_contract.check_cells(
            frame.assign(**timestamps.joined), faults, lines, timestamps.forms, schema.table_format
        )
        raise_violations(found, where, {"rows": len(frame)})
    instants, problems = in_time_zone(timestamps, one_series, reading)
    raise_violations(wall_clock_violations(problems, lines), where, {"rows": len(frame)})
    return instants


def _long(
    frame: pd.DataFrame,
    schema: Schema,
    wide: Wide,
    instants: Int[np.ndarray, " rows"],
    rows: Int[np.ndarray, " long"],
    series: Int[np.ndarray, " long"],
) -> pd.DataFrame:
    """Timestamp, series and shared covariates of rows of the table, one per series."""
    times = instants[rows]
    series_keys = pd.CategoricalDtype(list(wide.columns))
    shared = [item.name for item in schema.dynamic_covariates if item.name in frame.columns]
    return pd.DataFrame(
        {
            schema.melted_timestamp: (
                times
                if schema.is_indexed
                else pd.DatetimeIndex(times.view("datetime64[ns]"), tz=UTC)
            ),
            wide.series: pd.Categorical.from_codes(series, dtype=series_keys),
            **{name: frame[name].iloc[rows].array for name in shared},
        }
    )


def _rows_of_series(
    present: Bool[np.ndarray, "rows series"],
) -> tuple[Int[np.ndarray, " long"], Int[np.ndarray, " long"]]:
    """Row and series of each value from the first to the last one of its series."""
    begun = np.maximum.accumulate(present, axis=0)
    unfinished = np.maximum.accumulate(present[::-1], axis=0)[::-1]
    series, rows = np.nonzero((begun & unfinished).T)
    return rows, series
