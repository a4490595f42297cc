"""The clock of an unknown table: found in its timestamps, or given; never guessed."""

import shlex
from dataclasses import dataclass

import numpy as np

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import Inference, infer_clock, observe
from spline_lstm.core.clock_params import parse_clock
from spline_lstm.core.errors import UsageError
from spline_lstm.core.open_days import WORKING_WEEK
from spline_lstm.core.time_zones import DAY_NS
from spline_lstm.scaffold.closed_days import NONE_ABSENT, Absences, explain_absences, find_absences
from spline_lstm.scaffold.column_roles import Panel, Roles
from spline_lstm.scaffold.instants import zones_of_days
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.timestamp_formats import INDEX

SHOWN_SERIES = 3


@dataclass(frozen=True)
class FoundClock:
    """The clock, and how it was found.

    Attributes
    ----------
    clock : anchored to the first timestamp
    reason : where it is from
    absences : open days without any row, of a clock of business days
    """

    clock: Clock
    reason: str
    absences: Absences = NONE_ABSENT

    @property
    def holidays(self) -> tuple[str, ...]:
        """Value of preprocess.holidays."""
        calendar = (self.clock.rule or self.clock).calendar
        return () if calendar is None else calendar.closed

    @property
    def week_mask(self) -> str | None:
        """Value of preprocess.week_mask; None for Mon-Fri without holidays."""
        calendar = (self.clock.rule or self.clock).calendar
        mask = WORKING_WEEK if calendar is None else calendar.week_mask
        return None if mask == WORKING_WEEK else mask


def find_clock(roles: Roles, panel: Panel, options: Options, where: str) -> FoundClock:
    """The clock of the observed targets.

    Raises
    ------
    UsageError
        The timestamps follow none, or several, or the series have different ones.
    """
    first = int(panel.instants.min())
    if options.frequency is not None:
        _check_kind(roles, options, where)
        # The step of an index may be left to its numbers.
        if options.frequency != INDEX:
            clock = _parse(options.frequency, roles, options, options.week_mask)
            is_observed = clock.kind == "observed"
            clock = observe(panel.instants, clock) if is_observed else clock.anchored(first)
            return FoundClock(clock, "as given")
    found = infer_clock(
        panel.instants,
        panel.keys,
        zone=roles.zone,
        index=roles.timestamps.found.is_index,
        names=panel.names,
    )
    if options.holidays or options.week_mask:
        clock = _open_days(found, roles, options, where, first)
        return FoundClock(clock, "days as given", find_absences(clock, panel.instants))
    if found.clock is None:
        raise UsageError(f"{where}: {_problem(found, panel)}")
    reason = f"{found.present:.1%} of its rows have a timestamp"
    clock = found.clock
    if clock.calendar is None or clock.calendar.unit != "B":
        return FoundClock(clock, reason)
    absences = explain_absences(clock, panel.instants)
    if absences.calendar is not None:
        mask = clock.calendar.week_mask
        clock = parse_clock("B", zone=roles.zone, holidays=absences.calendar, week_mask=mask)
        clock = clock.anchored(first)
    return FoundClock(clock, reason, absences)


def _parse(text: str, roles: Roles, options: Options, week_mask: str | None) -> Clock:
    try:
        return parse_clock(text, zone=roles.zone, holidays=options.holidays, week_mask=week_mask)
    except ValueError as error:
        given = [options.named("frequency", text)] if options.frequency else []
        given += [options.named("holidays", name) for name in options.holidays]
        given += [options.named("week_mask", week_mask)] if options.week_mask else []
        raise UsageError(f"{' '.join(given)}: {error}") from None


def _check_kind(roles: Roles, options: Options, where: str) -> None:
    is_index = roles.timestamps.found.is_index
    if str(options.frequency).startswith(INDEX) != is_index:
        what, better = (
            ("whole numbers", "index")
            if is_index
            else ("timestamps", "a duration or a calendar unit")
        )
        raise UsageError(
            f"{where}: {roles.timestamps.label!r} has {what}, which --frequency "
            f"{options.frequency} does not count; give {better}"
        )


def _open_days(found: Inference, roles: Roles, options: Options, where: str, first: int) -> Clock:
    """Days of the table with the holidays and weekdays that are given."""
    likely = found.clock or next(iter(found.candidates), None)
    calendar = None if likely is None else likely.calendar
    is_daily = likely is not None and likely.kind == "fixed" and likely.step == DAY_NS
    is_daily |= calendar is not None and (calendar.unit, calendar.multiple) == ("D", 1)
    if likely is None or (calendar is None and not is_daily):
        raise UsageError(
            f"{where}: --holidays and --week-mask need days, but the timestamps follow "
            f"{likely.frequency if likely else 'no clock'}; leave them out or give --frequency B"
        )
    mask = options.week_mask
    if mask is None and calendar is not None and calendar.week_mask != WORKING_WEEK:
        mask = calendar.week_mask
    return _parse("B" if is_daily else likely.frequency, roles, options, mask).anchored(first)


def _problem(found: Inference, panel: Panel) -> str:
    """Why there is no clock, with the options to give."""
    reason = found.problem.split("; ")[0]
    if len(found.cadences) > 1 and not found.clock and "different cadences" in reason:
        parts = [f"{text}: {_members(members, panel)}" for text, members in found.cadences]
        return (
            f"the series have different cadences ({'; '.join(parts)}); make one pipeline for each, "
            "from a file with only its series, or give --frequency if these are one cadence with "
            "gaps"
        )
    if "calendar days of a zone" in found.problem:
        zones = zones_of_days(panel.instants)
        such = " or ".join(f"--time-zone {zone}" for zone in zones) or "--time-zone"
        return f"{found.problem.split('; set')[0]}; give that zone, such as {such}"
    ways = [f"--frequency {shlex.quote(clock.frequency)}" for clock in found.candidates]
    ways = [
        f"{way} (only dates that occur are rows)" if clock.kind == "observed" else way
        for way, clock in zip(ways, found.candidates, strict=True)
    ]
    if len(ways) < 2:
        ways.append("the step of a grid with --frequency")
    return f"{reason}; give {' or '.join(ways)}"


def _members(members: tuple[int, ...], panel: Panel) -> str:
    shown = ", ".join(panel.names[key] for key in members[:SHOWN_SERIES])
    return shown + (f", {len(members) - SHOWN_SERIES} more" if len(members) > SHOWN_SERIES else "")


def rows_of(clock: Clock, panel: Panel) -> np.ndarray:
    """[rows] row of the clock at each timestamp."""
    if clock.step:
        return clock.nearest(panel.instants)
    # Of a panel few instants are different, and those of a calendar take time to locate.
    instants, places = np.unique(panel.instants, return_inverse=True)
    return clock.nearest(instants)[places]
