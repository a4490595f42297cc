"""The clock of a pipeline: which instants are the rows of its grid.

A clock maps instants to rows and rows to instants. Row 0 is its anchor. Between two rows a position
counts in elapsed shares of that step: on the clock of business days, Saturday noon lies half way
between Friday and Monday. There are four kinds:

``fixed``     a duration: 5min, 1h, 24h; also 1D unless a time zone makes its days unequal
``calendar``  a calendar unit in a time zone: D, W-SUN, B, MS, QS-OCT, YE, 2MS, B+16h
``observed``  the dates that occur in the data, and after them a rule
``index``     whole numbers instead of instants: index 10 counts 0, 10, 20

Instants are int64 ns since 1970 UTC; of an index clock they are the whole numbers themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.calendars import (
    FIRST_YEAR,
    LAST_YEAR,
    YEAR_NS,
    Calendar,
    calendar_ticks,
    first_tick,
    within_years,
)
from spline_lstm.core.time_zones import DAY_NS, HOUR_NS, UTC, local_times

Kind = Literal["fixed", "calendar", "observed", "index"]
UNITS_NS = {
    "D": DAY_NS,
    "h": HOUR_NS,
    "min": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
# A year in single days or shorter steps never repeats often enough to be found.
LONGEST_YEAR = 60


@dataclass(frozen=True)
class Clock:
    """Maps instants to rows and rows to instants; see the module docstring.

    Attributes
    ----------
    kind : fixed, calendar, observed or index
    anchor : instant of row 0
    step : length of one step of a fixed clock (ns) or an index, else 0
    zone : time zone in which timestamps are given to people, None: UTC
    calendar : the unit of a calendar clock
    dates : instants of an observed clock, increasing; row 0 is the first
    rule : fixed or calendar clock that an observed clock follows outside of its dates
    index_season : rows in one season of an index, which has no calendar to tell; 0: none
    """

    kind: Kind
    anchor: int = 0
    step: int = 0
    zone: str | None = None
    calendar: Calendar | None = None
    dates: tuple[int, ...] = ()
    rule: "Clock | None" = None
    index_season: int = 0

    # Positions

    def locate(
        self, timestamps: Int[np.ndarray, " n"]
    ) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Row in whose step each timestamp lies, what has elapsed since it, length of the step.

        Raises
        ------
        ValueError
            A timestamp is outside of the years 1678 to 2261, or an observed clock has no dates yet.
        """
        if self.step:
            rows, after = np.divmod(timestamps - self.anchor, self.step)
            return rows, after, np.full(len(timestamps), self.step, dtype=np.int64)
        if not len(timestamps):
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty
        ticks, first = self._ticks(int(timestamps.min()), int(timestamps.max()))
        index = np.searchsorted(ticks, timestamps, side="right") - 1
        if index.min() < 0 or index.max() >= len(ticks) - 1:
            raise ValueError(f"timestamps must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
        return first + index, timestamps - ticks[index], ticks[index + 1] - ticks[index]

    def rows_of(self, timestamps: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Position of each timestamp: its row and the elapsed share of a step.

        >>> Clock("index", anchor=100, step=10).rows_of(np.array([90, 105])).tolist()
        [-1.0, 0.5]
        """
        if self.step:
            # In one division, which rounds once.
            return (timestamps - self.anchor) / self.step
        rows, after, length = self.locate(timestamps)
        return rows + after / length

    def first_rows(self, timestamps: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """The first row at or after each timestamp."""
        rows, after, _ = self.locate(timestamps)
        return rows + (after > 0)

    def nearest(self, timestamps: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """The row that is nearest to each timestamp, the later of two equally near ones."""
        rows, after, length = self.locate(timestamps)
        return rows + (2 * after >= length)

    def timestamps_of(
        self, rows: Int[np.ndarray, " n"] | Float[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """Instants of rows, or of positions between rows (to the ns as far as a float can tell).

        Raises
        ------
        ValueError
            A row is outside of the years 1678 to 2261.
        """
        if np.issubdtype(rows.dtype, np.integer) and self.step:
            return self.anchor + self.step * rows.astype(np.int64)
        whole = np.floor(rows).astype(np.int64)
        share = rows - whole
        if self.step:
            return self.anchor + self.step * whole + np.rint(share * self.step).astype(np.int64)
        if not len(whole):
            return whole
        ticks, first = self._ticks_of_rows(int(whole.min()), int(whole.max()) + 1)
        begin, end = ticks[whole - first], ticks[whole - first + 1]
        return begin + np.rint(share * (end - begin)).astype(np.int64)

    def range(self, start: int, end: int) -> Int[np.ndarray, " rows"]:
        """Instants of all rows from `start` to `end`, both included if they are rows."""
        if end < start:
            return np.zeros(0, dtype=np.int64)
        ends = np.array([start, end], dtype=np.int64)
        return self.timestamps_of(np.arange(self.first_rows(ends)[0], self.locate(ends)[0][1] + 1))

    def next(self, timestamp: int, n: int) -> Int[np.ndarray, " n"]:
        """Instants of the first `n` rows after a timestamp, itself not included."""
        row = self.locate(np.array([timestamp], dtype=np.int64))[0][0]
        return self.timestamps_of(np.arange(row + 1, row + 1 + n))

    # Ticks of calendar and observed clocks

    @cached_property
    def _date_array(self) -> np.ndarray:
        if not self.dates:
            raise ValueError("an observed clock has no rows before it has seen data")
        return np.array(self.dates, dtype=np.int64)

    def _ticks(self, low: int, high: int) -> tuple[np.ndarray, int]:
        """Instants of rows, at least from before `low` to after `high`, and the first row."""
        if self.calendar is not None:
            return calendar_ticks(self.calendar, self.anchor, low, high)
        dates, rule = self._date_array, self._outside
        first, last = int(dates[0]), int(dates[-1])
        low, high = min(low, first) - rule.reach, max(high, last) + rule.reach
        before = rule.anchored(first).range(within_years(low), first - 1)
        after = rule.anchored(last).range(last + 1, within_years(high))
        return np.concatenate([before, dates, after]), -len(before)

    def _ticks_of_rows(self, low: int, high: int) -> tuple[np.ndarray, int]:
        """Like `_ticks`, for rows: reach further until they are covered."""
        first_date, last_date = self._date_bounds
        past, future = min(low, 0), max(high - max(len(self.dates) - 1, 0), 0)
        slack = self.reach
        while True:
            # Python's whole numbers do not overflow.
            ticks, first = self._ticks(
                within_years(first_date + past * self.nominal - slack),
                within_years(last_date + future * self.nominal + slack),
            )
            if first <= low and high < first + len(ticks):
                return ticks, first
            if slack > LAST_YEAR * YEAR_NS:
                raise ValueError(
                    f"rows {low} to {high} leave the years {FIRST_YEAR} to {LAST_YEAR}"
                )
            slack *= 4

    @property
    def _date_bounds(self) -> tuple[int, int]:
        return (self.dates[0], self.dates[-1]) if self.dates else (self.anchor, self.anchor)

    @property
    def _outside(self) -> "Clock":
        if self.rule is None:
            raise ValueError("an observed clock needs a rule for what comes after its dates")
        return self.rule

    @property
    def reach(self) -> int:
        """Distance within which there are rows, whatever is closed, ns."""
        return 3 * self.step if self.step else 3 * self.nominal + 366 * DAY_NS

    # What the clock is

    @cached_property
    def nominal(self) -> int:
        """Mean length of a step, ns (of an index: its step)."""
        if self.step:
            return self.step
        return self._outside.nominal if self.calendar is None else self.calendar.nominal

    @property
    def frequency(self) -> str:
        """The text that `parse_clock` reads: 5min, 2MS, B+16h, observed B, index 10."""
        if self.kind == "index":
            return f"index {self.step}" if self.step else "index"
        if self.kind == "fixed" and self.zone not in (None, UTC) and self.step % DAY_NS == 0:
            # Days of the zone would be unequal.
            return f"{self.step // HOUR_NS}h"
        if self.kind == "fixed":
            return duration_text(self.step)
        if self.calendar is None:
            return "observed" if self.rule is None else f"observed {self.rule.frequency}"
        number = "" if self.calendar.multiple == 1 else str(self.calendar.multiple)
        phase = f"+{duration_text(self.calendar.phase)}" if self.calendar.phase else ""
        return f"{number}{self.calendar.unit}{phase}"

    @property
    def step_name(self) -> str:
        """One step in words: 5min, day, business day, 2 months."""
        if self.kind == "fixed":
            return duration_text(self.step)
        if self.kind == "index":
            return "step"
        return "date" if self.calendar is None else self.calendar.name

    def seasons(self) -> dict[str, int]:
        """Day, week and year in rows, shortest first, as far as they are at least two whole rows.

        >>> Clock("fixed", step=6 * 3_600 * 10**9).seasons()
        {'day': 4, 'week': 28}
        >>> Clock("calendar", calendar=Calendar("B")).seasons()
        {'week': 5}
        >>> Clock("index", step=10, index_season=12).seasons()
        {'season': 12}
        """
        if self.kind == "index":
            return {"season": self.index_season} if self.index_season else {}
        if self.kind == "observed":
            return {} if self.rule is None else self.rule.seasons()
        lengths = {"day": DAY_NS, "week": 7 * DAY_NS, "year": YEAR_NS}
        if self.calendar is not None:
            del lengths["day"]
        rows = {name: length / self.nominal for name, length in lengths.items()}
        whole = {
            name: round(each)
            for name, each in rows.items()
            if each >= 1.5 and abs(each - round(each)) < 0.25
        }
        return {
            name: each for name, each in whole.items() if name != "year" or each <= LONGEST_YEAR
        }

    @property
    def season(self) -> int:
        """The shortest season in rows, 1 without one."""
        return min(self.seasons().values(), default=1)

    def note(self) -> str:
        """What a reader of forecasts must know about their timestamps; empty if nothing."""
        if self.kind != "observed":
            return ""
        rule = self._outside.frequency
        return f"the grid is the dates that occur in the data; after them it follows {rule}"

    def texts_of(self, timestamps: Int[np.ndarray, " n"]) -> list[str]:
        """Timestamps as `text_of` writes them."""
        # Series of a panel share theirs.
        different, which = np.unique(timestamps, return_inverse=True)
        texts = [self.text_of(timestamp) for timestamp in different.tolist()]
        return [texts[index] for index in which.tolist()]

    def to_pandas(self, timestamps: Int[np.ndarray, " n"]) -> pd.Index:
        """Timestamps in the time zone of the clock (UTC without one); whole numbers of an index."""
        if self.kind == "index":
            return pd.Index(timestamps)
        instants = pd.DatetimeIndex(timestamps.view("datetime64[ns]"), tz=UTC)
        return instants if self.zone is None else instants.tz_convert(self.zone)

    def text_of(self, timestamp: int) -> str:
        """One timestamp for a message: ISO 8601 in the zone of the clock, or a whole number."""
        if self.kind == "index":
            return str(timestamp)
        text = self.to_pandas(np.array([timestamp], dtype=np.int64))[0].isoformat()
        return text if self.zone is not None else text.replace("+00:00", "Z")

    # Binding to data, storing

    def anchored(self, first: int) -> "Clock":
        """The same clock with row 0 at (or nearest to) `first`, the first timestamp of the data.

        A calendar whose time of day is not decided takes that of `first`, if `first` is on a date
        of its unit. An observed clock has its rows already.
        """
        if self.calendar is None:
            return self if self.kind == "observed" else replace(self, anchor=first)
        calendar = self.calendar
        if calendar.phase is None:
            on_date = calendar.is_on_date(np.array([first], dtype=np.int64))[0]
            wall = int(local_times(np.array([first], dtype=np.int64), calendar.zone)[0])
            calendar = replace(calendar, phase=wall % DAY_NS if on_date else 0)
        single = replace(self, calendar=replace(calendar, multiple=1), anchor=first_tick(calendar))
        anchor = single.timestamps_of(single.nearest(np.array([first], dtype=np.int64)))[0]
        return replace(self, calendar=calendar, anchor=int(anchor))

    def extended(self, timestamps: Int[np.ndarray, " n"]) -> "Clock":
        """An observed clock that has also seen later data: dates after its last one become rows."""
        if self.kind != "observed":
            return self
        later = np.unique(timestamps[timestamps > self._date_array[-1]])
        return replace(self, dates=(*self.dates, *later.tolist()))

    def to_json(self) -> dict[str, Any]:
        """For preprocessor.json and the metadata of exported models."""
        content = asdict(replace(self, dates=(), rule=None))
        if not self.index_season:
            del content["index_season"]
        return {
            **content,
            "dates": _compress(self.dates),
            "rule": None if self.rule is None else self.rule.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Clock":
        """Read what `to_json` wrote; KeyError, TypeError or ValueError on anything else."""
        calendar, rule = content["calendar"], content["rule"]
        if calendar is not None:
            calendar = Calendar(**{**calendar, "closed": tuple(calendar["closed"])})
        return cls(
            kind=content["kind"],
            anchor=int(content["anchor"]),
            step=int(content["step"]),
            zone=content["zone"],
            calendar=calendar,
            dates=_expand(content["dates"]),
            rule=None if rule is None else cls.from_json(rule),
            index_season=int(content.get("index_season", 0)),
        )


def duration_text(length: int) -> str:
    """A duration in the largest unit that divides it, as params.yaml writes it.

    >>> duration_text(300_000_000_000), duration_text(86_400_000_000_000)
    ('5min', '1D')
    """
    unit, size = next((unit, size) for unit, size in UNITS_NS.items() if length % size == 0)
    return f"{length // size}{unit}"


def _compress(dates: tuple[int, ...]) -> list[list[int]]:
    """The first date, then each distance and how often it follows."""
    if not dates:
        return []
    steps = np.diff(np.array(dates, dtype=np.int64))
    starts = np.flatnonzero(np.diff(steps, prepend=-1))
    counts = np.diff(starts, append=len(steps))
    return [[dates[0]], *map(list, zip(steps[starts].tolist(), counts.tolist(), strict=True))]


def _expand(content: Sequence[Sequence[int]]) -> tuple[int, ...]:
    if not content:
        return ()
    (first,), *runs = content
    steps = np.repeat([step for step, _ in runs], [count for _, count in runs]).astype(np.int64)
    return (int(first), *(int(first) + np.cumsum(steps)).tolist())
