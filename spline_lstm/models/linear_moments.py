"""Rows of all series as integers, and the moments of their windows.

Windows near the start of a series are shorter: a regression is fitted on the windows that have all
of its rows. So the moments of depth d are those of the last d rows of every window at least that
long, and one pass from the deepest windows to the shortest gives all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.models.exact import CHUNK, grid_of, product
from spline_lstm.models.linear import Scale, fill, gather
from spline_lstm.models.linear_designs import Terms, extend
from spline_lstm.windows.scaling import lend_scales

MIN_WINDOWS = 20
# Standard deviations: what is more regular than this is so by rounding.
LEAST_MISS = 0.01


@dataclass(frozen=True)
class Fills:
    """What a window reads as of its origin, where nothing was observed too (see `AsOfArrays`).

    Attributes
    ----------
    filled, causal : [rows] float64, data units; a window at row t reads `filled` where
        ``known_at < t`` and `causal` elsewhere
    known_at : [rows] int
    """

    filled: Float[np.ndarray, " rows"]
    causal: Float[np.ndarray, " rows"]
    known_at: Int[np.ndarray, " rows"]

    @classmethod
    def join(
        cls, parts: Sequence["Fills | None"], starts: Int[np.ndarray, " bounds"]
    ) -> "Fills | None":
        """Those of several targets, whose rows begin at `starts`; None if one has none."""
        each = [part for part in parts if part is not None]
        if len(each) < len(parts):
            return None
        return cls(
            np.concatenate([part.filled for part in each]),
            np.concatenate([part.causal for part in each]),
            np.concatenate([p.known_at + start for p, start in zip(each, starts, strict=False)]),
        )


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
    clock_rows : [rows] int, of the clock that all series share; by default every series starts at 0
    fills : Fills, optional
        Without them, the last observation is carried forward.
    targets : tuple of Series
        What was joined (`Series.join`); each has constants of its own. Empty: nothing was.
    """

    values: Float[np.ndarray, " rows"]
    offsets: Int[np.ndarray, " bounds"]
    training: Bool[np.ndarray, " rows"]
    pooled: bool = False
    clock_rows: Int[np.ndarray, " rows"] | None = None
    fills: Fills | None = None
    targets: tuple["Series", ...] = ()

    def times(self, origins: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Row of the clock of each origin (a row)."""
        if self.clock_rows is None:
            return origins - self.offsets[self.of(origins)]
        return self.clock_rows[origins]

    @classmethod
    def join(cls, targets: Sequence["Series"]) -> "Series":
        """The series of several targets as those of one, target by target."""
        rows = np.cumsum([0, *(len(each.values) for each in targets)])
        starts = [each.offsets[:-1] + row for each, row in zip(targets, rows, strict=False)]
        return cls(
            np.concatenate([each.values for each in targets]),
            np.concatenate([*starts, rows[-1:]]),
            np.concatenate([each.training for each in targets]),
            clock_rows=np.concatenate(
                [each.times(np.arange(len(each.values))) for each in targets]
            ),
            fills=Fills.join([each.fills for each in targets], rows),
            targets=tuple(targets),
        )

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
        starts = self.offsets[self.of(origins)]
        if self.fills is None:
            return fill(gather(self.values, starts, origins, depth))
        filled, causal, known_at = (
            gather(part, starts, origins, depth)
            for part in (self.fills.filled, self.fills.causal, self.fills.known_at)
        )
        return fill(np.where(known_at < origins[:, None], filled, causal))


def fit_scale(series: Series, log: bool) -> Scale:
    """Mean and standard deviation of the observed training rows of each series, and of all.

    A series with fewer than two of them gets the constants of all series; so does every one if the
    series are pooled.
    """
    if series.targets:
        return _joined_scale(series, log)
    known = series.training & ~np.isnan(series.values)
    parts = [
        series.values[start:end][known[start:end]]
        for start, end in zip(series.offsets[:-1], series.offsets[1:], strict=True)
    ]
    everything = np.concatenate(parts)
    own = np.array([not series.pooled and len(part) >= 2 for part in parts] + [False])
    parts = [
        part if of_it else everything for part, of_it in zip([*parts, everything], own, strict=True)
    ]
    constants = [_constants(part, log) for part in parts]
    center, scale, floor = (np.array(column) for column in zip(*constants, strict=True))
    scale = lend_scales(scale, np.array([part.min() == part.max() for part in parts]), own)
    return Scale(log, center, scale, floor)


def typical_miss(
    series: Series, horizon: int, seasons: Sequence[int]
) -> Float[np.ndarray, " series"]:
    """Root mean square of what the best naive forecast misses in the training rows of each series.

    Of the seasonal naive forecasts, and of the naive one half a horizon ahead. Errors in this unit
    say how well a series is forecast, whatever its level and however regular it is: in standard
    deviations, the most irregular series of a panel would decide for all. At least `LEAST_MISS`
    standard deviations; one of them if nothing is ever missed, or too little is observed.
    """
    spread = fit_scale(series, log=False).scale[:-1]
    known = np.where(series.training, series.values, np.nan)
    misses = []
    for start, end in zip(series.offsets[:-1], series.offsets[1:], strict=True):
        part = known[start:end]
        squares = [
            np.square(part[lag:] - part[:-lag])
            for lag in {max(1, (horizon + 1) // 2), *seasons}
            if lag < len(part)
        ]
        means = [float(np.nanmean(each)) for each in squares if not np.isnan(each).all()]
        misses.append(np.sqrt(min(means, default=0.0)))
    miss = np.array(misses)
    return np.where(miss > 0, np.maximum(miss, LEAST_MISS * spread), spread)


def _joined_scale(series: Series, log: bool) -> Scale:
    """Those of the series of each target; the last ones, of all targets together, serve no one."""
    each = [fit_scale(target, log) for target in series.targets]
    overall = fit_scale(replace(series, targets=()), log)

    def joined(name: str) -> np.ndarray:
        own = [getattr(scale, name)[:-1] for scale in each]
        return np.concatenate([*own, getattr(overall, name)[-1:]])

    return Scale(log, joined("center"), joined("scale"), joined("floor"))


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
    causal : [rows] float64, the same, of what stands in for a score that is not known yet
    targets : [rows] float64, the same, NaN if not observed
    grid : float, a power of two
    """

    series: Series
    scale: Scale
    scores: Float[np.ndarray, " rows"]
    causal: Float[np.ndarray, " rows"]
    targets: Float[np.ndarray, " rows"]
    grid: float

    @classmethod
    def of(cls, series: Series, scale: Scale) -> "Rows":
        """Scale, round and fill the series."""
        index = np.repeat(np.arange(len(series.offsets) - 1), np.diff(series.offsets))
        columns = [series.values]
        if series.fills is not None:
            known = np.where(
                np.isnan(series.fills.filled), series.fills.causal, series.fills.filled
            )
            columns += [known, series.fills.causal]
        z = [scale.transform(column, index) for column in columns]
        grid = grid_of(np.stack(z)[:, series.training])
        targets, *others = (np.round(each / grid) for each in z)
        known, causal = others or (targets, targets)
        known, causal = (_without_gaps(each, series) for each in (known, causal))
        return cls(series, scale, known, causal, targets, grid)

    def windows(self, origins: np.ndarray, depth: int) -> np.ndarray:
        """Integers [n, depth]; rows before the start of the series get its first row."""
        rows = origins[:, None] + np.arange(-depth, 0)
        rows = np.maximum(rows, self.series.offsets[self.series.of(origins)][:, None])
        if self.series.fills is None:
            return self.scores[rows]
        known = self.series.fills.known_at[rows] < origins[:, None]
        return np.where(known, self.scores[rows], self.causal[rows])

    def labels(self, origins: np.ndarray, horizon: int) -> np.ndarray:
        """Integers [n, horizon], NaN if not observed."""
        observed = self.series.labels(origins, horizon)
        rows = np.minimum(origins[:, None] + np.arange(horizon), len(self.targets) - 1)
        return np.where(np.isnan(observed), np.nan, self.targets[rows])


def _without_gaps(scores: np.ndarray, series: Series) -> np.ndarray:
    bounds = zip(series.offsets[:-1], series.offsets[1:], strict=True)
    filled = np.concatenate([fill(scores[None, a:b])[0] for a, b in bounds])
    return np.nan_to_num(filled, nan=0.0)


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
