"""Rows of one series with one timestamp: copies of each other, or contradictions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.scaffold.column_roles import Roles
from spline_lstm.scaffold.column_types import Column
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.series_keys import repeated
from spline_lstm.scaffold.table import Table


@dataclass(frozen=True)
class Repeats:
    """Rows that repeat the timestamp of an earlier row of their series.

    Attributes
    ----------
    copies : rows whose values are those of the earlier row, too
    contradictions : rows with other values
    """

    copies: int = 0
    contradictions: int = 0

    def policy(self, options: Options) -> str:
        """Value of data.duplicates."""
        if options.duplicates is not None:
            return options.duplicates
        return "copies" if self.copies else "error"


def find_repeats(
    table: Table, columns: Mapping[str, Column], roles: Roles, options: Options, where: str
) -> Repeats:
    """Count rows that repeat a timestamp.

    Raises
    ------
    UsageError
        Rows contradict each other, and the options do not say which counts.
    """
    if not roles.timestamps.columns or not repeated(roles.instants, roles.keys):
        return Repeats()
    at = pd.DataFrame({"key": roles.keys, "instant": roles.instants})
    several = at.duplicated(keep=False).to_numpy()
    used = roles.wide.columns if roles.wide else (*roles.targets, *roles.covariates)
    values = {
        name: columns[name].codes[several]
        if np.isnan(columns[name].numbers).all()
        else columns[name].numbers[several]
        for name in used
    }
    rows = np.flatnonzero(several)
    frame = at[several].reset_index(drop=True).assign(**values)
    again = frame.duplicated(["key", "instant"]).to_numpy()
    copied = frame.duplicated().to_numpy()
    found = Repeats(int(copied.sum()), int((again & ~copied).sum()))
    if found.contradictions and options.duplicates is None:
        late = int(np.argmax(again & ~copied))
        same = (frame["key"] == frame["key"][late]) & (frame["instant"] == frame["instant"][late])
        pair = (int(rows[int(np.argmax(same))]), int(rows[late]))
        raise UsageError(f"{where} {_question(table, columns, roles, used, pair, found)}")
    return found


def _question(
    table: Table,
    columns: Mapping[str, Column],
    roles: Roles,
    used: tuple[str, ...],
    pair: tuple[int, int],
    found: Repeats,
) -> str:
    name = next(name for name in used if not _equal(columns[name], pair))
    cells = columns[name].cells
    values = " and ".join(_text(cells.iloc[row]) for row in pair)
    lines = " and ".join(str(table.line_of(row)) for row in pair)
    at = " ".join(str(columns[column].cells.iloc[pair[0]]) for column in roles.timestamps.columns)
    of = f" of series {roles.names[roles.keys[pair[0]]]!r}" if roles.series else ""
    copies = f", beside {plural(found.copies, 'exact copy')}" if found.copies else ""
    rows = "1 row contradicts"
    if found.contradictions > 1:
        rows = f"{found.contradictions} rows contradict"
    return (
        f"{'lines' if table.is_text else 'rows'} {lines}: {name!r}{'' if roles.wide else of} is "
        f"{values} at {at} ({rows} an earlier one{copies}); say "
        "what counts with --duplicates first, last, mean or sum"
    )


def _text(cell: object) -> str:
    return "no value" if cell == "" or pd.isna(cell) else str(cell)  # pyright: ignore[reportArgumentType, reportCallIssue]


def _equal(column: Column, pair: tuple[int, int]) -> bool:
    values = column.codes if np.isnan(column.numbers).all() else column.numbers
    one, other = values[pair[0]], values[pair[1]]
    return bool(one == other or (np.isnan(one) and np.isnan(other)))
