"""The clock that a table follows: of one series, or of a panel whose series share it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from spline_lstm.core.cadences import (
    FEWEST,
    Cadence,
    describe,
    find_cadence,
    find_index_step,
    share_present,
)
from spline_lstm.core.clock import Clock

# Of a larger panel this many series are looked at, evenly chosen.
MAX_SERIES = 100
SHOWN = 3
# A series with this share of the rows of another clock may be that clock with gaps.
FEWEST_WITH_GAPS = 0.3


@dataclass(frozen=True)
class Inference:
    """What clock a table follows.

    Attributes
    ----------
    clock : anchored to the first timestamp; None if there is a problem, or several fit
    candidates : clocks to choose from, the most probable first
    present : share of the rows of the first candidate that have a timestamp
    problem : one line with the reason and what to do; empty if there is a clock
    cadences : text of each cadence found, and the series that follow it
    """

    clock: Clock | None
    candidates: tuple[Clock, ...]
    present: float
    problem: str
    cadences: tuple[tuple[str, tuple[int, ...]], ...] = ()


def infer_clock(
    timestamps: Int[np.ndarray, " rows"],
    series: Int[np.ndarray, " rows"] | None = None,
    *,
    zone: str | None = None,
    index: bool = False,
    names: Sequence[str] = (),
) -> Inference:
    """The clock of a table, or why there is none, or a choice.

    Parameters
    ----------
    timestamps : [rows] int64, ns since 1970 UTC; whole numbers with `index`
    series : [rows] index of the series; one series by default
    zone : time zone of the dates
    index : timestamps are whole numbers
    names : names of the series, for messages
    """
    keys = np.zeros(len(timestamps), dtype=np.int64) if series is None else series
    if index:
        return _infer_index(timestamps, keys)
    groups = _groups(timestamps, keys)
    found = {key: find_cadence(group, zone) for key, group in groups.items()}
    long = {key: cadence for key, cadence in found.items() if cadence.clocks}
    if not long:
        problem = f"no series has {FEWEST} different timestamps; set preprocess.frequency"
        return Inference(None, (), 0.0, problem)
    cadences = _by_text(long)
    main = long[cadences[0][1][0]]
    others = [
        key
        for _, members in cadences[1:]
        for key in members
        if not _fits(long[key], groups[key], main)
    ]
    if others:
        return _different(cadences, main, names)
    return _shared(main, groups, int(timestamps.min()), cadences)


def observe(timestamps: Int[np.ndarray, " rows"], clock: Clock) -> Clock:
    """An observed clock with the dates of the data; its rule stays, or is the nearest one."""
    dates = np.unique(timestamps)
    rule = clock.rule
    if rule is None:
        nearest = find_cadence(dates, clock.zone).clocks
        rule = nearest[0] if nearest else Clock("fixed", step=int(np.median(np.diff(dates))))
        rule = rule.rule or rule
    return replace(clock, anchor=int(dates[0]), dates=tuple(dates.tolist()), rule=rule)


def bind(clock: Clock, timestamps: Int[np.ndarray, " rows"]) -> Clock:
    """The clock of params.yaml with row 0 at the first timestamp, or at the first date observed."""
    if clock.kind == "observed":
        return observe(timestamps, clock)
    return clock.anchored(int(timestamps.min()))


def _infer_index(numbers: np.ndarray, keys: np.ndarray) -> Inference:
    step = find_index_step(numbers, keys)
    if step is None:
        return Inference(None, (), 0.0, "no series has two different numbers; bring more data")
    clock = Clock("index", anchor=int(numbers.min()), step=step)
    return Inference(clock, (clock,), share_present(clock, np.unique(numbers)), "")


def _groups(timestamps: np.ndarray, keys: np.ndarray) -> dict[int, np.ndarray]:
    """Timestamps of each series, of some of them in a large panel."""
    if not len(keys):
        return {}
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order], prepend=-1, append=-1))
    chosen = np.unique(np.linspace(0, len(bounds) - 2, MAX_SERIES).astype(np.int64))
    return {
        int(keys[order[bounds[place]]]): timestamps[order[bounds[place] : bounds[place + 1]]]
        for place in chosen
    }


def _by_text(cadences: dict[int, Cadence]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Series by the text of their cadence, the most frequent first."""
    texts: dict[str, list[int]] = {}
    for key, cadence in cadences.items():
        texts.setdefault(_text(cadence), []).append(key)
    ordered = sorted(texts.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple((text, tuple(members)) for text, members in ordered)


def _text(cadence: Cadence) -> str:
    """The cadence without its time of day, which may differ between series."""
    clock = cadence.clocks[0]
    if clock.calendar is not None:
        clock = replace(clock, calendar=replace(clock.calendar, phase=None))
    return describe(clock)


def _fits(cadence: Cadence, timestamps: np.ndarray, main: Cadence) -> bool:
    """True where a series may follow the main clock: as its second choice, or with gaps."""
    clock = main.clocks[0]
    texts = {_text(replace(cadence, clocks=(each,))) for each in cadence.clocks}
    if _text(main) in texts:
        return True
    mine = cadence.clocks[0]
    same_unit = mine.kind == clock.kind and (
        mine.calendar is None
        or (clock.calendar is not None and mine.calendar.unit == clock.calendar.unit)
    )
    on_rows = bool((clock.locate(timestamps)[1] == 0).all())
    return same_unit and on_rows and share_present(clock, timestamps) >= FEWEST_WITH_GAPS


def _different(
    cadences: tuple[tuple[str, tuple[int, ...]], ...], main: Cadence, names: Sequence[str]
) -> Inference:
    parts = []
    for text, members in cadences:
        shown = ", ".join(names[key] if names else str(key) for key in members[:SHOWN])
        more = ", ..." if len(members) > SHOWN else ""
        parts.append(f"{text}: {shown}{more}")
    problem = (
        f"the series have different cadences ({'; '.join(parts)}); make one pipeline for each, "
        "or set preprocess.frequency if these are one cadence with gaps"
    )
    return Inference(None, main.clocks, main.present, problem, cadences)


def _shared(
    main: Cadence,
    groups: dict[int, np.ndarray],
    first: int,
    cadences: tuple[tuple[str, tuple[int, ...]], ...],
) -> Inference:
    clocks = tuple(clock.anchored(first) for clock in main.clocks)
    if main.problem:
        return Inference(None, clocks, main.present, main.problem, cadences)
    grids = [np.unique(clocks[0].nearest(group)) for group in groups.values()]
    rows = sum(int(grid[-1]) - int(grid[0]) + 1 for grid in grids)
    present = sum(len(grid) for grid in grids) / rows
    if len(clocks) == 1:
        return Inference(clocks[0], clocks, present, "", cadences)
    choice = " or ".join(clock.frequency for clock in clocks)
    problem = f"the timestamps fit {choice} equally well; set preprocess.frequency to one of them"
    return Inference(None, clocks, present, problem, cadences)
