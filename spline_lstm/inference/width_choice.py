"""Whether the widths of intervals follow the recent changes, chosen on the validation split.

Every exponent of `spline_lstm.inference.local_width` is judged by the interval score: widths fitted
on four of five blocks of time in the validation split, scored on the fifth, each in turn, without
the windows between them that are nearer than a horizon. The choice is the smallest exponent whose
score is within one standard error of the best (the rule of Breiman, Friedman, Olshen and Stone
1984, "Classification and Regression Trees", section 3.4.3), so the constant width stays unless
another one is clearly better.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.inference.interval_score import interval_score
from spline_lstm.inference.intervals import Values, half_widths
from spline_lstm.inference.local_width import EXPONENTS, width_factors
from spline_lstm.inference.recent_change import PerWindow

BLOCKS = 5
# The choice among a handful of exponents needs no more.
CHOICE_WINDOWS = 10_000
# With fewer the standard error itself is a guess.
MIN_WINDOWS = 100


@dataclass(frozen=True)
class Errors:
    """Absolute errors of windows, by which widths are chosen.

    Attributes
    ----------
    size : [windows, horizon, targets] float64, data units or multiples of them, NaN if not observed
    relative : [windows, targets] float64, recent change / usual change
    time : [windows] int64, row of the clock of the origin
    """

    size: Values
    relative: PerWindow
    time: Int[np.ndarray, " windows"]

    def some(self, at_most: int) -> "Errors":
        """Evenly spaced ones if there are more."""
        rows = evenly_spaced(len(self.time), at_most)
        return Errors(self.size[rows], self.relative[rows], self.time[rows])


def choose_exponents(
    errors: Errors, levels: Sequence[float], *, constant: bool = True
) -> Float[np.ndarray, " targets"]:
    """The exponent of each target; without `constant` the best one above 0, sure or not.

    It is 0 if there are too few windows to judge.
    """
    if len(errors.time) < MIN_WINDOWS or not levels:
        return np.zeros(errors.size.shape[2])
    scores = cross_scores(errors.some(CHOICE_WINDOWS), levels)
    return np.array([_choose(scores[..., k], constant) for k in range(errors.size.shape[2])])


def cross_scores(
    errors: Errors, levels: Sequence[float]
) -> Float[np.ndarray, "exponents blocks targets"]:
    """Interval score of each exponent in each block, summed over the levels.

    That of the constant width is 1 for each level on average over the blocks, so that neither the
    unit of a target nor the level has a weight. Levels are left out that have too few residuals;
    NaN if none remains, or if nothing was observed in the block.
    """
    _, position = np.unique(errors.time, return_inverse=True)
    count, (_, horizon, targets) = int(position.max(initial=-1)) + 1, errors.size.shape
    block = position * BLOCKS // max(count, 1)
    scores = np.full((len(EXPONENTS), len(levels), BLOCKS, targets), np.nan)
    for number in range(BLOCKS):
        scored = block == number
        if not scored.any():
            continue
        first, last = position[scored].min(), position[scored].max()
        fitted = (position <= first - horizon) | (position >= last + horizon)
        for index, exponent in enumerate(EXPONENTS):
            scores[index, :, number] = _score(errors, fitted, scored, exponent, levels)
    known = ~np.isnan(scores[0])
    total = np.where(known, scores[0], 0.0).sum(axis=1)
    usual = total / np.maximum(known.sum(axis=1), 1)
    usable = np.isfinite(usual) & (usual > 0.0)
    relative = scores / np.where(usable, usual, 1.0)[None, :, None]
    summed = np.where(usable[:, None], relative, 0.0).sum(axis=1)
    return np.where(usable.any(axis=0), summed, np.nan)


def _score(
    errors: Errors,
    fitted: Bool[np.ndarray, " windows"],
    scored: Bool[np.ndarray, " windows"],
    exponent: float,
    levels: Sequence[float],
) -> Float[np.ndarray, "levels targets"]:
    """Mean interval score of the `scored` windows with widths from the `fitted` ones."""
    targets = errors.size.shape[2]
    factors = width_factors(errors.relative, np.full(targets, exponent))[:, None]
    widths, _ = half_widths(errors.size[fitted] / factors[fitted], levels)
    size = errors.size[scored]
    observed = np.isfinite(size)
    found = []
    for level, width in zip(levels, widths, strict=True):
        half = width * factors[scored]
        score = np.where(observed, interval_score(size, -half, half, level), 0.0)
        count = observed.sum(axis=(0, 1))
        total = score.sum(axis=(0, 1))
        found.append(np.divide(total, count, out=np.full(targets, np.nan), where=count > 0))
    return np.array(found)


def _choose(scores: Float[np.ndarray, "exponents blocks"], constant: bool) -> float:
    """The smallest exponent within one standard error of the best."""
    known = scores[:, np.isfinite(scores).all(axis=0)]
    if known.shape[1] < 2:
        return 0.0
    best = int(known.mean(axis=1).argmin())
    if not constant:
        return EXPONENTS[1 + int(known[1:].mean(axis=1).argmin())]
    worse = known - known[best]
    error = worse.std(axis=1, ddof=1) / np.sqrt(known.shape[1])
    return EXPONENTS[int(np.flatnonzero(worse.mean(axis=1) <= error)[0])]
