"""How much data an unknown table has, on its clock: rows, gaps, seasons."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.scaffold.clocks import rows_of
from spline_lstm.scaffold.column_roles import Panel
from spline_lstm.scaffold.series_keys import repeated
from spline_lstm.series.seasonal import detect_season


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
    keys, places = panel.keys[observed], rows[observed]
    lengths = np.zeros(len(panel.names), dtype=np.int64)
    if len(keys):
        bounds = pd.Series(places).groupby(keys).agg(["min", "max"])
        lengths[bounds.index.to_numpy()] = (bounds["max"] - bounds["min"] + 1).to_numpy()
    return lengths, len(places) - repeated(places, keys)


def find_season(panel: Panel, clock: Clock, rows: int) -> tuple[int, str]:
    """Rows in the season of the longest series, and its name.

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
        return 1, "none"
    name = next(iter(panel.targets))
    observed = panel.observed(name)
    longest = np.argmax(np.bincount(panel.keys[observed]))
    chosen = np.flatnonzero(observed & (panel.keys == longest))
    places = clock.nearest(panel.instants[chosen])
    places = places - places.min()
    inside = places < rows
    grid = np.full(rows, np.nan)
    grid[places[inside]] = panel.targets[name][chosen][inside]
    found = detect_season(grid, ~np.isnan(grid), list(seasons.values()))
    length = found or min(seasons.values())
    name = next(name for name, each in seasons.items() if each == length)
    return (
        length,
        f"{name}, {'found in the data' if found else 'of the clock, not seen in the data'}",
    )
