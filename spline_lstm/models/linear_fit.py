"""Average the members of a linear forecaster by their validation errors, and fold them.

Each regression of `linear_designs`, on the natural scale and on that of logarithms, is fitted in
closed form at several penalties. What validation cannot tell from the best is averaged, for no
single choice is safe on few windows (Timmermann 2006, "Forecast combinations", Handbook of Economic
Forecasting 1, 135-196). The naive forecasts are members too: with few validation windows they are
averaged like the others, with many they get what `stack` finds that they add.

Measured on 75 series with at most 9 horizons of validation, RMSE over that of the best simple
baseline in hindsight, geometric mean over seven families: one standard error as the limit at any
number of windows 1.024, the ratio of errors with few windows 1.021, and the naive members 1.019.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.linear_designs import Design, candidates
from spline_lstm.models.linear_members import (
    STRENGTHS,
    Member,
    Problem,
    judge,
    matrix,
    unfitted,
)
from spline_lstm.models.linear_moments import Rows, Series, fit_scale
from spline_lstm.models.stack import fit_stack

# Validation windows of fewer horizons give no standard error; there, a ratio of errors decides.
ENOUGH_BLOCKS = 10
MAX_RATIO = 2.0
# Exponent of the weights: per horizon of validation windows, and at least.
SHARPNESS = 0.125
MIN_SHARPNESS = 1.0
MIN_WEIGHT = 0.01
WEIGHT_GRAIN = 2.0**-16
TINY = 1e-12


class Share(NamedTuple):
    """A member, and its weight in the average."""

    member: Member
    weight: float


def fit_linear(
    series: Series,
    train: Int[np.ndarray, " n"],
    validation: Int[np.ndarray, " m"],
    *,
    horizon: int,
    lookback: int,
    seasons: Sequence[int],
    designs: Sequence[Design] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    logs: bool = True,
    naives: bool = True,
) -> LinearForecaster:
    """Fit a linear forecaster.

    Parameters
    ----------
    series : Series
        The target.
    train, validation : [n] int, rows
        Origins whose labels lie inside the split, ascending. A window may reach back before the
        start of its series: regressions with a longer lookback leave it out.
    horizon, lookback : int, rows
        `lookback` is the shortest candidate.
    seasons : sequence of int, rows
        As `models.seasons.find_seasons` finds them.
    designs : sequence of Design, optional
        Regressions to try; by default all of `linear_designs.candidates`.
    strengths : sequence of float
        Penalties to try.
    logs : bool
        Also try logarithms, if all training values are above 0.
    naives : bool
        The naive forecasts are members too.

    Raises
    ------
    ValueError
        There are no validation windows, or too few training windows for any regression and no
        naive members.
    """
    if not len(validation):
        raise ValueError("a linear forecaster needs validation windows")
    longest = int(np.add.reduceat(series.training.astype(np.int64), series.offsets[:-1]).max())
    every = candidates(horizon, lookback, seasons, longest)
    tried = every if designs is None else list(designs)
    problems = _problems(series, train, validation, tried, [0, *seasons], horizon, logs)
    members = [
        min(forms, key=lambda member: member.error)
        for k, problem in enumerate(problems)
        for design in tried
        if (forms := judge(design, k, problem, strengths))
    ]
    simple = [unfitted(season, 0, problems[0]) for season in (0, *seasons)] if naives else []
    if not members + simple:
        raise ValueError(f"{len(train)} training windows are too few for a regression")
    if not members or len(validation) // horizon < ENOUGH_BLOCKS:
        return fold(average(members + simple, horizon), problems)
    return _stacked(average(members, horizon), simple, problems, series, validation)


def _problems(
    series: Series,
    train: np.ndarray,
    validation: np.ndarray,
    designs: Sequence[Design],
    seasons: Sequence[int],
    horizon: int,
    logs: bool,
) -> list[Problem]:
    depths = [design.depth(horizon) for design in designs]
    depths += [Design(1, season=season).depth(horizon) for season in seasons]
    positive = logs and bool(np.nanmin(series.values[series.training]) > 0)
    scales = [fit_scale(series, log) for log in ([False, True] if positive else [False])]
    spread = scales[0].scale
    rows = [Rows.of(series, scale) for scale in scales]
    return [Problem.of(r, train, validation, depths, spread, horizon) for r in rows]


def _stacked(
    chosen: Sequence[Share],
    simple: Sequence[Member],
    problems: Sequence[Problem],
    series: Series,
    validation: np.ndarray,
) -> LinearForecaster:
    """The average, moved towards the naive members as far as validation shows that it helps."""
    average_alone = fold(chosen, problems)
    if not simple:
        return average_alone
    others = [fold([Share(member, 1.0)], problems) for member in simple]
    horizon, spread = problems[0].horizon, problems[0].spread[problems[0].index][:, None]
    forecasts = [
        f.predict_at(series.values, series.offsets, validation) / spread
        for f in (average_alone, *others)
    ]
    names = ("average", *(member.name for member in simple))
    truth, blocks = problems[0].labels / spread, len(validation) // horizon
    stack = fit_stack(names, np.stack(forecasts), truth, blocks)
    return blend([average_alone, *others], stack.weights)


def standard_error(gains: Float[np.ndarray, " windows"], horizon: int) -> float:
    """Of the mean of `gains` in time order, from means of blocks: neighbours overlap."""
    count = max(2, len(gains) // max(horizon, -(-len(gains) // 20)))
    means = np.array([block.mean() for block in np.array_split(gains, count)])
    return float(means.std(ddof=1) / np.sqrt(count))


def average(members: Sequence[Member], horizon: int) -> list[Share]:
    """Members that may be the best, with weights by their errors."""
    best = min(members, key=lambda member: member.error)
    blocks = len(best.errors) // horizon
    kept = [m for m in members if _may_be_best(m, best, blocks, horizon)]
    ratios = np.array([_ratio(member, best) for member in kept])
    weights = ratios ** -max(SHARPNESS * blocks, MIN_SHARPNESS)
    weights[weights < MIN_WEIGHT * weights.max()] = 0.0
    weights = np.round(weights / weights.sum() / WEIGHT_GRAIN) * WEIGHT_GRAIN
    weights /= weights.sum()
    return [Share(m, float(w)) for m, w in zip(kept, weights, strict=True) if w > 0]


def _may_be_best(member: Member, best: Member, blocks: int, horizon: int) -> bool:
    """Whether chance may have made it worse than the best: one standard error, of enough blocks."""
    if blocks < ENOUGH_BLOCKS:
        return _ratio(member, best) <= MAX_RATIO
    gains = best.errors - member.errors
    return bool(gains.mean() >= -standard_error(gains, horizon))


def _ratio(member: Member, best: Member) -> float:
    return (member.error + TINY) / (best.error + TINY)


def fold(chosen: Sequence[Share], problems: Sequence[Problem]) -> LinearForecaster:
    """One matrix per scale that does what the members do on average (on each scale)."""
    horizon = problems[0].horizon
    depth = max(member.design.depth(horizon) for member, _ in chosen)
    used = sorted({member.scale for member, _ in chosen})
    share = np.array([sum(w for m, w in chosen if m.scale == k) for k in used])
    total = np.zeros((len(used), depth + 2, horizon))
    for member, weight in chosen:
        total[used.index(member.scale)] += weight * matrix(member, problems[member.scale], depth)
    total /= share[:, None, None]
    scales = [problem.rows.scale for problem in problems]
    names = tuple((("log " if scales[m.scale].log else "") + m.name, w) for m, w in chosen)
    return LinearForecaster(
        tuple(scales[k] for k in used), total[:, :-2], total[:, -2], share, names
    )


def blend(
    forecasters: Sequence[LinearForecaster], weights: Float[np.ndarray, " n"]
) -> LinearForecaster:
    """The first forecaster, and others on its natural scale, as one with `weights` (sum 1)."""
    used = [(f, float(w)) for f, w in zip(forecasters, weights, strict=True) if w > 0]
    depth, horizon = max(f.depth for f, _ in used), forecasters[0].horizon
    scales = {scale.log: scale for f, _ in used for scale in f.scales}
    kernel, intercept = np.zeros((len(scales), depth, horizon)), np.zeros((len(scales), horizon))
    share = np.zeros(len(scales))
    for forecaster, weight in used:
        for k, scale in enumerate(forecaster.scales):
            position, part = list(scales).index(scale.log), weight * forecaster.share[k]
            kernel[position, depth - forecaster.depth :] += part * forecaster.kernel[k]
            intercept[position] += part * forecaster.intercept[k]
            share[position] += part
    kernel, intercept = kernel / share[:, None, None], intercept / share[:, None]
    members = tuple((name, w * weight) for f, weight in used for name, w in f.members)
    return LinearForecaster(tuple(scales.values()), kernel, intercept, share, members)
