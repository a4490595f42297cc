"""Regressions of a linear forecaster, each as sums of rows of one window.

A window ends at the last row before the origin; its rows are counted from there: lag -1 is the last
one. Every input of a regression, and the forecast that the regression corrects (its anchor), is a
sum of a few rows with signs, so that the moments of all regressions come from those of the rows,
and every fitted regression folds back into a matrix on the rows::

    plain   inputs y_lag - y_(-1)            anchor y_(-1)
    block   also the rows around the moment one season before the horizon
    sdiff   the same for u_t = y_t - y_(t-S), anchor: the value one season before (+ u_(-1), or not)
    smean   the same for u_t = y_t - mean of y_(t-S), ..., y_(t-kS), anchor: that mean one season on

All have an intercept, and a variant with the level y_(-1) (or u_(-1)) as a further input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

MAX_LOOKBACK = 700
MAX_SEASON_OF_DIFFERENCES = 200
# Seasons of longer lookbacks, where the training rows are many times as long, and those whose mean
# differences are taken to: powers of two, which are exact.
LONG_SEASONS = (6, 8, 12, 16)
MEANS = (8, 16)
# Longer lookbacks may take one of so many parts of the training rows.
LONG_SHARE = 4


@dataclass(frozen=True)
class Terms:
    """Columns that are sums of window rows: ``column = sum_t sign_t row[lag_(t, column)]``.

    Attributes
    ----------
    lags : [terms, columns] int, -1: the last row; `ONE`: the constant 1; `NULL`: nothing
    signs : [terms] float64
    """

    lags: Int[np.ndarray, "terms columns"]
    signs: Float[np.ndarray, " terms"]

    def of(self, rows: Float[np.ndarray, "n extended"]) -> Float[np.ndarray, "n columns"]:
        """The columns of windows that `extend` made."""
        total = self.signs[0] * rows[:, self.lags[0] - 2]
        for sign, lags in zip(self.signs[1:], self.lags[1:], strict=True):
            total = total + sign * rows[:, lags - 2]
        return total

    def fold(
        self, weights: Float[np.ndarray, "columns outputs"], depth: int
    ) -> Float[np.ndarray, "extended outputs"]:
        """Weights of the rows (and of 1) that do what `weights` of the columns do."""
        folded = np.zeros((depth + 2, weights.shape[1]))
        for sign, lags in zip(self.signs, self.lags, strict=True):
            np.add.at(folded, lags - 2, sign * weights)
        return folded


# Positions after the rows: `of` and `fold` index with lag - 2 from the end of [rows, 1, nothing].
ONE, NULL = 0, 1


def extend(windows: Float[np.ndarray, "n depth"], one: float = 1.0) -> np.ndarray:
    """Windows with two more columns, for `Terms`: the constant and 0."""
    tail = np.zeros((len(windows), 2))
    tail[:, 0] = one
    return np.hstack([windows, tail])


@dataclass(frozen=True)
class Design:
    """One regression.

    Attributes
    ----------
    lookback : int, rows
    blocks : seasons whose block of rows is an input too
    season : int, rows of the difference, 0 without
    over : int
        Seasons whose mean is what the difference is taken to. One season has the noise of a row, so
        a difference to it has twice the variance; a mean of eight has an eighth of it.
    """

    lookback: int
    blocks: tuple[int, ...] = ()
    season: int = 0
    over: int = 1

    def lags(self, horizon: int) -> Int[np.ndarray, " inputs"]:
        """Rows whose difference to the last one is an input, ascending."""
        lags = [np.arange(-self.lookback, -1)]
        for season in self.blocks:
            block = np.arange(-season - horizon, -season + horizon)
            lags.append(block[block < -self.lookback])
        return np.unique(np.concatenate(lags))

    def depth(self, horizon: int) -> int:
        """Rows before the origin that it reads."""
        reach = max(self.lookback, -int(self.lags(horizon).min(initial=-1)))
        return reach + self.over * self.season

    def columns(self, horizon: int) -> Terms:
        """Inputs, then the level, then the constant."""
        lags = self.lags(horizon)
        last = np.full(len(lags), -1)
        if not self.season:
            return Terms(np.array([[*lags, -1, ONE], [*last, NULL, NULL]]), np.array([1.0, -1.0]))
        backs, part = self.season * np.arange(1, self.over + 1), np.full(self.over, 1 / self.over)
        rows = [[*lags, -1, ONE], *([*(lags - back), -1 - back, NULL] for back in backs)]
        rows += [[*last, NULL, NULL], *([*(last - back), NULL, NULL] for back in backs)]
        return Terms(np.array(rows), np.array([1.0, *-part, -1.0, *part]))

    def anchors(self, horizon: int) -> tuple[Terms, ...]:
        """What the regression corrects, a column for each step; the variants."""
        last = np.full(horizon, -1)
        if not self.season:
            return (Terms(last[None], np.array([1.0])),)
        naive = seasonal_lags(horizon, self.season)
        backs, part = self.season * np.arange(self.over), np.full(self.over, 1 / self.over)
        means = [naive - back for back in backs]
        lasts = [last - self.season - back for back in backs]
        drifting = Terms(np.array([*means, last, *lasts]), np.array([*part, 1.0, *-part]))
        return drifting, Terms(np.array(means), part)

    @property
    def name(self) -> str:
        """For logs and reports."""
        blocks = "".join(f"+block{season}" for season in self.blocks)
        mean = f"x{self.over}" if self.over > 1 else ""
        return f"L{self.lookback}{blocks}" + (f"-diff{self.season}{mean}" if self.season else "")


def seasonal_lags(horizon: int, season: int) -> Int[np.ndarray, " horizon"]:
    """The row of the same phase in the last season, for each step.

    >>> seasonal_lags(5, 3).tolist()
    [-3, -2, -1, -3, -2]
    """
    return np.arange(horizon) % season - season


def lookbacks(horizon: int, lookback: int, seasons: Sequence[int], rows: int) -> list[int]:
    """Candidate lookbacks: the given one, one to four seasons, the same with a horizon added.

    `rows` is the longest training split of a series, in rows.
    """
    found = {lookback}
    for season in seasons:
        found |= {k * season + extra for k in (1, 2, 3, 4) for extra in (0, horizon)}
        found |= {12, 24, 36} if season <= 12 else set()
    most = max(lookback, min(rows // 3, MAX_LOOKBACK))
    return sorted(length for length in found if 2 <= length <= most)


def candidates(horizon: int, lookback: int, seasons: Sequence[int], rows: int) -> list[Design]:
    """All designs to try, none twice: a block may lie inside the lookback."""
    plain = lookbacks(horizon, lookback, seasons, rows)
    designs = [Design(length) for length in plain]
    designs += [Design(length, blocks=tuple(seasons)) for length in plain]
    for season in seasons:
        lengths = {horizon, lookback, max(2, horizon // 2)}
        lengths |= {season, 2 * season} if season <= MAX_SEASON_OF_DIFFERENCES else set()
        designs += [Design(length, season=season) for length in sorted(lengths) if length >= 2]
    distinct = {(tuple(d.lags(horizon).tolist()), d.season): d for d in reversed(designs)}
    return list(reversed(distinct.values()))


def long_lookbacks(horizon: int, season: int, rows: int) -> list[int]:
    """Lookbacks of many seasons, with and without a horizon: `LONG_SHARE` of them fit into `rows`.

    >>> long_lookbacks(horizon=7, season=7, rows=300)
    [42, 49, 56, 63]
    """
    found = {k * season + extra for k in LONG_SEASONS for extra in (0, horizon)}
    most = min(rows // LONG_SHARE, MAX_LOOKBACK)
    return sorted(length for length in found if length <= most)


def long_candidates(horizon: int, seasons: Sequence[int], rows: int) -> list[Design]:
    """Regressions that average over many of the longest season.

    What hardly changes from season to season is known the better, the more of them are read.
    `rows` is the longest training split of a series, in rows.
    """
    season = max(seasons, default=0)
    if not 1 < season <= MAX_SEASON_OF_DIFFERENCES:
        return []
    designs = [Design(length) for length in long_lookbacks(horizon, season, rows)]
    most = max((design.lookback for design in designs), default=0)
    lengths = sorted({max(2, horizon // 2), max(2, horizon), season, 2 * season})
    means = [Design(length, season=season, over=k) for k in MEANS for length in lengths]
    return designs + [design for design in means if design.depth(horizon) <= most]
