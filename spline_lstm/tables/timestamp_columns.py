"""The timestamps of a table: one column, several, or the number of the row; and their time zone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.table_format import INDEX, TableFormat
from spline_lstm.core.time_zones import (
    DAY_NS,
    UTC,
    WallClockProblem,
    find_repeated_hour,
    localize,
    to_instants,
)
from spline_lstm.tables.composed import compose
from spline_lstm.tables.contract import MAX_ROWS, Violation
from spline_lstm.tables.parsing import EPOCH_UNITS, ZONE, Faults, parse_timestamps


@dataclass(frozen=True)
class TableTimestamps:
    """Timestamps as a table has them.

    Attributes
    ----------
    values : [rows] int64, ns since 1970, or whole numbers of an index; 0 where faulty
    on_wall_clock : written without a zone; `values` count as if the wall clock were UTC
    faults : column -> rule -> [rows] bool
    forms : column -> what its cells must be
    joined : name of several columns -> their cells, if a fault lies in no column alone
    """

    values: Int[np.ndarray, " rows"]
    on_wall_clock: bool
    faults: dict[str, Faults]
    forms: dict[str, str] = field(default_factory=dict)
    joined: dict[str, pd.Series] = field(default_factory=dict)

    def of_rows(self, kept: Bool[np.ndarray, " rows"]) -> "TableTimestamps":
        """Of some rows, without their faults."""
        return TableTimestamps(self.values[kept], self.on_wall_clock, {})


def read_timestamps(
    frame: pd.DataFrame, schema: Schema, keys: Int[np.ndarray, " rows"], where: str
) -> TableTimestamps:
    """The timestamps of the rows of a frame.

    Parameters
    ----------
    frame, schema
    keys : [rows] series of each row
    where : name of the table in messages

    Raises
    ------
    DataContractError
        Several columns do not make a timestamp; single faulty cells are in the result.
    """
    names, table_format = schema.timestamp_cols, schema.table_format
    if not names:
        return TableTimestamps(numbered_within(keys), False, {})
    if len(names) == 1:
        column = frame[names[0]]
        cells = parse_timestamps(column, table_format)
        forms = {names[0]: table_format.timestamp_format}
        naive = _is_naive(column, table_format)
        return TableTimestamps(cells.values, naive, {names[0]: cells.faults}, forms)
    composed = compose(frame, names, table_format, where)
    naive = "%z" not in table_format.timestamp_format.lower()
    return TableTimestamps(composed.values, naive, composed.faults, composed.forms, composed.joined)


def numbered_within(keys: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """Number of each row among the rows of its series, from 0.

    >>> numbered_within(np.array([0, 1, 0, 1])).tolist()
    [0, 0, 1, 1]
    """
    return pd.Series(keys).groupby(keys).cumcount().to_numpy(dtype=np.int64)


def _is_naive(column: pd.Series, table_format: TableFormat) -> bool:
    """The timestamps of a column have no zone; a column does not mix both."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.tz is None
    form = table_format.timestamp_format
    if form == "ISO8601":
        first = column[column.notna()].iloc[:1].astype("str")
        return not first.str.contains(ZONE, regex=True).any()
    return form not in EPOCH_UNITS and form != INDEX and "%z" not in form.lower()


def in_time_zone(
    timestamps: TableTimestamps, keys: Int[np.ndarray, " rows"], reading: Reading
) -> tuple[Int[np.ndarray, " rows"], tuple[WallClockProblem, ...]]:
    """Instants of timestamps without faults, and hours that cannot be told.

    A wall clock is that of `reading.time_zone`; without one it counts as UTC unless an hour repeats
    as when clocks are set back. Dates without a time are the start of their day.
    """
    walls, zone = timestamps.values, reading.time_zone
    if not timestamps.on_wall_clock or zone == UTC:
        return walls, ()
    if zone is None:
        problem = find_repeated_hour(walls, keys) if _steps_back(walls, keys) else None
        return walls, () if problem is None else (problem,)
    if (walls % DAY_NS == 0).all():
        return to_instants(walls, zone), ()
    return localize(walls, zone, keys, ambiguous=reading.ambiguous_hour)


def _steps_back(walls: np.ndarray, keys: np.ndarray) -> bool:
    """A timestamp in its series is not later than the one before; rows of a series adjoin mostly.

    A cheap look that is never wrong when it says no.
    """
    if (np.diff(keys) >= 0).all():
        return bool(((np.diff(walls) <= 0) & (np.diff(keys) == 0)).any())
    return True


def wall_clock_violations(
    problems: Sequence[WallClockProblem], lines: Int[np.ndarray, " rows"]
) -> list[Violation]:
    """One violation for each hour that cannot be told."""
    return [
        Violation(
            problem.rule,
            "",
            tuple(lines[list(problem.rows)][:MAX_ROWS].tolist()),
            len(problem.rows),
            problem.message,
        )
        for problem in problems
    ]


def timestamp_text(timestamp: int, schema: Schema, reading: Reading) -> str:
    """A timestamp as its file has it: a whole number, or the wall clock of the declared zone.

    >>> from spline_lstm.core.schema import Schema
    >>> schema = Schema(version=1, timestamp_col="t", target_cols=("y",))
    >>> timestamp_text(1_577_836_800_000_000_000, schema, Reading(time_zone="Asia/Tokyo"))
    '2020-01-01 09:00:00+09:00'
    """
    if schema.is_indexed:
        return str(timestamp)
    instant = pd.Timestamp(timestamp)
    if reading.time_zone is None:
        return str(instant)
    return str(instant.tz_localize(UTC).tz_convert(reading.time_zone))
