"""Which of a clock's natural seasons a series follows."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    # Only named: nothing here runs the code of windows.
    from spline_lstm.windows.windows import Windows

# Autocorrelation that a season needs; and training rows, in seasons.
MIN_CORRELATION = 0.1
MIN_SEASONS = 3
MIN_PAIRS = 20


def find_seasons(
    training: Sequence[Float[np.ndarray, " rows"]], candidates: Sequence[int]
) -> tuple[int, ...]:
    """Seasons (rows) that more than half of the series follow, ascending.

    A series follows a season of S rows if, after subtracting a centred moving mean of S rows, its
    autocorrelation at S is at least `MIN_CORRELATION` and larger than that at half of S. A series
    that follows none gets the shortest candidate, if it has `MIN_SEASONS` of them: a regression on
    a season too many costs little, one on a season too few much.

    Parameters
    ----------
    training : sequence of [rows] float64
        Training rows of each series, NaN: not observed.
    candidates : sequence of int
        Natural seasons of the clock in rows, such as 24 and 168 of hourly rows.

    >>> day = np.sin(np.arange(240) * 2 * np.pi / 24)
    >>> find_seasons([day], [24, 168])
    (24,)
    """
    ordered = sorted({int(season) for season in candidates if season > 1})
    found = [_seasons_of(values, ordered) for values in training]
    return tuple(s for s in ordered if np.mean([s in own for own in found]) > 0.5)


def follows_season(values: Float[np.ndarray, " rows"], season: int) -> bool:
    """Whether a series follows a season (rows), see `find_seasons`."""
    return len(values) >= MIN_SEASONS * season and _follows(values, season)


def window_seasons(windows: "Windows") -> tuple[int, ...]:
    """Seasons (rows, ascending) of the targets in the training split that the lookback covers."""
    arrays = windows.arrays
    known = arrays.timestamps < arrays.split_instants[0]
    training = [
        column[start:end][known[start:end]]
        for column in arrays.counted_target.T
        for start, end in itertools.pairwise(arrays.series_offsets.tolist())
    ]
    natural = windows.clock.seasons().values()
    return find_seasons(training, [season for season in natural if season <= windows.lookback])


def season_rows(season: int, horizon: int) -> Int[np.ndarray, " horizon"]:
    """Rows before the origin (-1: the last one) that a seasonal naive forecast repeats.

    >>> season_rows(3, 5).tolist()
    [-3, -2, -1, -3, -2]
    """
    return np.arange(horizon) % season - season


def _seasons_of(values: np.ndarray, candidates: Sequence[int]) -> list[int]:
    possible = [s for s in candidates if len(values) >= MIN_SEASONS * s]
    found = [s for s in possible if _follows(values, s)]
    return found or possible[:1]


def _follows(values: np.ndarray, season: int) -> bool:
    detrended = values - moving_mean(values, min(season, len(values) // 4))
    here = autocorrelation(detrended, season)
    return here >= MIN_CORRELATION and here > autocorrelation(detrended, season // 2)


def moving_mean(values: Float[np.ndarray, " rows"], width: int) -> Float[np.ndarray, " rows"]:
    """Centred mean of `width` rows; the ends are repeated, missing rows count as the mean of all.

    >>> moving_mean(np.array([0.0, 3.0, 0.0]), 3).tolist()
    [1.0, 1.0, 1.0]
    """
    width = max(width, 1)
    known = values[~np.isnan(values)]
    complete = np.where(np.isnan(values), known.mean() if len(known) else 0.0, values)
    padded = np.pad(complete, (width // 2, width - 1 - width // 2), mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    return (sums[width:] - sums[:-width]) / width


def autocorrelation(values: Float[np.ndarray, " rows"], lag: int) -> float:
    """Correlation of the rows with those `lag` earlier, both observed; 0 if it is undefined."""
    early, late = values[:-lag], values[lag:]
    both = ~np.isnan(early) & ~np.isnan(late)
    early, late = early[both], late[both]
    if len(early) < MIN_PAIRS or not (early.std() > 0 and late.std() > 0):
        return 0.0
    return float(np.mean((early - early.mean()) * (late - late.mean())) / early.std() / late.std())
