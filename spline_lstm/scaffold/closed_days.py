"""Open days without any row, and whether they are the holidays of a known calendar."""

from dataclasses import dataclass, replace
from typing import Any

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.open_days import WORKING_WEEK, closed_days
from spline_lstm.core.time_zones import DAY_NS, local_times

holidays: Any = lazy_loader.load("holidays")

# Fewer absent days prove no calendar, and more of them are not holidays.
FEWEST_DAYS, MOST_ABSENT = 5, 0.1
# Calendars that agree for so many years after the data are one calendar.
YEARS_AHEAD = 5
SHOWN = 5


@dataclass(frozen=True)
class Absences:
    """Open days from the first to the last row without any row.

    Attributes
    ----------
    days : dates such as 2024-12-25
    open_days : number of all open days
    calendar : name in the package holidays that closes exactly these days; None if no calendar or
        more than one does
    others : calendars to choose from, if these differ in other years
    """

    days: tuple[str, ...] = ()
    open_days: int = 0
    calendar: str | None = None
    others: tuple[str, ...] = ()

    def text(self) -> str:
        """What is absent, for the summary of `init`; empty if nothing is."""
        if not self.days:
            return ""
        shown = ", ".join(self.days[:SHOWN]) + (", ..." if len(self.days) > SHOWN else "")
        share = len(self.days) / self.open_days
        if self.calendar is not None:
            return f"exactly the holidays of {self.calendar} are absent ({len(self.days)} days)"
        text = (
            f"the only absent days are {len(self.days)} of {self.open_days} open days "
            f"({share:.1%}: {shown})"
        )
        if self.others:
            names = " or ".join(f"--holidays {name}" for name in self.others)
            return f"{text}, which are the holidays of more than one calendar: {names}"
        return f"{text}; if they are holidays of a calendar, name it with --holidays"


NONE_ABSENT = Absences()


def find_absences(clock: Clock, instants: Int[np.ndarray, " rows"]) -> Absences:
    """Which rows of a clock of days, from the first to the last one, have no timestamp."""
    rows = np.unique(clock.nearest(np.unique(instants)))
    absent = np.setdiff1d(np.arange(rows[0], rows[-1] + 1), rows)
    days = _days(clock, absent)
    return Absences(tuple(str(day) for day in days), int(rows[-1] - rows[0]) + 1)


def explain_absences(clock: Clock, instants: Int[np.ndarray, " rows"]) -> Absences:
    """Which open days of a clock of business days have no row, and whose holidays they are."""
    found = find_absences(clock, instants)
    if not FEWEST_DAYS <= len(found.days) <= MOST_ABSENT * found.open_days:
        return found
    days = np.array(found.days, dtype="datetime64[D]")
    first, last = _days(clock, clock.nearest(np.array([instants.min(), instants.max()])))
    mask = WORKING_WEEK if clock.calendar is None else clock.calendar.week_mask
    for names in (holidays.list_supported_financial(), _countries()):
        calendars = _calendars(sorted(names), days, first, last, mask)
        if len(calendars) == 1:
            return replace(found, calendar=calendars[0])
        if calendars:
            return replace(found, others=tuple(calendars[:SHOWN]))
    return found


def _days(clock: Clock, rows: np.ndarray) -> np.ndarray:
    """Local dates of rows, datetime64[D]."""
    return (local_times(clock.timestamps_of(rows), clock.zone) // DAY_NS).astype("datetime64[D]")


def _countries() -> list[str]:
    return [name for name in holidays.list_supported_countries() if len(name) == 2]


def _calendars(
    names: list[str], days: np.ndarray, first: np.datetime64, last: np.datetime64, mask: str
) -> list[str]:
    """Calendars that close exactly these days, one for each that will differ soon."""
    begin, end = (pd.Timestamp(day).year for day in (first, last))
    different: dict[bytes, str] = {}
    for name in names:
        closed, working = closed_days((name,), begin, end + YEARS_AHEAD)
        closed = closed[np.is_busday(closed, mask)]
        inside = closed[(closed >= first) & (closed <= last)]
        if len(working) == 0 and np.array_equal(inside, days):
            key = closed[closed > last].tobytes()
            # XNYS and NYSE are one market; its short name is the known one.
            different[key] = min(different.get(key, name), name, key=lambda each: (len(each), each))
    return sorted(different.values())
