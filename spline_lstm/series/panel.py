"""How long the series of a panel last, and which of them are too short to be learned from.

A series lasts from its first to its last observed target: blanks before and after it do not count
as gaps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.series.grid import Layout, lay_out
from spline_lstm.series.snap import Snap
from spline_lstm.tables.raw_table import RawTable, rows_of

MAX_NAMED = 8


@dataclass(frozen=True)
class ShortSeries:
    """A series without a single window.

    Attributes
    ----------
    name : str
    rows : int, from its first to its last observed target; 0: none is observed
    needed : int, rows of one window and its labels
    """

    name: str
    rows: int
    needed: int

    def __str__(self) -> str:
        found = (
            f"{self.rows} rows from the first to the last observed target"
            if self.rows
            else ("no observed target")
        )
        return f"series {self.name!r} has {found}, but needs {self.needed}"

    def to_json(self) -> dict[str, Any]:
        """Plain content for metrics/data.json."""
        return {"series": self.name, "rows": self.rows, "needed": self.needed}


@dataclass(frozen=True)
class Selection:
    """The rows of the series that are long enough, and the other series."""

    table: RawTable
    short: tuple[ShortSeries, ...] = ()


def alive(layout: Layout, present: Bool[np.ndarray, " observations"]) -> Bool[np.ndarray, " rows"]:
    """Grid rows from the first to the last present observation of each series.

    Parameters
    ----------
    layout : Layout
    present : [observations] bool
        Rows of the table with an observed target.
    """
    first, last = _ends(layout, present)
    marks = np.zeros(layout.rows + 1, dtype=np.int64)
    np.add.at(marks, first, 1)
    np.add.at(marks, last, -1)
    return np.cumsum(marks[:-1]).astype(bool)


def _ends(
    layout: Layout, present: Bool[np.ndarray, " observations"]
) -> tuple[Int[np.ndarray, " series"], Int[np.ndarray, " series"]]:
    """First grid row of each series, and the one after its last; the same row without any."""
    placed, _ = layout.place(np.where(present, 0.0, np.nan))
    rows = np.where(placed.snapped, placed.rows, placed.seen)
    begin, end = (
        np.searchsorted(rows, layout.row_offsets[:-1]),
        np.searchsorted(rows, layout.row_offsets[1:]),
    )
    rows = np.append(rows, layout.rows - 1)
    first = rows[begin]
    return first, np.where(end > begin, rows[end - 1] + 1, first)


def has_target(table: RawTable, targets: tuple[str, ...]) -> Bool[np.ndarray, " observations"]:
    """Rows of a table in which at least one target is observed."""
    columns = [table.columns.index(name) for name in targets]
    return np.isnan(table.values[:, columns]).sum(axis=1) < len(columns)


def select_series(
    table: RawTable,
    clock: Clock,
    targets: tuple[str, ...],
    *,
    snap: Snap,
    needed: int,
    policy: str,
    where: str,
) -> Selection:
    """Leave out the series of a panel that are too short for one window.

    Columns of a wide table without any value count as series; the only series with values always
    stays.

    Parameters
    ----------
    table, clock, targets
    snap : as in `lay_out`
    needed : int
        Rows from the first to the last observed target: lookback and horizon.
    policy : str
        ``skip``, or ``error``.
    where : str
        Name of the table in messages.

    Raises
    ------
    TooLittleDataError
        All series are too short; with ``error`` if one is.
    """
    blank = blank_series(table.blank_series, needed)
    count = len(table.series_names) + len(blank)
    if count == 1:
        return Selection(table)
    short = blank
    if len(table.series_names) > 1:
        short += short_series(table, clock, targets, snap=snap, needed=needed)
    too_short(short, count, policy, where)
    return Selection(without(table, {each.name for each in short}), short)


def too_short(short: Sequence[ShortSeries], count: int, policy: str, where: str) -> None:
    """Raise TooLittleDataError if all of `count` series are short, or one with ``error``."""
    if len(short) == count or (short and policy == "error"):
        advice = "bring more rows, or shorten window.lookback or window.horizon"
        if len(short) < count:
            advice += ", or set data.short_series to skip"
        raise TooLittleDataError(
            *(f"{where}: {each}" for each in short[:MAX_NAMED]),
            f"{where}: {len(short)} of {count} series are too short; {advice}",
        )


def short_series(
    table: RawTable, clock: Clock, targets: tuple[str, ...], *, snap: Snap, needed: int
) -> tuple[ShortSeries, ...]:
    """The series of a table that are too short; parameters as in `select_series`."""
    first, end = _ends(lay_out(table, clock, snap), has_target(table, targets))
    return tuple(
        ShortSeries(name, count, needed)
        for name, count in zip(table.series_names, (end - first).tolist(), strict=True)
        if count < max(needed, 1)
    )


def blank_series(names: Sequence[str], needed: int) -> tuple[ShortSeries, ...]:
    """Series without any value; parameters as in `select_series`."""
    return tuple(ShortSeries(name, 0, max(needed, 1)) for name in names)


def without(table: RawTable, names: Collection[str]) -> RawTable:
    """The table without the rows of some series."""
    left = [index for index, name in enumerate(table.series_names) if name in names]
    return rows_of(table, ~np.isin(table.series, left)) if left else table
