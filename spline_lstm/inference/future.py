"""Rows ahead of the forecast origins: known-future columns, checked as the history is.

They come from the rows of the history at and after the origin, if it has any, and from a table of
their own, which counts where both have a row. A blank cell is filled as the schema says for its
column; what the policy cannot fill, and timestamps and series that are absent, are errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from spline_lstm.core.covariates import DynamicCovariate
from spline_lstm.core.errors import MissingCovariateError
from spline_lstm.inference.reading import check_future, instants_of, series_keys
from spline_lstm.series.features import missing_policy
from spline_lstm.series.grid import Layout, on_grid
from spline_lstm.series.spline import gap_length
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor

# What becomes of timestamps and series that are absent: an error, or as if their cells were blank.
ABSENT = ("error", "blank")
MAX_LINES = 20
MAX_NAMED = 3


@dataclass(frozen=True)
class Rows:
    """Raw rows of a history and ahead of it.

    Attributes
    ----------
    frame : DataFrame, the history, then the rows of the future table from the origins on
    history : int, number of rows of the history
    where, where_future : names of the two in messages
    has_future : bool, there is a table of future rows
    """

    frame: pd.DataFrame
    history: int
    where: str
    where_future: str
    has_future: bool

    @property
    def name(self) -> str:
        """What messages call all of them."""
        return (
            f"{self.where} with the rows of {self.where_future}" if self.has_future else self.where
        )

    @property
    def name_ahead(self) -> str:
        """Where rows ahead are expected."""
        return self.where_future if self.has_future else self.where

    def place(self, row: int) -> str:
        """A row as its own table counts it."""
        name = self.where if row < self.history else self.where_future
        return f"{name} row {self.frame.index[row]}"


def join_rows(
    preprocessor: Preprocessor,
    history: pd.DataFrame,
    future: pd.DataFrame | None,
    origins: dict[str, int],
    where: str,
    where_future: str,
) -> Rows:
    """The history with the rows of `future` from the origins (series -> instant) on.

    Rows of other series and before the origins are ignored, whatever they contain.

    Raises
    ------
    DataContractError
        One of these rows breaks the data contract.
    """
    if future is None:
        return Rows(history, len(history), where, where_future, has_future=False)
    if preprocessor.schema.timestamp_col is None:
        # Rows without a timestamp continue those of the history.
        check_future(preprocessor, future, where_future)
        joined = pd.concat([history, future])
        return Rows(joined, len(history), where, where_future, has_future=True)
    instants, unread = instants_of(preprocessor, future, where_future)
    keys = series_keys(preprocessor, future)
    start = np.array([origins.get(key, np.iinfo(np.int64).max) for key in keys], dtype=np.int64)
    # Unreadable timestamps are kept, so that reading reports them.
    kept = (instants >= start) | unread
    ahead = future[kept]
    # Check these rows first, so that a message names rows of their own table.
    if len(ahead):
        check_future(preprocessor, ahead, where_future)
    given = pd.MultiIndex.from_arrays([keys[kept], instants[kept]])
    own = instants_of(preprocessor, history, where)[0]
    twice = pd.MultiIndex.from_arrays([series_keys(preprocessor, history), own]).isin(given)
    history = history[~twice]
    return Rows(pd.concat([history, ahead]), len(history), where, where_future, has_future=True)


def check_rows_ahead(
    rows: Rows,
    table: RawTable,
    layout: Layout,
    ahead: Int[np.ndarray, "series horizon"],
    preprocessor: Preprocessor,
    columns: Sequence[DynamicCovariate],
    absent: str,
) -> None:
    """Check that the known-future `columns` have values in all rows to forecast.

    Parameters
    ----------
    rows : Rows
    table, layout : `rows` as read, on its grid
    ahead : [series, horizon] int64, grid rows to forecast
    preprocessor, columns
    absent : str
        See `ABSENT`.

    Raises
    ------
    MissingCovariateError
        One line for each blank cell that the policy of its column cannot fill, and for each
        timestamp and each series that is absent.
    """
    if not columns:
        return
    checks = _Checks(rows, table, layout, ahead, preprocessor, columns)
    found = [] if absent == "blank" else checks.absent_rows()
    found += checks.blank_cells(with_absent=absent == "blank")
    if found:
        more = len(found) - MAX_LINES
        rest = [f"{rows.name_ahead}: {more} more values are missing"] if more > 0 else []
        raise MissingCovariateError(*found[:MAX_LINES], *rest)


@dataclass(frozen=True)
class _Checks:
    rows: Rows
    table: RawTable
    layout: Layout
    ahead: Int[np.ndarray, "series horizon"]
    preprocessor: Preprocessor
    columns: Sequence[DynamicCovariate]

    def absent_rows(self) -> list[str]:
        """One line for each absent timestamp, or for a series without any."""
        absent, where, found = self._absent(), self.rows.name_ahead, []
        schema = self.preprocessor.schema
        # Zero would do for some of them, if their cells were there and blank.
        needed = [item for item in self.columns if missing_policy(item, schema) != "zero"]
        names = [repr(item.name) for item in needed or self.columns]
        one = len(names) == 1
        have = "has" if one else "have"
        lack = f"{', '.join(names)} {have} no value"
        kind = "is a known-future column" if one else "are known-future columns"
        for index, series in enumerate(self.table.series_names):
            times = self._texts(index, absent[index])
            first = ", ".join(times[:MAX_NAMED])
            more = f" and {len(times) - MAX_NAMED} more" if len(times) > MAX_NAMED else ""
            if not absent[index].all():
                found += [
                    f"{_of(where, series)}: the row is absent, so {lack} at {time}; give it, or "
                    "set absent to blank to have it filled"
                    for time in times
                ]
            elif self.rows.has_future:
                what = f"series {series!r} is absent" if series else "no row to forecast is there"
                found.append(f"{where}: {what}, so {lack} at {first}{more}; give its rows")
            else:
                found.append(
                    f"{_of(where, series)}: {', '.join(names)} {kind}, but {have} no value at "
                    f"{first}{more}; give the rows to forecast as future rows"
                )
        return found

    def blank_cells(self, *, with_absent: bool) -> list[str]:
        """One line for each blank cell that the policy of its column cannot fill."""
        shown = np.ones(self.ahead.shape, dtype=bool) if with_absent else ~self._absent()
        found: list[str] = []
        for item in self.columns:
            policy = missing_policy(item, self.preprocessor.schema)
            values = self.table.values[:, self.table.columns.index(item.name)]
            unknown = shown & self._unfilled(values, policy)
            for index, step in np.argwhere(unknown).tolist():
                series = self.table.series_names[index]
                (time,) = self._texts(index, np.arange(self.ahead.shape[1]) == step)
                found.append(
                    f"{self._place(index, step)}: {item.name!r} is blank, so it has no value at "
                    f"{time}{f' in series {series!r}' if series else ''}, and its policy {policy} "
                    "finds none; give it, or set missing of the column in the schema"
                )
        return found

    def _absent(self) -> Bool[np.ndarray, "series horizon"]:
        return unknown_rows(self.layout, np.zeros(len(self.table.timestamps)), self.ahead, 0)

    def _unfilled(
        self, values: Float[np.ndarray, " observations"], policy: str
    ) -> Bool[np.ndarray, "series horizon"]:
        """Rows ahead whose value the policy cannot make of those that are there."""
        if policy == "zero":
            return np.zeros(self.ahead.shape, dtype=bool)
        if policy == "ffill":
            seen = np.add.reduceat(
                (~np.isnan(values)).astype(np.int64), self.table.series_offsets[:-1]
            )
            return np.repeat((seen == 0)[:, None], self.ahead.shape[1], axis=1)
        return unknown_rows(self.layout, values, self.ahead, self.preprocessor.params.max_gap)

    def _texts(self, series: int, chosen: Bool[np.ndarray, " horizon"]) -> list[str]:
        return self.layout.clock.texts_of(self.layout.timestamps[self.ahead[series][chosen]])

    def _place(self, series: int, step: int) -> str:
        """The row of a table that a row ahead comes from."""
        name = self.table.series_names[series]
        if self.preprocessor.schema.timestamp_col is None:
            return _of(self.rows.name_ahead, name)
        keys = series_keys(self.preprocessor, self.rows.frame)
        instants, _ = instants_of(self.preprocessor, self.rows.frame, self.rows.name)
        wanted = self.layout.timestamps[self.ahead[series, step]]
        clock = self.layout.clock
        same = (keys == name) & (clock.nearest(instants) == clock.nearest(wanted[None])[0])
        found = np.flatnonzero(same)
        return self.rows.place(int(found[-1])) if len(found) else _of(self.rows.name_ahead, name)


def _of(where: str, series: str) -> str:
    return f"{where}, series {series!r}" if series else where


def unknown_rows(
    layout: Layout,
    values: Float[np.ndarray, " observations"],
    ahead: Int[np.ndarray, "series horizon"],
    max_gap: int,
) -> Bool[np.ndarray, "series horizon"]:
    """Rows ahead without an observation that do not lie in a gap that is filled.

    An observation off the grid counts for the next row.
    """
    placed, present = layout.place(values)
    times = np.sort(placed.times)
    starts = np.searchsorted(times, layout.row_offsets[:-1] - 0.5)
    at = ahead.ravel()
    last = np.append(times, -np.inf)[np.searchsorted(times, at) - 1]
    inside = (gap_length(times, at.astype(np.float64), starts) <= max_gap) | (at - last < 1)
    return (np.isnan(on_grid(placed, present, layout.rows))[at] & ~inside).reshape(ahead.shape)
