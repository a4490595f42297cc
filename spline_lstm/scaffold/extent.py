"""How much data an unknown table has, on its clock: rows, gaps, seasons."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.models.seasons import autocorrelation, follows_season, moving_mean
from spline_lstm.scaffold.clocks import rows_of
from spline_lstm.scaffold.column_roles import Panel
from spline_lstm.scaffold.series_keys import repeated
from spline_lstm.series.seasonal import detect_season

# Seasons of an index: cycles in the training split, least autocorrelation, and what counts as
# equally high, for multiples of a season are as high as it is.
MIN_CYCLES, MAX_SEASON = 4, 700
MIN_PEAK = 0.2
PEAK_MARGIN = 0.1


@dataclass(frozen=True)
class Extent:
    """How much data there is.

    Attributes
    ----------
    clock : Clock
    rows : rows of the panel
    grid_rows : rows of the clock from the first to the last value of each series, all together
    longest : rows of the clock from the first to the last value of the table
    absent : share of `grid_rows` without a value, the worst target's
    lengths : [series] rows of the clock from the first to the last value, the worst target's
    span : instants of the first and the last value
    """

    clock: Clock
    rows: int
    grid_rows: int
    longest: int
    absent: float
    lengths: Int[np.ndarray, " series"]
    span: tuple[int, int]


def find_extent(panel: Panel, clock: Clock) -> Extent:
    """Count the rows of the clock and those without a value."""
    rows = rows_of(clock, panel)
    of_targets = [_lengths(panel, rows, name) for name in panel.targets]
    worst = max(of_targets, key=lambda each: 1 - each[1] / max(each[0].sum(), 1))
    lengths, observed = worst
    return Extent(
        clock,
        len(rows),
        int(lengths.sum()),
        int(rows.max() - rows.min()) + 1,
        1 - observed / max(int(lengths.sum()), 1),
        lengths,
        (int(panel.instants.min()), int(panel.instants.max())),
    )


def _lengths(panel: Panel, rows: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """Rows of each series from its first to its last value, and rows with a value."""
    observed = panel.observed(name)
    keys, places = panel.keys, rows
    if not observed.all():
        keys, places = keys[observed], places[observed]
    count = len(panel.names)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, keys, places)
    np.maximum.at(last, keys, places)
    lengths = np.where(first <= last, last - first + 1, 0)
    return lengths, len(places) - repeated(places, keys)


def with_index_season(panel: Panel, clock: Clock, rows: int) -> Clock:
    """An index clock with the season of the longest series that varies, if it has one.

    Of the local maxima of the autocorrelation in the training split beyond what chance gives it is
    the shortest that is about as high as the highest.

    >>> wave = 3 + np.sin(np.arange(200) * np.pi / 6)
    >>> rows = np.arange(200)
    >>> panel = Panel(rows, np.zeros(200, dtype=int), ("",), {"y": wave})
    >>> with_index_season(panel, Clock("index", step=1), 140).seasons()
    {'season': 12}
    """
    values = _training_rows(panel, clock, rows)
    longest = min(MAX_SEASON, len(values) // MIN_CYCLES)
    level = values - moving_mean(values, max(2 * longest, 1))
    measured = np.array([autocorrelation(level, lag) for lag in range(1, longest + 2)])
    inner = measured[1:-1]
    is_peak = (inner > measured[:-2]) & (inner >= measured[2:]) & (inner >= MIN_PEAK)
    peaks = 2 + np.flatnonzero(is_peak)
    found = {int(peak): float(measured[peak - 1]) for peak in peaks if _repeats(values, int(peak))}
    if not found:
        return clock
    highest = max(found.values())
    return replace(
        clock,
        index_season=next(s for s, height in found.items() if height >= highest - PEAK_MARGIN),
    )


def _repeats(values: Float[np.ndarray, " rows"], season: int) -> bool:
    """Whether changes over a quarter of a season correlate with those a season earlier.

    A random walk has no such correlation, but that of its values is high by chance. Of changes over
    h rows the standard deviation of the correlation is up to sqrt(h / n), for they overlap.
    """
    reach = max(1, season // 4)
    limit = max(MIN_PEAK, 3 * math.sqrt(reach / len(values)))
    changes = values[reach:] - values[:-reach]
    return autocorrelation(changes, season) >= limit and follows_season(values, season)


def find_season(panel: Panel, clock: Clock, rows: int) -> tuple[int, str]:
    """Rows in the season of the longest series that varies, and its name.

    Without a clear season it is the shortest one of the clock that fits, or one row.

    Parameters
    ----------
    panel : Panel
    clock : Clock
    rows : int
        Rows of the training split.
    """
    seasons = {name: length for name, length in clock.seasons().items() if 2 * length <= rows}
    if not seasons:
        if clock.kind == "index":
            return 1, "none seen in the data; set preprocess.season if there is one"
        return 1, "none"
    grid = _training_rows(panel, clock, rows)
    found = detect_season(grid, ~np.isnan(grid), list(seasons.values()))
    length = found or min(seasons.values())
    name = next(name for name, each in seasons.items() if each == length)
    return (
        length,
        f"{name}, {'found in the data' if found else 'of the clock, not clear in the data'}",
    )


def _training_rows(panel: Panel, clock: Clock, rows: int) -> Float[np.ndarray, " rows"]:
    """The first target of the longest series that varies, up to `rows` rows from its first."""
    name = next(iter(panel.targets))
    observed = panel.observed(name)
    keys, values = panel.keys[observed], panel.targets[name][observed]
    each = pd.Series(values).groupby(keys).agg(["count", "min", "max"])
    varies = each[each["min"] < each["max"]]
    longest = (varies if len(varies) else each)["count"].idxmax()
    chosen = keys == longest
    places = clock.nearest(panel.instants[observed][chosen])
    places = places - places.min()
    inside = places < rows
    grid = np.full(rows, np.nan)
    grid[places[inside]] = values[chosen][inside]
    return grid
