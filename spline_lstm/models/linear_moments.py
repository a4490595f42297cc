"""Rows of all series as integers, and the moments of their windows.

Windows near the start of a series are shorter: a regression is fitted on the windows that have all
of its rows. So the moments of depth d are those of the last d rows of every window at least that
long, and one pass from the deepest windows to the shortest gives all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.models.exact import CHUNK, grid_of, product
from spline_lstm.models.linear import Scale, fill, gather
from spline_lstm.models.linear_designs import Terms, extend
from spline_lstm.windows.scaling import lend_scales

MIN_WINDOWS = 20


@dataclass(frozen=True)
class Series:
    """The target of all series, one after another.

    Attributes
    ----------
    values : [rows] float64, data units, NaN: not observed
    offsets : [series + 1] int, first row of each series, and the end
    training : [rows] bool, rows of the training split: centers and scales come from them
    pooled : bool
        All series have the center and scale of all training rows together, not their own.
    """

    values: Float[np.ndarray, " rows"]
    offsets: Int[np.ndarray, " bounds"]
    training: Bool[np.ndarray, " rows"]
    pooled: bool = False

    def of(self, origins: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Index of the series of each origin (a row)."""
        return np.searchsorted(self.offsets, origins, side="right") - 1

    def labels(
        self, origins: Int[np.ndarray, " n"], horizon: int
    ) -> Float[np.ndarray, "n horizon"]:
        """Values from each origin on, NaN if not observed or beyond the end of the series."""
        rows = origins[:, None] + np.arange(horizon)
        inside = rows < self.offsets[self.of(origins) + 1][:, None]
        return np.where(inside, self.values[np.minimum(rows, len(self.values) - 1)], np.nan)

    def windows(self, origins: Int[np.ndarray, " n"], depth: int) -> Float[np.ndarray, "n depth"]:
        """Filled rows before each origin, data units; NaN only if none is observed."""
        return fill(gather(self.values, self.offsets[self.of(origins)], origins, depth))


def fit_scale(series: Series, log: bool) -> Scale:
    """Mean and standard deviation of the observed training rows of each series, and of all.

    A series with fewer than two of them gets the constants of all series; so does every one if the
    series are pooled.
    """
    known = series.training & ~np.isnan(series.values)
    parts = [
        series.values[start:end][known[start:end]]
        for start, end in zip(series.offsets[:-1], series.offsets[1:], strict=True)
    ]
    everything = np.concatenate(parts)
    own = [everything if series.pooled or len(part) < 2 else part for part in parts]
    constants = [_constants(part, log) for part in [*own, everything]]
    center, scale, floor = (np.array(column) for column in zip(*constants, strict=True))
    scale = lend_scales(scale, np.array([part.min() == part.max() for part in [*own, everything]]))
    return Scale(log, center, scale, floor)


def _constants(values: np.ndarray, log: bool) -> tuple[float, float, float]:
    scores, floor = (np.log(values), float(values.min()) / 2) if log else (values, -np.inf)
    if scores.min() == scores.max():
        # Their mean may be off by its rounding, and the standard deviation be nothing else.
        return float(scores[0]), 1.0, floor
    return float(scores.mean()), float(scores.std()), floor


@dataclass(frozen=True)
class Rows:
    """One scale of the series, as integers times a grid.

    Attributes
    ----------
    series : Series
    scale : Scale
    scores : [rows] float64, filled z-scores divided by `grid` and rounded; the grid covers those of
        the training split, so that their products are exact
    targets : [rows] float64, the same, NaN if not observed
    grid : float, a power of two
    """

    series: Series
    scale: Scale
    scores: Float[np.ndarray, " rows"]
    targets: Float[np.ndarray, " rows"]
    grid: float

    @classmethod
    def of(cls, series: Series, scale: Scale) -> "Rows":
        """Scale, round and fill the series."""
        index = np.repeat(np.arange(len(series.offsets) - 1), np.diff(series.offsets))
        z = scale.transform(series.values, index)
        grid = grid_of(z[series.training])
        targets = np.round(z / grid)
        bounds = zip(series.offsets[:-1], series.offsets[1:], strict=True)
        filled = np.concatenate([fill(targets[None, a:b])[0] for a, b in bounds])
        return cls(series, scale, np.nan_to_num(filled, nan=0.0), targets, grid)

    def windows(self, origins: np.ndarray, depth: int) -> np.ndarray:
        """Integers [n, depth]; rows before the start of the series get its first row."""
        rows = origins[:, None] + np.arange(-depth, 0)
        return self.scores[np.maximum(rows, self.series.offsets[self.series.of(origins)][:, None])]

    def labels(self, origins: np.ndarray, horizon: int) -> np.ndarray:
        """Integers [n, horizon], NaN if not observed."""
        observed = self.series.labels(origins, horizon)
        rows = np.minimum(origins[:, None] + np.arange(horizon), len(self.targets) - 1)
        return np.where(np.isnan(observed), np.nan, self.targets[rows])


@dataclass(frozen=True)
class Moments:
    """Sums over windows of the last `depth` rows, then 1, then 0 (see `linear_designs.extend`).

    Attributes
    ----------
    gram : [groups, depth + 2, depth + 2] float64; one group for all steps if most windows have all
        labels (only those count), else one for each step
    cross : [depth + 2, horizon] float64, rows by labels
    count : [groups] float64, windows
    """

    gram: Float[np.ndarray, "groups n n"]
    cross: Float[np.ndarray, "n horizon"]
    count: Float[np.ndarray, " groups"]

    def regression(self, columns: Terms, anchor: Terms) -> tuple[np.ndarray, np.ndarray]:
        """Means of inputs by inputs [groups, n, n], and of inputs by what the anchor misses."""
        count = np.maximum(self.count, 1.0)
        steps = np.arange(self.cross.shape[1]) % len(count) if len(count) > 1 else None
        half = _select(self.gram, columns, axis=1)
        gram = _select(half, columns, axis=2)
        cross = _select(self.cross[None], columns, axis=1)[0]
        missed = _select(half, anchor, axis=2)
        missed = missed[0] if steps is None else np.stack([missed[k, :, k] for k in steps], axis=1)
        return gram / count[:, None, None], (cross - missed) / count


def _select(moments: np.ndarray, terms: Terms, axis: int) -> np.ndarray:
    total = terms.signs[0] * np.take(moments, terms.lags[0] - 2, axis=axis)
    for sign, lags in zip(terms.signs[1:], terms.lags[1:], strict=True):
        total += sign * np.take(moments, lags - 2, axis=axis)
    return total


def moments(
    rows: Rows, origins: Int[np.ndarray, " n"], depths: Sequence[int], horizon: int
) -> dict[int, Moments]:
    """Moments of the windows at `origins`, for each depth; none for a depth with few windows."""
    labels = rows.labels(origins, horizon)
    seen = ~np.isnan(labels)
    joint = bool(seen.all(axis=1).mean() >= 0.5) if len(origins) else True
    keep = seen.all(axis=1) if joint else seen.any(axis=1)
    origins, labels, seen = origins[keep], labels[keep], seen[keep]
    reach = origins - rows.series.offsets[rows.series.of(origins)]
    found: dict[int, Moments] = {}
    total, above = None, np.inf
    for depth in sorted(set(depths), reverse=True):
        bucket = (reach >= depth) & (reach < above)
        part = _bucket(rows, origins[bucket], labels[bucket], seen[bucket], depth, joint)
        total = part if total is None else _add(_crop(total, depth), part)
        above = depth
        if total.count.max() >= MIN_WINDOWS:
            found[depth] = total
    return found


def _bucket(
    rows: Rows, origins: np.ndarray, labels: np.ndarray, seen: np.ndarray, depth: int, joint: bool
) -> Moments:
    horizon = labels.shape[1]
    groups = 1 if joint else horizon
    gram = np.zeros((groups, depth + 2, depth + 2))
    cross = np.zeros((depth + 2, horizon))
    for start in range(0, len(origins), CHUNK):
        some = slice(start, start + CHUNK)
        windows = extend(rows.windows(origins[some], depth))
        cross += product(windows, np.where(seen[some], labels[some], 0.0))
        for group in range(groups):
            known = windows if joint else windows[seen[some, group]]
            gram[group] += product(known, known)
    count = [float(len(origins))] if joint else seen.sum(axis=0).astype(np.float64)
    return Moments(gram, cross, np.array(count))


def _crop(total: Moments, depth: int) -> Moments:
    size = depth + 2
    return Moments(total.gram[:, -size:, -size:], total.cross[-size:], total.count)


def _add(one: Moments, other: Moments) -> Moments:
    return Moments(one.gram + other.gram, one.cross + other.cross, one.count + other.count)
