"""Series and cadence of a table: which column tells series apart, and how far timestamps lie from each other."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.series.seasonal import detect_season

NS = {
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "min": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
DAY = NS["D"]
YEAR = round(365.2425 * DAY)
# Steps at which clocks and calendars tick, in seconds.
USUAL_STEPS = np.array(
    [1, 2, 5, 10, 15, 20, 30]
    + [60 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [3600 * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 168)]
)
FEW = 0.01
SIMILAR = 0.1
MODE_SHARE = 0.6


@dataclass(frozen=True)
class Cadence:
    """Distances of neighbouring timestamps within a series.

    Attributes
    ----------
    step : ns, or None where the distances follow no fixed step
    median, mode : ns
    mode_share : share of the distances that equal the mode
    """

    step: int | None
    median: int
    mode: int
    mode_share: float


def repeated(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"] | None = None
) -> int:
    """Rows whose timestamp stands in an earlier row, of the same series where `keys` are given."""
    frame = pd.DataFrame(
        {"timestamp": timestamps} if keys is None else {"timestamp": timestamps, "key": keys}
    )
    return int(frame.duplicated().sum())


def series_candidates(
    timestamps: Int[np.ndarray, " rows"], columns: Mapping[str, pd.Series]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns, or else pairs of columns, that tell series apart.

    A key makes nearly every timestamp unique within its series, and has far fewer values than there are rows.

    Parameters
    ----------
    timestamps : np.ndarray
        [rows] int64 ns.
    columns : mapping
        Name -> texts or whole numbers.
    """
    before = repeated(timestamps)
    codes = {name: pd.factorize(column)[0] for name, column in columns.items()}
    few = {
        name: code
        for name, code in codes.items()
        if 2 <= code.max(initial=0) + 1 <= max(2, len(timestamps) // 3)
    }

    def resolves(code: np.ndarray) -> bool:
        return repeated(timestamps, code) <= FEW * before and _is_steady(timestamps, code)

    single = [name for name, code in few.items() if resolves(code)]
    if single:
        return single, []
    pairs = [
        (one, two)
        for one, two in itertools.combinations(list(few)[:8], 2)
        if resolves(few[one] * (few[two].max() + 1) + few[two])
    ]
    return [], pairs


def _is_steady(timestamps: np.ndarray, code: np.ndarray) -> bool:
    """A measured number splits the timestamps at random; the timestamps of a series follow each other at one pace."""
    steps = within_series(timestamps, code)
    return len(steps) > 0 and bool(
        (steps <= 2 * np.median(steps)).mean() >= 0.5 and _pace(timestamps, steps) <= 4
    )


def _pace(timestamps: np.ndarray, steps: np.ndarray) -> float:
    """Median step within a series / median step between different timestamps of the table."""
    overall = np.diff(np.unique(timestamps))
    return float(np.median(steps) / np.median(overall)) if len(overall) else 1.0


def within_series(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"]
) -> Int[np.ndarray, " steps"]:
    """Positive distances of neighbouring timestamps of the same series, ns."""
    order = np.lexsort((timestamps, keys))
    steps = np.diff(timestamps[order])
    return steps[(np.diff(keys[order]) == 0) & (steps > 0)]


def find_cadence(steps: Int[np.ndarray, " steps"]) -> Cadence | None:
    """The fixed step behind the distances; None where there are none.

    The most frequent distance counts where it is the rule; where timestamps jitter, the usual step
    near the median does (5 minutes for 299 to 301 seconds).

    >>> find_cadence(np.array([3600, 3600, 7200, 3600]) * 10**9).step // 10**9
    3600
    """
    if not len(steps):
        return None
    values, counts = np.unique(steps, return_counts=True)
    mode, share = int(values[np.argmax(counts)]), float(counts.max() / len(steps))
    median = int(np.median(steps))
    step = (
        mode
        if share >= MODE_SHARE and abs(mode - median) <= SIMILAR * median
        else _near(steps, median)
    )
    return Cadence(step, median, mode, share)


def _near(steps: np.ndarray, median: int) -> int | None:
    if np.mean(np.abs(steps - median) <= SIMILAR * median) < MODE_SHARE:
        return None
    usual = USUAL_STEPS * NS["s"]
    nearest = int(usual[np.argmin(np.abs(usual - median))])
    return nearest if abs(nearest - median) <= SIMILAR / 2 * median else None


def frequency_text(step: int) -> str:
    """A duration in the largest unit that divides it, as params.yaml writes it.

    >>> frequency_text(300_000_000_000), frequency_text(86_400_000_000_000)
    ('5min', '1D')
    """
    unit, size = next((unit, size) for unit, size in NS.items() if step % size == 0)
    return f"{step // size}{unit}"


def possible_seasons(step: int) -> dict[str, int]:
    """Day, week and year in rows, where they are more than one row."""
    seasons = {"day": DAY / step, "week": 7 * DAY / step, "year": YEAR / step}
    whole = {
        name: round(rows)
        for name, rows in seasons.items()
        if abs(rows - round(rows)) < 0.25 and rows >= 2
    }
    # A year of single days or shorter steps never repeats often enough to be found.
    return {name: rows for name, rows in whole.items() if name != "year" or rows <= 60}


def find_season(
    timestamps: Int[np.ndarray, " rows"], values: Float[np.ndarray, " rows"], step: int, rows: int
) -> tuple[int, str]:
    """Rows in the season of a series and what it is; without a clear one the shortest that fits, or one row.

    Parameters
    ----------
    timestamps, values : np.ndarray
        [rows] of one series, NaN where missing.
    step : int
        ns.
    rows : int
        Grid rows of the training part.
    """
    seasons = {
        name: length for name, length in possible_seasons(step).items() if 2 * length <= rows
    }
    if not seasons:
        return 1, "none"
    grid = np.full(rows, np.nan)
    places = np.rint((timestamps - timestamps.min()) / step).astype(np.int64)
    grid[places[places < rows]] = values[places < rows]
    found = detect_season(grid, ~np.isnan(grid), list(seasons.values()))
    length = found or min(seasons.values())
    name = next(name for name, each in seasons.items() if each == length)
    return (
        length,
        f"{name}, {'found in the data' if found else 'by the clock, not seen in the data'}",
    )


def longest_series(
    timestamps: Int[np.ndarray, " rows"], keys: Int[np.ndarray, " rows"]
) -> Sequence[int] | np.ndarray:
    """Positions of the rows of the series that has most rows."""
    return np.flatnonzero(keys == np.argmax(np.bincount(keys)))
