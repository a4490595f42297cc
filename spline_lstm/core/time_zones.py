"""Time zones: instants as wall-clock times, and wall-clock times as instants.

When clocks are set back an hour occurs twice, and only the order of the rows tells the two apart.
When they are set forward an hour does not occur at all.
"""

import re
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from jaxtyping import Int

UTC = "UTC"
DAY_NS = 86_400_000_000_000
HOUR_NS = 3_600_000_000_000
OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")
# One zone for each rule by which clocks are set back today.
TYPICAL_ZONES = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Havana",
    "America/Santiago", "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Auckland",
    "Asia/Jerusalem", "Asia/Beirut", "Africa/Cairo",
)  # fmt: skip


@dataclass(frozen=True)
class WallClockProblem:
    """Rows whose instant cannot be told.

    Attributes
    ----------
    rule : ambiguous (the hour occurs twice), nonexistent (it is left out) or no_zone (it occurs
        twice and no zone is declared)
    rows : positions of the rows that show it
    wall : the wall-clock time
    message : what is wrong and what to do, without the rows
    """

    rule: Literal["ambiguous", "nonexistent", "no_zone"]
    rows: tuple[int, ...]
    wall: str
    message: str


def parse_zone(text: str) -> str:
    """The name of a time zone, checked.

    Raises
    ------
    ValueError
        The time zone database has no such zone.
    """
    if OFFSET.fullmatch(text):
        return text
    try:
        # pandas would also read tzlocal(), which is another zone on each machine.
        ZoneInfo(text)
    except (ValueError, KeyError, OSError):
        raise ValueError(
            f"{text!r} is not a time zone; write a name such as Europe/Berlin, an offset such as "
            "+01:00, or UTC"
        ) from None
    return text


def local_times(timestamps: Int[np.ndarray, " n"], zone: str | None) -> Int[np.ndarray, " n"]:
    """Wall clock of a zone at instants, both in ns; wall clocks count as if they were UTC."""
    if zone in (None, UTC):
        return timestamps
    instants = pd.DatetimeIndex(timestamps.view("datetime64[ns]"), tz=UTC)
    return instants.tz_convert(zone).tz_localize(None).as_unit("ns").asi8


def to_instants(walls: Int[np.ndarray, " n"], zone: str | None) -> Int[np.ndarray, " n"]:
    """Instants of wall-clock times: the first of a repeated hour, the end of a missing one."""
    if zone in (None, UTC):
        return walls.copy()
    naive = pd.DatetimeIndex(walls.view("datetime64[ns]"))
    first = np.ones(len(naive), dtype=bool)
    aware = naive.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return aware.tz_convert(UTC).as_unit("ns").asi8.copy()


def localize(
    walls: Int[np.ndarray, " rows"],
    zone: str,
    series: Int[np.ndarray, " rows"] | None = None,
    *,
    ambiguous: Literal["order", "earlier", "later"] = "order",
) -> tuple[Int[np.ndarray, " rows"], tuple[WallClockProblem, ...]]:
    """Instants of wall-clock times.

    A repeated hour is told apart by the order of the rows within a series: the first row at which
    the wall clock does not advance comes after the change. Rows may increase or decrease in time.

    Parameters
    ----------
    walls : [rows] int64, ns since 1970 as if the wall clock were UTC, in the order of the file
    zone : name of a time zone
    series : [rows] index of the series; one series by default
    ambiguous : `order`, or always the `earlier` or the `later` instant of a repeated hour

    Returns
    -------
    instants : [rows] int64, ns since 1970 UTC
        For rows of a problem the earlier of two instants, or the end of the hour that is left out.
    problems : tuple of WallClockProblem
        One for each series and hour that cannot be resolved.
    """
    naive = pd.DatetimeIndex(walls.view("datetime64[ns]"))
    earlier, later = (_instants(naive, zone, first=first) for first in (True, False))
    late = np.zeros(len(walls), dtype=bool)
    twice = np.flatnonzero(earlier != later)
    problems: list[WallClockProblem] = []
    if ambiguous == "order" and len(twice):
        codes = np.zeros(len(walls), dtype=np.int64) if series is None else series
        rows, groups = _by_series(walls, codes, twice)
        late[rows], problems = _resolve(walls, rows, groups, zone)
    elif ambiguous == "later":
        late[twice] = True
    instants = np.where(late, later, earlier)
    return instants, (*problems, *_nonexistent(naive, zone, series))


def _instants(naive: pd.DatetimeIndex, zone: str, *, first: bool) -> np.ndarray:
    choice = np.full(len(naive), first)
    aware = naive.tz_localize(zone, ambiguous=choice, nonexistent="shift_forward")
    return aware.tz_convert("UTC").as_unit("ns").asi8


def _by_series(
    walls: np.ndarray, codes: np.ndarray, twice: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of repeated hours in the time order of their series, and a number for each change."""
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    falling = np.zeros(codes.max() + 1, dtype=bool)
    first, last = order[bounds[:-1]], order[bounds[1:] - 1]
    falling[codes[first]] = walls[last] < walls[first]
    position = np.where(falling[codes[twice]], -twice, twice)
    rows = twice[np.lexsort((position, codes[twice]))]
    fresh = (np.diff(codes[rows], prepend=-1) != 0) | (
        np.abs(np.diff(walls[rows], prepend=walls[rows[0]])) > DAY_NS
    )
    return rows, np.cumsum(fresh) - 1


def _resolve(
    walls: np.ndarray, rows: np.ndarray, groups: np.ndarray, zone: str
) -> tuple[np.ndarray, list[WallClockProblem]]:
    inside = np.diff(groups, prepend=-1) == 0
    back = inside & (np.diff(walls[rows], prepend=walls[rows[0]]) <= 0)
    changes = np.bincount(groups, back, minlength=groups[-1] + 1).astype(np.int64)
    before = np.cumsum(back)
    starts = np.flatnonzero(~inside)
    late = before > before[starts][groups]
    problems = []
    for group in np.flatnonzero(changes != 1):
        members = rows[groups == group]
        # The rows between which the clock was set back more often than once, or all that there are.
        shown = members[np.flatnonzero(back[groups == group])[:2]] if changes[group] else members
        problems.append(_ambiguous(walls, shown, zone, int(changes[group])))
    late &= changes[groups] == 1
    return late, problems


def _ambiguous(walls: np.ndarray, rows: np.ndarray, zone: str, changes: int) -> WallClockProblem:
    wall = wall_text(int(walls[rows[0]]))
    reason = "occurs once here" if changes == 0 else f"occurs {changes + 1} times here"
    return WallClockProblem(
        "ambiguous",
        tuple(sorted({int(rows[0]), int(rows[-1])})),
        wall,
        f"{wall} is in the hour that occurs twice in {zone} when clocks are set back, and {reason};"
        " the order of the rows does not tell which of the two it is; write offsets such as +01:00 "
        "in the file, or set data.ambiguous_hour to earlier or later",
    )


def _nonexistent(
    naive: pd.DatetimeIndex, zone: str, series: np.ndarray | None
) -> list[WallClockProblem]:
    first = np.ones(len(naive), dtype=bool)
    absent = np.flatnonzero(naive.tz_localize(zone, ambiguous=first, nonexistent="NaT").isna())
    absent = absent[~np.asarray(naive[absent].isna())]
    problems: list[WallClockProblem] = []
    seen: set[tuple[int, int]] = set()
    for row in absent:
        key = (0 if series is None else int(series[row]), int(naive.asi8[row] // DAY_NS))
        if key not in seen:
            seen.add(key)
            wall = wall_text(int(naive.as_unit("ns").asi8[row]))
            message = (
                f"{wall} does not exist in {zone}: clocks were set forward over it; correct the "
                "row, or data.time_zone if the wall clock is that of another zone"
            )
            problems.append(WallClockProblem("nonexistent", (int(row),), wall, message))
    return problems


def find_repeated_hour(
    walls: Int[np.ndarray, " rows"], series: Int[np.ndarray, " rows"] | None = None
) -> WallClockProblem | None:
    """A repeated hour in timestamps without a zone, if all that repeats can be a change of clocks.

    Parameters
    ----------
    walls : [rows] int64, ns since 1970 as if the wall clock were UTC, in the order of the file
    series : [rows] index of the series; one series by default
    """
    codes = np.zeros(len(walls), dtype=np.int64) if series is None else series
    order = np.argsort(codes, kind="stable")
    step = np.diff(walls[order])
    repeats = np.flatnonzero((np.diff(codes[order]) == 0) & (step <= 0) & (step > -2 * HOUR_NS))
    if not len(repeats):
        return None
    second = order[repeats + 1]
    naive = pd.DatetimeIndex(walls[second].view("datetime64[ns]"))
    zones = [zone for zone in TYPICAL_ZONES if _all_ambiguous(naive, zone)]
    if not zones:
        return None
    row = int(second[0])
    same = np.flatnonzero((walls == walls[row]) & (codes == codes[row]))
    earlier = int(same[0]) if len(same) > 1 else int(order[repeats[0]])
    wall = wall_text(int(walls[row]))
    message = (
        f"{wall} occurs twice, as when clocks are set back ({' or '.join(zones[:3])}), "
        "and the timestamps have no time zone; set data.time_zone to the zone of the wall clock, "
        "or to UTC"
    )
    return WallClockProblem("no_zone", tuple(sorted({earlier, row})), wall, message)


def _all_ambiguous(naive: pd.DatetimeIndex, zone: str) -> bool:
    return bool((_instants(naive, zone, first=True) != _instants(naive, zone, first=False)).all())


def wall_text(wall: int) -> str:
    """A wall-clock time, to the minute or as exactly as needed.

    >>> wall_text(1_698_544_800_000_000_000)
    '2023-10-29 02:00'
    """
    return str(pd.Timestamp(wall)).removesuffix(":00")
