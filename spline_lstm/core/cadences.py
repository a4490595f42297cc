"""The clock that the timestamps of one series follow.

Dates that lie a day or more apart are compared with calendar units, the coarsest first; closer
timestamps with fixed steps.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.calendars import YEAR_NS, Calendar, first_tick
from spline_lstm.core.clock import Clock, duration_text
from spline_lstm.core.open_days import WEEKDAYS, WORKING_WEEK
from spline_lstm.core.time_zones import DAY_NS, HOUR_NS, UTC, local_times, to_instants

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
# Steps at which clocks tick.
USUAL_STEPS = np.array(
    [SECOND_NS * seconds for seconds in (1, 2, 5, 10, 15, 20, 30)]
    + [MINUTE_NS * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [HOUR_NS * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 168)]
)
FEWEST = 3
SIMILAR = 0.1
MODE_SHARE = 0.6
# Timestamps that may contradict what nearly all of them show.
EXCEPTIONS = 0.02
# A weekday that occurs less often than this share of the most frequent one is closed.
RARE = 0.2
# Fewer rows with a timestamp are not a cadence with gaps.
FEWEST_PRESENT = 0.5
# Days between the first or last open days of two months, at least.
SHORTEST_MONTH = 26
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Cadence:
    """What clock some timestamps follow.

    Attributes
    ----------
    clocks : those that fit equally well, the most probable first; more than one: ask. If there is
        a problem, the nearest ones
    present : share of the rows of the first clock, from the first to the last timestamp, that have
        a timestamp
    problem : why no clock fits, with what to do; empty if one does
    """

    clocks: tuple[Clock, ...]
    present: float
    problem: str = ""

    @property
    def clock(self) -> Clock | None:
        """The one clock that fits."""
        return self.clocks[0] if len(self.clocks) == 1 and not self.problem else None


def find_cadence(timestamps: Int[np.ndarray, " n"], zone: str | None = None) -> Cadence:
    """The clock of one series.

    Parameters
    ----------
    timestamps : [n] int64, ns since 1970 UTC, in any order
    zone : time zone of the dates, UTC by default

    >>> days = pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-31"]).as_unit("ns").asi8
    >>> find_cadence(days).clocks[0].frequency
    'ME'
    """
    instants = np.unique(timestamps)
    if len(instants) < FEWEST:
        return Cadence((), 0.0, f"a cadence needs {FEWEST} different timestamps or more")
    steps = np.diff(instants)
    if np.median(steps) < 20 * HOUR_NS:
        return _checked(_fixed_clocks(instants, steps, zone), instants)
    walls = local_times(instants, zone)
    if _has_two_offsets(walls, instants):
        return _two_offsets(walls, instants, zone)
    return _checked(_date_clocks(walls, zone) or _fixed_clocks(instants, steps, zone), instants)


def find_index_step(numbers: Int[np.ndarray, " n"], keys: Int[np.ndarray, " n"]) -> int | None:
    """Step of whole numbers that count the rows of each series; None with fewer than two rows."""
    order = np.lexsort((numbers, keys))
    steps = np.diff(numbers[order])[np.diff(keys[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    mode = int(values[np.argmax(counts)])
    # Steps that the most frequent one does not divide: numbers between the rows.
    return mode if (steps % mode == 0).mean() >= 1 - EXCEPTIONS else int(np.gcd.reduce(steps))


def _checked(clocks: tuple[Clock, ...], instants: np.ndarray) -> Cadence:
    """The clocks with what they leave open, or the reason why they do not fit."""
    if not clocks:
        steps = np.diff(instants)
        rule = Clock("fixed", step=_usual(int(np.median(steps))))
        problem = (
            f"the timestamps follow neither a fixed step nor a calendar (median distance "
            f"{pd.Timedelta(int(np.median(steps)))}); set preprocess.frequency to observed, where "
            "each date that occurs is a row, or to the step of a grid"
        )
        return Cadence((Clock("observed", rule=rule),), 1.0, problem)
    present = share_present(clocks[0], instants)
    if present >= FEWEST_PRESENT:
        return Cadence(clocks, present)
    first = clocks[0]
    problem = (
        f"only {present:.0%} of the rows of {first.frequency} have a timestamp; set "
        f"preprocess.frequency to observed {first.frequency}, where only dates that occur are "
        f"rows, or to {first.frequency} if the others are missing"
    )
    observed = Clock("observed", zone=first.zone, rule=first)
    return Cadence((observed, first), present, problem)


def share_present(clock: Clock, instants: Int[np.ndarray, " n"]) -> float:
    """Share of the rows, from the first to the last of some timestamps, that have one nearby."""
    rows = np.unique(clock.nearest(instants))
    return len(rows) / (int(rows[-1]) - int(rows[0]) + 1)


# Fixed steps


def _fixed_clocks(instants: np.ndarray, steps: np.ndarray, zone: str | None) -> tuple[Clock, ...]:
    """The most frequent step if it is the rule, or the usual step near to jittering ones."""
    values, counts = np.unique(steps, return_counts=True)
    mode, share = int(values[np.argmax(counts)]), counts.max() / len(steps)
    median = int(np.median(steps))
    if share >= MODE_SHARE and abs(mode - median) <= SIMILAR * median:
        step = mode
    elif np.mean(np.abs(steps - median) <= SIMILAR * median) >= MODE_SHARE:
        step = _usual(median)
        if abs(step - median) > SIMILAR / 2 * median:
            return ()
    else:
        return ()
    return (Clock("fixed", anchor=int(instants[0]), step=step, zone=zone),)


def _usual(step: int) -> int:
    if step > 8 * DAY_NS:
        return round(step / DAY_NS) * DAY_NS
    return int(USUAL_STEPS[np.argmin(np.abs(USUAL_STEPS - step))])


# Calendar units


def _date_clocks(walls: np.ndarray, zone: str | None) -> tuple[Clock, ...]:
    days = np.unique(walls // DAY_NS)
    if len(days) < len(walls):
        return ()
    units = _month_units(days) or _week_units(days) or _day_units(days)
    phase = _time_of_day(walls)
    calendars = [
        Calendar(unit, multiple, phase + later * DAY_NS, zone or UTC, mask)
        for unit, multiple, later, mask in units
    ]
    clocks = [_clock(calendar, zone) for calendar in calendars]
    first = int(to_instants(walls[:1], zone)[0])
    return tuple(clock.anchored(first) for clock in clocks)


def _clock(calendar: Calendar, zone: str | None) -> Clock:
    """Days of UTC are a fixed step."""
    if calendar.unit == "D" and calendar.zone == UTC:
        return Clock(
            "fixed", anchor=calendar.phase or 0, step=calendar.multiple * DAY_NS, zone=zone
        )
    return Clock("calendar", anchor=first_tick(calendar), zone=zone, calendar=calendar)


def _time_of_day(walls: np.ndarray) -> int:
    """The most frequent time of day, or the median to the minute if none is frequent."""
    times, counts = np.unique(walls % DAY_NS, return_counts=True)
    if counts.max() >= len(walls) / 2:
        return int(times[np.argmax(counts)])
    return int(np.median(walls % DAY_NS)) // MINUTE_NS * MINUTE_NS


def _month_units(days: np.ndarray) -> list[tuple[str, int, int, str]]:
    """Unit, multiple, days after its start and week mask of dates at one point of the month."""
    if np.diff(days).min() < SHORTEST_MONTH:
        return []
    dates = pd.DatetimeIndex((days * DAY_NS).view("datetime64[ns]"))
    months = (dates.year * 12 + dates.month - 1).to_numpy()
    distances = np.diff(months)
    if not (distances > 0).all():
        return []
    month, apart = int(dates[0].month), int(np.gcd.reduce(distances))
    first_open = dates == dates.to_period("M").to_timestamp() + pd.offsets.BMonthBegin(0)
    last_open = dates == dates + pd.offsets.BMonthEnd(0)
    day = int(dates[0].day)
    if dates.is_month_end.all():
        return [(*_months(apart, "E", month), 0, WORKING_WEEK)]
    if (dates.day == day).all() and day <= 28:
        return [(*_months(apart, "S", month), day - 1, WORKING_WEEK)]
    for unit, fits in (("BMS", first_open), ("BME", last_open)):
        if fits.all():
            return [(unit, apart, 0, WORKING_WEEK)]
    return []


def _months(apart: int, side: str, month: int) -> tuple[str, int]:
    if apart % 12 == 0:
        return f"Y{side}-{MONTHS[month - 1]}", apart // 12
    if apart % 3:
        return f"M{side}", apart
    # Quarters are named by their first start, or by the last end of the year.
    named = (month - 1) % 3 if side == "S" else (month - 1) % 3 + 9
    return f"Q{side}-{MONTHS[named]}", apart // 3


def _week_units(days: np.ndarray) -> list[tuple[str, int, int, str]]:
    apart = int(np.gcd.reduce(np.diff(days)))
    if apart % 7:
        return []
    return [(f"W-{WEEKDAYS[_weekday(days)[0]].upper()}", apart // 7, 0, WORKING_WEEK)]


def _day_units(days: np.ndarray) -> list[tuple[str, int, int, str]]:
    apart = int(np.gcd.reduce(np.diff(days)))
    daily = ("D", apart, 0, WORKING_WEEK)
    if apart > 1:
        return [daily]
    counts = np.bincount(_weekday(days), minlength=7)
    open_days = counts >= RARE * counts.max()
    if open_days.all() or counts[~open_days].sum() > EXCEPTIONS * len(days):
        return [daily]
    mask = " ".join(day for day, is_open in zip(WEEKDAYS, open_days, strict=True) if is_open)
    business = ("B", 1, 0, mask)
    # Less than two weeks do not tell closed days from missing ones.
    if days[-1] - days[0] >= 14:
        return [business]
    return [("B", 1, 0, WORKING_WEEK), daily] if not counts[5:].any() else [daily]


def _weekday(days: np.ndarray) -> np.ndarray:
    """0: Monday. Day 0, 1970-01-01, was a Thursday."""
    return (days + 3) % 7


# Time zones


def _has_two_offsets(walls: np.ndarray, instants: np.ndarray) -> bool:
    """True if the time of day moves by an hour twice a year, as a wall clock does in UTC."""
    times, counts = np.unique(walls % DAY_NS, return_counts=True)
    if len(times) < 2 or counts.max() >= (1 - EXCEPTIONS) * len(walls):
        return False
    two = np.sort(times[np.argsort(-counts, kind="stable")[:2]])
    apart = min(two[1] - two[0], DAY_NS - (two[1] - two[0]))
    known = np.isin(walls % DAY_NS, two)
    changes = np.count_nonzero(np.diff((walls % DAY_NS)[known]))
    years = (instants[-1] - instants[0]) / YEAR_NS
    return apart in (HOUR_NS, HOUR_NS // 2) and bool(
        known.mean() >= 1 - EXCEPTIONS and changes <= 2 * years + 2
    )


def _two_offsets(walls: np.ndarray, instants: np.ndarray, zone: str | None) -> Cadence:
    times = np.unique(walls % DAY_NS)
    shown = " and ".join(str(pd.Timestamp(int(time)))[11:16] for time in times[:2])
    where, other = (UTC, "that zone") if zone is None else (zone, f"another zone than {zone}")
    step = _usual(int(np.median(np.diff(instants))))
    problem = (
        f"the timestamps are at {shown} of {where}, by season: these are calendar days of a zone "
        f"with summer time; set data.time_zone to {other}, such as Europe/Berlin"
    )
    nearest = Clock("fixed", anchor=int(instants[0]), step=step, zone=zone)
    return Cadence((nearest,), share_present(nearest, instants), problem)


def describe(clock: Clock) -> str:
    """A clock for a question or a report: its frequency, and open days other than Mon-Fri."""
    mask = clock.calendar.week_mask if clock.calendar is not None else WORKING_WEEK
    days = "" if mask == WORKING_WEEK else f" ({mask})"
    return f"{clock.frequency}{days}" if clock.kind != "fixed" else duration_text(clock.step)
