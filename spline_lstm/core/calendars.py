"""Calendar units: the instants at which days, weeks, business days, months and years start.

A calendar unit has no fixed length. Its ticks are the dates of a pandas offset (or the open days of
a week with holidays) at one time of day of a time zone, as instants in UTC.
"""

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int
from pandas.tseries.frequencies import to_offset

from spline_lstm.core.open_days import WORKING_WEEK, closed_days
from spline_lstm.core.time_zones import DAY_NS, UTC, local_times, to_instants

YEAR_NS = round(365.2425 * DAY_NS)
# Whole years that fit into int64 nanoseconds.
FIRST_YEAR, LAST_YEAR = 1678, 2261
# 28 years: each date falls on each weekday equally often.
TYPICAL_YEARS = (2001, 2028)
# Names of units in pandas: MS, QS-OCT (quarters from October), WOM-3FRI (third Fridays).
UNITS = re.compile(r"D|B|B?M[SE]|SM[SE]-\d+|L?W(OM)?-\d?[A-Z]{3}|B?[QY][SE]-[A-Z]{3}")
# Units of which holidays and a week mask move the dates.
OPEN_DAY_UNITS = ("B", "BMS", "BME")
NAMES = {
    "D": "day",
    "B": "business day",
    "W": "week",
    "SMS": "half month",
    "SME": "half month",
    "WOM": "month",
    "LWOM": "month",
}


@dataclass(frozen=True)
class Calendar:
    """A calendar unit in a time zone.

    Attributes
    ----------
    unit : pandas offset of one unit: D, W-SUN, B, MS, ME, QS-OCT, YE-DEC, BME, SMS-15, ...
    multiple : units in one step
    phase : ns on the wall clock after the midnight that starts a date of the unit: B and 16 hours;
        MS and 14 days are the 15th of each month. None: not decided yet, counts as 0
    zone : time zone of the dates
    week_mask : weekdays that are open, for the units of `OPEN_DAY_UNITS`
    closed : calendars of the package holidays (NYSE, US, DE-BY) and dates (2024-12-24), sorted
    """

    unit: str
    multiple: int = 1
    phase: int | None = None
    zone: str = UTC
    week_mask: str = WORKING_WEEK
    closed: tuple[str, ...] = ()

    @property
    def units_a_year(self) -> float:
        """Units in a mean year without holidays: 12 for months, 260.9 for Monday to Friday."""
        return _units_a_year(self.unit, self.week_mask)

    @property
    def nominal(self) -> int:
        """Mean length of one step, ns."""
        return round(self.multiple * YEAR_NS / self.units_a_year)

    @property
    def name(self) -> str:
        """The unit in words.

        >>> Calendar("QS-OCT", 2).name
        '2 quarters'
        """
        kind = self.unit.split("-")[0]
        word = (
            NAMES.get(kind)
            or {"M": "month", "Q": "quarter", "Y": "year"}[kind.removeprefix("B")[0]]
        )
        return word if self.multiple == 1 else f"{self.multiple} {word}s"

    def ticks(self, first_year: int, last_year: int) -> Int[np.ndarray, " ticks"]:
        """All ticks with a date in these years, ns since 1970 UTC; `multiple` does not matter."""
        return _ticks(replace(self, multiple=1), first_year, last_year)

    def is_on_date(self, timestamps: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """True where the local date is a date of the unit."""
        days = local_times(timestamps, self.zone) // DAY_NS
        if not len(days):
            return np.zeros(0, dtype=bool)
        years = [int(pd.Timestamp(int(day) * DAY_NS).year) for day in (days.min(), days.max())]
        dates = _dates(replace(self, multiple=1, phase=None, zone=UTC), *years)
        return np.isin(days, dates.astype(np.int64))


def calendar_ticks(
    calendar: Calendar, anchor: int, low: int, high: int
) -> tuple[Int[np.ndarray, " ticks"], int]:
    """Every `multiple`-th tick, from before `low` to after `high`, and the row of the first one.

    Row 0 is the anchor. At the ends of the years that fit into int64 there may be no tick outside.
    """
    margin = 1 + calendar.nominal // YEAR_NS
    years = [pd.Timestamp(each).year for each in (min(low, anchor), max(high, anchor))]
    # Whole decades, so that nearby requests share their dates.
    ticks = calendar.ticks(
        max((years[0] - margin) // 10 * 10, FIRST_YEAR),
        min((years[1] + margin) // 10 * 10 + 9, LAST_YEAR),
    )
    zero = int(np.searchsorted(ticks, anchor))
    start = zero % calendar.multiple
    return ticks[start :: calendar.multiple], (start - zero) // calendar.multiple


def first_tick(calendar: Calendar) -> int:
    """The first tick since 1970, ns."""
    ticks = calendar.ticks(1960, 1979)
    return int(ticks[np.searchsorted(ticks, 0)])


def within_years(timestamp: int) -> int:
    """The timestamp, moved into the years that fit into int64 nanoseconds."""
    first, last = (
        pd.Timestamp(FIRST_YEAR, 1, 1).as_unit("ns"),
        pd.Timestamp(LAST_YEAR, 12, 31).as_unit("ns"),
    )
    return min(max(timestamp, first.value), last.value)


@cache
def _units_a_year(unit: str, week_mask: str) -> float:
    first, last = TYPICAL_YEARS
    dates = _dates(Calendar(unit, week_mask=week_mask), first, last)
    return len(dates) / (last - first + 1)


@lru_cache(maxsize=64)
def _ticks(calendar: Calendar, first_year: int, last_year: int) -> np.ndarray:
    dates = _dates(replace(calendar, phase=None, zone=UTC), first_year, last_year)
    walls = dates.astype("datetime64[ns]")
    walls = walls + np.timedelta64(calendar.phase or 0, "ns")
    ticks = to_instants(walls.view(np.int64), calendar.zone)
    if not (np.diff(ticks) > 0).all():
        raise ValueError(
            f"{pd.Timedelta(calendar.phase or 0)} is too much to add to {calendar.unit}: the "
            "instants would not increase; add less"
        )
    ticks.flags.writeable = False
    return ticks


@lru_cache(maxsize=64)
def _dates(calendar: Calendar, first_year: int, last_year: int) -> np.ndarray:
    """Dates of the unit in these years, datetime64[D]."""
    first, last = np.datetime64(f"{first_year:04}-01-01"), np.datetime64(f"{last_year:04}-12-31")
    if calendar.unit == "D":
        return np.arange(first, last + 1)
    days = np.arange(first, last + 1)
    if calendar.unit == "B":
        return days[_is_open(calendar, days)]
    if calendar.unit.startswith("W-"):
        # As pd.date_range gives them, in a thousandth of its time.
        return days[np.is_busday(days, calendar.unit[2:].title())]
    offset = _offset(calendar, first_year, last_year)
    dates = pd.date_range(pd.Timestamp(first), pd.Timestamp(last), freq=offset)
    return dates.to_numpy().astype("datetime64[D]")


def _is_open(calendar: Calendar, days: np.ndarray) -> np.ndarray:
    first, last = (day.astype(object).year for day in (days[0], days[-1]))
    closed, working = closed_days(calendar.closed, first, last)
    return np.is_busday(days, calendar.week_mask, closed) | np.isin(days, working)


def _offset(calendar: Calendar, first_year: int, last_year: int) -> Any:
    if calendar.unit not in OPEN_DAY_UNITS:
        return to_offset(calendar.unit)
    kind = {"BMS": pd.offsets.CustomBusinessMonthBegin, "BME": pd.offsets.CustomBusinessMonthEnd}
    closed, _ = closed_days(calendar.closed, first_year, last_year)
    return kind[calendar.unit](weekmask=calendar.week_mask, holidays=closed.tolist())
