"""The clock that params.yaml asks for: 5min, 1D, B+16h, QS-OCT, observed, index 10."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pandas.tseries.frequencies import to_offset

from spline_lstm.core.calendars import OPEN_DAY_UNITS, UNITS, Calendar, first_tick
from spline_lstm.core.clock import Clock
from spline_lstm.core.open_days import WORKING_WEEK, parse_closed, parse_week_mask, weekend_of
from spline_lstm.core.time_zones import DAY_NS, UTC, parse_zone
from spline_lstm.core.timestamps import parse_duration

RULE = (
    "must be a fixed, positive duration such as 5min, 1h or 1D, a calendar unit such as D, W-SUN, "
    "B, MS, ME, QS-OCT or YE, observed, or index 10"
)
DAYS = re.compile(r"(\d*)\s*([DdWw])")


def parse_clock(
    text: str,
    *,
    zone: str | None = None,
    holidays: str | Sequence[str] = (),
    week_mask: str | None = None,
) -> Clock:
    """The clock of a text, not yet anchored to data.

    Parameters
    ----------
    text : str
        - ``5min``, ``1h``, ``24h``: a fixed duration
        - ``D``, ``2D``, ``1W``: days; in a zone they last from midnight to midnight, without one
          24 hours. ``W`` is seven days from the first timestamp on
        - ``W-SUN``, ``B``, ``MS``, ``ME``, ``QS-OCT``, ``YE``, ``BME``, ``SMS``, ``WOM-3FRI``,
          ``2MS``: offsets of pandas; ``B`` counts the open days of `week_mask` except holidays
        - ``B+16h``, ``MS+14D``: what lies after the midnight that starts the unit
        - ``observed``, ``observed B``: the dates of the data, and after them a rule
        - ``index``, ``index 10``: whole numbers with a step
    zone : str, optional
        Time zone of the dates, in which timestamps are given to people.
    holidays : str or sequence of str
        Calendars of the package holidays (NYSE, US, DE-BY) and dates (2024-12-24) that are closed.
    week_mask : str, optional
        Open weekdays such as ``Mon-Sat``; by default those of the first calendar in `holidays`, or
        Mon-Fri.

    Raises
    ------
    ValueError
        A text is none of these, or holidays are given for a unit that has none.

    >>> parse_clock("2QS-OCT").step_name, parse_clock("index 10").step, parse_clock("1D").kind
    ('2 quarters', 10, 'fixed')
    """
    zone = None if zone is None else parse_zone(zone)
    clock = _parse(text.strip(), zone)
    closed = parse_closed(holidays)
    if not closed and week_mask is None:
        return clock
    return _with_open_days(clock, closed, week_mask)


def _parse(text: str, zone: str | None) -> Clock:
    word, _, rest = text.partition(" ")
    if word == "index" and rest.isdecimal() and int(rest) > 0:
        return Clock("index", step=int(rest))
    if word == "observed":
        rule = _parse(rest.strip(), zone) if rest else None
        if rule is None or rule.kind in ("fixed", "calendar"):
            return Clock("observed", zone=zone, rule=rule)
    days = DAYS.fullmatch(text)
    if days and int(days[1] or 1) > 0 and zone in (None, UTC):
        return Clock("fixed", step=_number_of_days(days) * DAY_NS, zone=zone)
    calendar = _calendar(text, zone or UTC)
    if calendar is not None:
        return Clock("calendar", anchor=first_tick(calendar), zone=zone, calendar=calendar)
    # A number without a unit may be nanoseconds or an index; parse_duration refuses it.
    return Clock("fixed", step=_duration(text), zone=zone)


def _calendar(text: str, zone: str) -> Calendar | None:
    """The calendar unit of a text; None if it may be a duration."""
    unit, plus, rest = text.partition("+")
    days = DAYS.fullmatch(unit.strip())
    if days and int(days[1] or 1) > 0:
        unit, multiple = "D", _number_of_days(days)
    else:
        offset = _offset(unit.strip())
        if offset is None:
            return None
        unit, multiple = offset.base.freqstr, offset.n
    phase = None if not plus else 0 if rest in ("0h", "0D") else _duration(rest)
    return Calendar(unit, multiple, phase, zone)


def _number_of_days(days: re.Match[str]) -> int:
    return int(days[1] or 1) * (7 if days[2] in "Ww" else 1)


def _offset(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            offset = to_offset(text)
    # Texts of a user meet many of pandas' parsers.
    except (ValueError, Warning, KeyError, TypeError, AttributeError, OverflowError):
        return None
    known = offset is not None and offset.n > 0 and UNITS.fullmatch(offset.base.freqstr)
    return offset if known else None


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(RULE) from None


def _with_open_days(clock: Clock, closed: tuple[str, ...], week_mask: str | None) -> Clock:
    if clock.rule is not None:
        return replace(clock, rule=_with_open_days(clock.rule, closed, week_mask))
    calendar = clock.calendar
    if calendar is None or calendar.unit not in OPEN_DAY_UNITS:
        raise ValueError(
            f"holidays and a week mask need open days, but the frequency is {clock.frequency}; set "
            "it to B (business days), BMS or BME (first or last one of a month), or remove them"
        )
    mask = parse_week_mask(week_mask) if week_mask else weekend_of(closed) or WORKING_WEEK
    calendar = replace(calendar, week_mask=mask, closed=closed)
    return replace(clock, calendar=calendar, anchor=first_tick(calendar))
