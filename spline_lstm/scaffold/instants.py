"""Timestamps of an unknown file as instants: their time zone, and hours that occur twice."""

from zoneinfo import available_timezones

import numpy as np
from jaxtyping import Int

from spline_lstm.core.errors import UsageError
from spline_lstm.core.time_zones import (
    DAY_NS,
    TYPICAL_ZONES,
    WallClockProblem,
    find_repeated_hour,
    local_times,
    localize,
    parse_zone,
)
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.table import Table
from spline_lstm.scaffold.timestamp_columns import Timestamps

UTC_OFFSETS = {"Z", "+00", "-00", "+0000", "+00:00", "-00:00", "-0000"}


def instants_of(
    timestamps: Timestamps,
    keys: Int[np.ndarray, " rows"],
    table: Table,
    options: Options,
    where: str,
) -> tuple[Int[np.ndarray, " rows"], str | None]:
    """Instants of the timestamps (an index: its numbers), and the zone of their dates.

    Raises
    ------
    UsageError
        An hour occurs twice and no zone is declared, or the declared one does not resolve it.
    """
    found = timestamps.found
    _check_ambiguous(timestamps, options)
    if found.is_index:
        if options.time_zone is not None:
            given = options.named("time_zone", options.time_zone)
            raise UsageError(
                f"{given}: {timestamps.label!r} has whole numbers, which have no time zone; leave "
                "it out"
            )
        return found.timestamps, None
    zone = _declared(options) or found.zone or _single_offset(found.offsets)
    if found.offsets:
        return found.timestamps, zone
    if zone is None:
        problem = find_repeated_hour(found.timestamps, keys)
        if problem is not None:
            raise wall_clock_error(problem, table, where)
        return found.timestamps, None
    instants, problems = localize(
        found.timestamps, zone, keys, ambiguous=options.ambiguous_hour or "order"
    )
    if problems:
        raise wall_clock_error(problems[0], table, where)
    return instants, zone


def _check_ambiguous(timestamps: Timestamps, options: Options) -> None:
    """Refuse --ambiguous-hour where no hour can occur twice, so that it would do nothing."""
    if options.ambiguous_hour in (None, "order"):
        return
    found = timestamps.found
    option = options.named("ambiguous_hour", options.ambiguous_hour)
    if found.is_index or found.offsets:
        has = "whole numbers" if found.is_index else "offsets"
        raise UsageError(
            f"{option}: {timestamps.label!r} has {has}, with which no hour occurs twice; leave it "
            "out"
        )
    if options.time_zone is None and found.zone is None:
        raise UsageError(
            f"{option}: without a zone the timestamps are in UTC, in which no hour occurs twice; "
            "give the zone with --time-zone, or leave it out"
        )


def _declared(options: Options) -> str | None:
    if options.time_zone is None:
        return None
    try:
        return parse_zone(options.time_zone)
    except ValueError as error:
        raise UsageError(f"--time-zone {error}") from None


def _single_offset(offsets: tuple[str, ...]) -> str | None:
    """The offset that all timestamps have, as a zone; None for UTC or several."""
    if len(offsets) != 1 or offsets[0] in UTC_OFFSETS:
        return None
    sign, digits = offsets[0][0], offsets[0][1:].replace(":", "").ljust(4, "0")
    return f"{sign}{digits[:2]}:{digits[2:]}"


def wall_clock_error(problem: WallClockProblem, table: Table, where: str) -> UsageError:
    """The problem with the lines of the file and the option to give."""
    word = "line" if table.is_text else "row"
    lines = " and ".join(str(table.line_of(row)) for row in problem.rows)
    plural = "s" if len(problem.rows) > 1 else ""
    message = problem.message.replace(
        "set data.time_zone to the zone of the wall clock",
        "give the zone of the wall clock with --time-zone",
    ).replace(", or to UTC", ", or --time-zone UTC")
    return UsageError(f"{where} {word}{plural} {lines}: {message}")


def zones_of_days(instants: Int[np.ndarray, " rows"], most: int = 3) -> tuple[str, ...]:
    """Zones in which all instants are at midnight: typical ones, or else any others."""
    dates = np.unique(instants)
    others = sorted(zone for zone in available_timezones() if "/" in zone and zone[:3] != "Etc")
    for zones in (TYPICAL_ZONES, others):
        found = [zone for zone in zones if np.all(local_times(dates, zone) % DAY_NS == 0)]
        if found:
            return tuple(found[:most])
    return ()
