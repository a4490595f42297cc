"""What the quality report says of a raw table by itself, or of all partitions of one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.formatting import plural
from spline_lstm.series.data_warnings import beside_rows, on_closed_days
from spline_lstm.tables.contract import LARGEST_VALUE, Violation
from spline_lstm.tables.raw_table import RawTable

# Rows that are looked at together: no second copy of a large table is in memory.
BLOCK_ROWS = 8_192


@dataclass(frozen=True)
class TableFacts:
    """Counts and extremes of a raw table.

    Attributes
    ----------
    names : of the series
    series_rows : [series] int64, rows of each
    duplicates, copies : as in `RawTable`
    first, last : timestamps, int64
    median_step : the cadence found, as text; of partitions the most frequent one
    off_grid : timestamps elsewhere in their step than the one before
    beside, example : timestamps beside the rows of a calendar, and the first timestamp of the table
    closed, closed_example : timestamps on closed days, and the first of them (0 if there is none)
    huge : one violation for each column with values beyond `LARGEST_VALUE`
    unknown_columns : that the schema does not name
    """

    names: tuple[str, ...]
    series_rows: Int[np.ndarray, " series"]
    duplicates: int
    copies: int
    first: int
    last: int
    median_step: str
    off_grid: int
    beside: int
    example: int
    closed: int
    closed_example: int
    huge: tuple[Violation, ...]
    unknown_columns: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows without duplicates."""
        return int(self.series_rows.sum())

    @classmethod
    def of(cls, table: RawTable, clock: Clock) -> "TableFacts":
        """Of one table."""
        closed = table.timestamps[on_closed_days(table.timestamps, clock)]
        return cls(
            names=table.series_names,
            series_rows=np.diff(table.series_offsets),
            duplicates=table.duplicates,
            copies=table.copies,
            first=int(table.timestamps.min()),
            last=int(table.timestamps.max()),
            median_step=median_step(table, clock),
            off_grid=_off_grid(table, clock),
            beside=beside_rows(table.timestamps, clock),
            example=int(table.timestamps[0]),
            closed=len(closed),
            closed_example=int(closed[0]) if len(closed) else 0,
            huge=tuple(huge_values(table, clock)),
            unknown_columns=table.unknown_columns,
        )

    @classmethod
    def of_all(cls, parts: Sequence["TableFacts"]) -> "TableFacts":
        """Of all partitions of a table."""
        return cls(
            names=tuple(name for part in parts for name in part.names),
            series_rows=np.concatenate([part.series_rows for part in parts]),
            duplicates=sum(part.duplicates for part in parts),
            copies=sum(part.copies for part in parts),
            first=min(part.first for part in parts),
            last=max(part.last for part in parts),
            median_step=Counter(part.median_step for part in parts).most_common(1)[0][0],
            off_grid=sum(part.off_grid for part in parts),
            beside=sum(part.beside for part in parts),
            example=parts[0].example,
            closed=sum(part.closed for part in parts),
            closed_example=next((part.closed_example for part in parts if part.closed), 0),
            huge=tuple({each.column: each for part in parts[::-1] for each in part.huge}.values()),
            unknown_columns=parts[0].unknown_columns,
        )


def huge_values(table: RawTable, clock: Clock) -> list[Violation]:
    """One violation for each column with values beyond `LARGEST_VALUE`, naming the first."""
    found = []
    for index in np.flatnonzero(_has_huge(table.values)).tolist():
        name, values = table.columns[index], table.values[:, index]
        rows = np.flatnonzero(np.abs(values) > LARGEST_VALUE)
        row = rows[0]
        (at,) = clock.texts_of(table.timestamps[[row]])
        series = table.series_names[table.series[row]]
        where = f"at {at}" + (f" of series {series!r}" if series else "")
        more = f" ({plural(len(rows) - 1, 'more value')} like it)" if len(rows) > 1 else ""
        text = (
            f"column {name!r} has {values[row]:g} {where}{more}; values must be within "
            f"±{LARGEST_VALUE:g}, which is what models can read: correct it, leave the cell empty, "
            "or choose another unit"
        )
        found.append(Violation("huge", name, (), len(rows), text))
    return found


def _has_huge(values: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, " columns"]:
    """Whether each column has a value beyond `LARGEST_VALUE`; one that is missing is not."""
    starts = range(0, len(values), BLOCK_ROWS)
    found = np.zeros(values.shape[1], dtype=bool)
    for block in (values[start : start + BLOCK_ROWS] for start in starts):
        found |= (np.abs(block) > LARGEST_VALUE).any(axis=0)
    return found


def _off_grid(table: RawTable, clock: Clock) -> int:
    """Timestamps that lie elsewhere in their step than the timestamp before in its own."""
    _, after, _ = clock.locate(table.timestamps)
    within = np.ones(max(len(after) - 1, 0), dtype=bool)
    within[table.series_offsets[1:-1] - 1] = False
    return int(((np.diff(after) != 0) & within).sum())


def median_step(table: RawTable, clock: Clock) -> str:
    """The cadence found: the median distance of neighbouring timestamps, as text."""
    steps = np.diff(table.timestamps)
    if not (steps > 0).any():
        return "undefined"
    median = int(np.median(steps[steps > 0]))
    return str(median) if clock.kind == "index" else str(pd.Timedelta(median))
