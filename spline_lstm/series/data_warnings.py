"""What is odd about the data, as records and as one line per kind for people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.formatting import plural

# Kinds of warnings: a column that the schema does not name, a series that is left out for it is too
# short, a constant series, observations outside of the bounds of a target, timestamps beside the
# rows of the clock, timestamps on days on which nothing is open.
UNKNOWN, MOVED, CLOSED = "unknown column", "moved timestamps", "closed days"
SHORT, CONSTANT, OUTSIDE = "short series", "constant series", "outside of bounds"
SEVERAL = {
    SHORT: "are too short and left out (data.short_series: skip)",
    CONSTANT: "are constant in the training split, and forecast as that as long as they stay",
}
MAX_NAMED = 3


@dataclass(frozen=True)
class DataWarning:
    """One value beyond its limit, or one column that is ignored.

    Attributes
    ----------
    kind : str
        A statistic of drift, or one of those above.
    column : str
        For a warning about a series, its name.
    split : str
        validation or test; empty for a warning about the whole table.
    value, limit : float
        Of drift, see `spline_lstm.series.drift`.
    text : str
        What is said; empty: it follows from the others.
    """

    kind: str
    column: str
    split: str = ""
    value: float = math.nan
    limit: float = math.nan
    text: str = ""

    @property
    def excess(self) -> float:
        """Distance beyond the limit, comparable within a kind: ratios count in both directions."""
        if self.kind != "std_ratio":
            return abs(self.value)
        return max(self.value, 1 / self.value) if self.value else math.inf

    def __str__(self) -> str:
        if self.text:
            return self.text
        if self.kind == UNKNOWN:
            return f"column {self.column!r} is not in the schema"
        breach = f"exceeds the limit {self.limit:g}"
        if self.kind == "std_ratio" and self.value < 1:
            breach = f"is below the limit 1/{self.limit:g}"
        where = f"{self.split}: {self.column}" if self.split else self.column
        return f"{where}: {self.kind} {self.value:.4g} {breach}"


def summarise_warnings(warnings: Sequence[DataWarning]) -> list[str]:
    """One line per kind, with the count and the worst case, in the order of their appearance.

    >>> low, high = (DataWarning("psi", name, "test", float(name), 0.25) for name in ("0.5", "9"))
    >>> summarise_warnings([low, high])
    ['drift: 2 warnings of psi in 2 columns; the worst is test: 9: psi 9 exceeds the limit 0.25']
    """
    kinds: dict[str, list[DataWarning]] = {}
    for warning in warnings:
        kinds.setdefault(warning.kind, []).append(warning)
    return [_line(kind, group) for kind, group in kinds.items()]


def moved_text(timestamps: Int[np.ndarray, " rows"], clock: Clock) -> str:
    """What is said if most timestamps are beside the rows of a calendar; else empty."""
    return moved_line(beside_rows(timestamps, clock), len(timestamps), int(timestamps[0]), clock)


def beside_rows(timestamps: Int[np.ndarray, " rows"], clock: Clock) -> int:
    """Timestamps beside the rows of a calendar; 0 of another clock."""
    return int((clock.locate(timestamps)[1] != 0).sum()) if clock.kind == "calendar" else 0


def moved_line(beside: int, count: int, example: int, clock: Clock) -> str:
    """What is said if `beside` of `count` timestamps, most of them, are beside the rows."""
    if 2 * beside <= count:
        return ""
    return (
        f"{beside} of {count} timestamps are beside the rows of the clock "
        f"{clock.frequency}, such as {clock.text_of(example)}, and stand for the "
        "nearest row; if they follow another clock, set preprocess.frequency to it"
    )


def unobserved_text(
    observed: Bool[np.ndarray, "rows targets"],
    rows: Int[np.ndarray, " series"],
    lookback: int,
    series: Sequence[str],
) -> str:
    """What is said if half or more of the rows before an origin were not observed; else empty.

    `rows` are the origins of the `series`, among all rows, each with a whole lookback before it.
    """
    windows = rows[:, None] - 1 - np.arange(lookback)
    seen = np.logical_and.reduce(observed, axis=1)
    missing = lookback - seen[windows].sum(axis=1)
    few = np.flatnonzero(2 * missing >= lookback)
    if not len(few):
        return ""
    worst = few[np.argmax(missing[few])]
    others = f", and half or more in {len(few) - 1} other series" if len(few) > 1 else ""
    name = f" of series {series[worst]!r}" if series[worst] else ""
    verb = "was" if missing[worst] == 1 else "were"
    return (
        f"{missing[worst]} of the {lookback} rows before the forecast{name} {verb} missing and "
        f"filled{others}; the forecast may be worse than its intervals say"
    )


def on_closed_days(timestamps: Int[np.ndarray, " rows"], clock: Clock) -> Bool[np.ndarray, " rows"]:
    """Timestamps whose local date is not an open day, by a clock of business days."""
    calendar = clock.calendar
    if calendar is None or (calendar.unit, calendar.multiple) != ("B", 1):
        return np.zeros(len(timestamps), dtype=bool)
    return ~calendar.is_on_date(timestamps)


def closed_line(closed: int, count: int, example: int, clock: Clock) -> str:
    """What is said of `closed` of `count` timestamps on closed days, such as `example`."""
    if not closed:
        return ""
    return (
        f"{closed} of {plural(count, 'timestamp')} {'is' if closed == 1 else 'are'} on a closed "
        f"day, such as {clock.text_of(example)}: a value there stands for the nearest open day "
        "if that has none, and is left out otherwise"
    )


def _line(kind: str, group: Sequence[DataWarning]) -> str:
    if len(group) == 1 or kind == OUTSIDE:
        return "; ".join(map(str, group))
    if kind in SEVERAL:
        return f"{len(group)} series {SEVERAL[kind]}: {_named([w.column for w in group])}"
    if kind == UNKNOWN:
        return f"{len(group)} columns are not in the schema: {_named([w.column for w in group])}"
    worst = max(group, key=lambda warning: warning.excess)
    columns = len({warning.column for warning in group})
    among = "one column" if columns == 1 else f"{columns} columns"
    return f"drift: {len(group)} warnings of {kind} in {among}; the worst is {worst}"


def _named(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - MAX_NAMED} more" if len(columns) > MAX_NAMED else ""
    return ", ".join(repr(name) for name in columns[:MAX_NAMED]) + more
