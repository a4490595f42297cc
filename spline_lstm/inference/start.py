"""Where a forecast starts: after the last observed target or timestamp, or when asked."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import TooLittleDataError, UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.timestamps import parse_instant
from spline_lstm.tables.raw_table import RawTable

LAST_OBSERVED, END = "last-observed", "end"
# What a caller may give: one of the two words, a timestamp, or a row of an index clock.
GivenStart = str | int | datetime.datetime
MAX_NAMED = 3
# Rows after a start that must have timestamps: more than any horizon.
FAR = 1_000


@dataclass(frozen=True)
class Origins:
    """Forecast origins.

    Attributes
    ----------
    rows : [series] int64, row of the clock that is the first to be forecast
    notes : what a reader of the forecast must know about them; none if each follows the last row of
        its series, and these are the same
    """

    rows: Int[np.ndarray, " series"]
    notes: tuple[str, ...] = ()


def forecast_origins(
    table: RawTable, targets: int, clock: Clock, start: GivenStart, where: str
) -> Origins:
    """The forecast origin of each series of a history.

    Parameters
    ----------
    table : RawTable
        The history; its first `targets` columns are the targets.
    clock : Clock
    start
        ``last-observed``: the row after the last one with an observed target; ``end``: the row
        after the last timestamp; a timestamp (a whole number on an index): the first row at or
        after it.
    where : str
        Name of the history in messages.

    Raises
    ------
    TooLittleDataError
        A series has no observed target.
    UsageError
        `start` is none of these.
    """
    ends = clock.locate(table.timestamps[table.series_offsets[1:] - 1])[0] + 1
    if start == END:
        return Origins(ends, _apart(ends, table.series_names, clock))
    if start == LAST_OBSERVED:
        observed = np.logical_or.reduce(~np.isnan(table.values[:, :targets]), axis=1)
        rows = clock.locate(table.timestamps[_last(observed, table, where)])[0] + 1
        reason = f"after the last observed target: later rows of {where} have none"
    else:
        rows = np.repeat(_row_of(start, clock), len(ends))
        reason = f"as asked: of the targets in {where}, none from there on is used"
    moved = rows != ends
    if not moved.any():
        return Origins(rows, _apart(rows, table.series_names, clock))
    names = [table.series_names[index] for index in np.flatnonzero(moved)]
    note = _note(rows[moved], names, clock, reason)
    return Origins(rows, (note, *_apart(rows, table.series_names, clock)))


def _apart(rows: Int[np.ndarray, " series"], names: Sequence[str], clock: Clock) -> tuple[str, ...]:
    """That the series end at different rows, and so are not forecast for the same timestamps."""
    latest = int(rows.max())
    early = np.flatnonzero(rows < latest)
    if not len(early):
        return ()
    count, text = len(rows) - len(early), _texts(rows.max()[None], clock)[0]
    start = "starts" if count == 1 else "start"
    return (
        f"the series end at different rows: {plural(count, 'forecast')} {start} at {text}, "
        f"{_named(rows[early], [names[index] for index in early.tolist()], clock)}",
    )


def _row_of(start: GivenStart, clock: Clock) -> int:
    """The first row at or after a timestamp; UsageError if it is out of the clock's range."""
    instant = instant_of(start, clock)
    try:
        row = int(clock.first_rows(np.array([instant], dtype=np.int64))[0])
        # A forecast of any length must have timestamps.
        clock.timestamps_of(np.array([row, row + FAR], dtype=np.int64))
    except (OverflowError, ValueError):
        raise UsageError(
            f"a forecast cannot start at {str(start)!r}: it is outside of what the clock "
            f"{clock.frequency} counts; give a timestamp near the history"
        ) from None
    return row


def instant_of(start: GivenStart, clock: Clock) -> int:
    """The instant of a timestamp, in the time zone of the clock if it names none.

    Raises
    ------
    UsageError
        It is not a timestamp, or not a whole number on an index.
    """
    text = start if isinstance(start, str) else str(start)
    try:
        return int(text) if clock.kind == "index" else parse_instant(text, clock.zone)
    except ValueError:
        form = "a whole number" if clock.kind == "index" else "a timestamp such as 2024-03-01 06:00"
        raise UsageError(
            f"a forecast cannot start at {text!r}; give {LAST_OBSERVED}, {END} or {form}"
        ) from None


def _last(
    observed: Bool[np.ndarray, " rows"], table: RawTable, where: str
) -> Int[np.ndarray, " series"]:
    """The last observed row of each series."""
    numbered = np.where(observed, np.arange(len(observed)), -1)
    last = np.maximum.reduceat(numbered, table.series_offsets[:-1])
    empty = [table.series_names[index] for index in np.flatnonzero(last < 0)]
    if empty:
        raise TooLittleDataError(
            *(
                f"{where}{f', series {name!r}' if name else ''}: no target was observed; give "
                "rows with values"
                for name in empty
            )
        )
    return last


def _note(rows: np.ndarray, names: list[str], clock: Clock, reason: str) -> str:
    """Where forecasts start, and why."""
    texts = _texts(rows, clock)
    if len(set(texts)) == 1:
        count = "the forecast starts" if len(texts) == 1 else f"{len(texts)} forecasts start"
        return f"{count} at {texts[0]}, {reason}"
    return f"forecasts start at other rows ({_named(rows, names, clock)}), {reason}"


def _named(rows: np.ndarray, names: list[str], clock: Clock) -> str:
    """Some series, with the timestamps of their rows."""
    texts = _texts(rows[:MAX_NAMED], clock)
    named = [f"{name!r} at {text}" for name, text in zip(names, texts, strict=False)]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(named) + more


def _texts(rows: Int[np.ndarray, " n"], clock: Clock) -> list[str]:
    return clock.texts_of(clock.timestamps_of(rows))
