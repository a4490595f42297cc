"""Stored predictions, of some dates and symbols."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from spline_lstm.core.clock import Clock
from spline_lstm.page.reading import instants_of, wall_times
from spline_lstm.store.predictions import COLUMNS, files_of, read_predictions

# Dates that are shown unless others are chosen.
DEFAULT_DATES = 30
# Rows of the table at most: a browser gets slow with more.
MAX_ROWS = 5_000
# What a reader looks at first; the keys that are long hashes come last.
FIRST = ("symbol", "target", "ts", "step", "timestamp", "score")
LAST = ("members", "task_id", "model_id", "generated_at")
# Texts that some tasks store beside a score: what it means, and the three largest reasons for it.
WORDS = ("word", "reasons")


@dataclass(frozen=True)
class Query:
    """Which predictions.

    Attributes
    ----------
    first, last : dates of `ts`, both included
    symbols : names of series; empty: all
    """

    first: str
    last: str
    symbols: tuple[str, ...] = ()


def dates_stored(folder: Path) -> list[str]:
    """Dates with predictions, in the order of time; of an index its numbers."""
    names = {path.parent.name.removeprefix("date=") for path in files_of(folder)}
    return sorted(names, key=_order)


def _order(date: str) -> tuple[int, str]:
    """Numbers by their value, dates by their text."""
    return (int(date), "") if date.lstrip("-").isdecimal() else (0, date)


def read_stored(folder: Path, query: Query) -> pd.DataFrame:
    """The rows of a query as they are stored; of equal keys the first one generated.

    Raises
    ------
    StoreError
        A file is damaged.
    """
    dates = dates_stored(folder)
    chosen = [each for each in dates if _order(query.first) <= _order(each) <= _order(query.last)]
    parts = [read_predictions(folder, date=date) for date in chosen]
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True) if parts else None
    if rows is None:
        return pd.DataFrame(columns=list(COLUMNS))
    if query.symbols:
        rows = rows[rows["symbol"].isin(query.symbols)]
    return rows.reset_index(drop=True)


def table_of(rows: pd.DataFrame, clock: Clock) -> pd.DataFrame:
    """The rows for people: times of the pipeline, the newest first, hashes in the last columns."""
    times = {name: wall_times(clock, instants_of(rows[name])) for name in ("ts", "timestamp")}
    further = [name for name in rows if name not in (*FIRST, *LAST)]
    words = [name for name in WORDS if name in further]
    others = [name for name in further if name not in words]
    table = rows.assign(**times)[[*FIRST, *words, *others, *LAST]]
    return table.sort_values(["ts", "symbol", "step"], ascending=[False, True, True])


def lines_of(table: pd.DataFrame, symbol: str, target: str, *, at_most: int = 12) -> pd.DataFrame:
    """The predictions of one symbol and target for a chart.

    Parameters
    ----------
    table : DataFrame
        Of `table_of`.
    symbol, target : str
    at_most : int
        So many of the newest `ts`, if each has several steps.

    Returns
    -------
    DataFrame
        Columns `time`, `score`, `line` and, if stored, bounds such as `lower_80`. One line through
        all `ts` if each has one step, else one for each `ts`, of which the newest is "newest".
    """
    rows = table[(table["symbol"] == symbol) & (table["target"] == target)]
    # Several models may have scored the same row.
    rows = rows.sort_values("generated_at", kind="stable").drop_duplicates(
        ["ts", "step"], keep="last"
    )
    bounds = [name for name in rows if str(name).startswith(("lower_", "upper_"))]
    newest = rows["ts"].drop_duplicates().nlargest(at_most)
    is_one_step = rows["step"].nunique() <= 1
    if not is_one_step:
        rows = rows[rows["ts"].isin(newest)]
    line = "score" if is_one_step else rows["ts"].astype(str).where(
        rows["ts"] != newest.max(), "newest"
    )  # fmt: skip
    shown = rows.assign(time=rows["timestamp"], line=line)
    return shown[["time", "score", "line", *bounds]].sort_values("time", ignore_index=True)
