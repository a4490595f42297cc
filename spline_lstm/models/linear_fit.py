"""Average the members of a linear forecaster by their validation errors, and fold them.

Each regression of `linear_designs`, on the natural scale and on that of logarithms, is fitted in
closed form at several penalties. What validation cannot tell from the best is averaged, for no
single choice is safe (Timmermann 2006, "Forecast combinations", Handbook of Economic Forecasting 1,
135-196). With many validation windows the naive forecasts get what `stack` finds that they add;
with few, `linear_few` averages them and exponential smoothing with the regressions.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.models.linear import LinearForecaster
from spline_lstm.models.linear_designs import Design, candidates
from spline_lstm.models.linear_few import (
    FOLDS,
    MIN_SHARPNESS,
    SHARPNESS,
    TINY,
    WEIGHT_GRAIN,
    Candidate,
    average_few,
)
from spline_lstm.models.linear_members import (
    STRENGTHS,
    Member,
    Problem,
    Share,
    judge,
    matrix,
    smoothed,
    unfitted,
)
from spline_lstm.models.linear_moments import Rows, Series, fit_scale, typical_miss
from spline_lstm.models.linear_smoothing import (
    TREND,
    Smoothing,
    fit_smoothing,
    random_walk,
    support,
    support_beside_regressions,
)
from spline_lstm.models.linear_steady import fit_steady
from spline_lstm.models.stack import ENOUGH_BLOCKS, fit_stack
from spline_lstm.models.time_blocks import Extent, blocks_of, standard_error

# Kinds of smoothing, which the seasonal naive forecasts are of as well, and the naive one.
FLAT, WITH_TREND, SEASONAL = "smoothing", "smoothing with a trend", "seasonal smoothing"
WALK, STEADY_SEASON = "random walk", "steady season"
MIN_WEIGHT = 0.01
# Prior share of seasonal smoothing, against 1 of each kind of regression.
SMOOTHING = 2.0
# Prior share of the naive forecast where nothing speaks against a random walk.
MOST_WALK = 0.5
# Standard deviation of the logarithms from which on they are another scale than the natural one.
MIN_LOG_SCALE = 2.0**-8


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
    folds: int = FOLDS,
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
        Also try logarithms, if all training values are above 0 and vary by at least 0.4 %.
    naives : bool
        The naive forecasts are members too; with few validation windows exponential smoothing also.
    folds : int
        Parts of the training windows that are left out in turn, with few validation windows; 0: the
        training windows do not judge.

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
    times = series.times(validation)
    if Extent.of(times, horizon).blocks < ENOUGH_BLOCKS:
        parts = _left_out(problems, train, tried, folds)
        few = _candidates(problems, parts, tried, seasons, strengths, naives)
        if not few:
            raise ValueError(f"{len(train)} training windows are too few for a regression")
        before = np.concatenate([part[0].times for part in parts] or [times[:0]])
        return fold(average_few(few, times, before, horizon), problems)
    members = [
        min(forms, key=lambda member: member.error)
        for k, problem in enumerate(problems)
        for design in tried
        if (forms := judge(design, k, problem, strengths))
    ]
    simple = [unfitted(season, 0, problems[0]) for season in (0, *seasons)] if naives else []
    if not members + simple:
        raise ValueError(f"{len(train)} training windows are too few for a regression")
    if not members:
        return fold(average(simple, times, horizon), problems)
    return _stacked(average(members, times, horizon), simple, problems, series, validation)


def _left_out(
    problems: Sequence[Problem],
    train: Int[np.ndarray, " n"],
    designs: Sequence[Design],
    folds: int,
) -> list[list[Problem]]:
    """The problems [folds][scales] with a part of the training windows as validation windows.

    The fits see no window whose labels overlap those of the part. Windows that a design cannot
    read are in no part.
    """
    first, horizon = problems[0], problems[0].horizon
    series = first.rows.series
    depth = max(design.depth(horizon) for design in designs)
    deep = train[train - series.offsets[series.of(train)] >= depth]
    if not folds or len(deep) < 2 * folds:
        return []
    times, blocks = series.times(train), blocks_of(series.times(deep), folds)
    parts = [deep[blocks == k] for k in range(int(blocks.max()) + 1)]
    spans = [(series.times(part).min(), series.times(part).max()) for part in parts]
    return [
        [
            Problem.of(
                problem.rows,
                train[(times <= first - horizon) | (times >= last + horizon)],
                part,
                [*problem.moments, depth],
                problem.spread,
                horizon,
            )
            for problem in problems
        ]
        for part, (first, last) in zip(parts, spans, strict=True)
    ]


def _candidates(
    problems: Sequence[Problem],
    parts: Sequence[Sequence[Problem]],
    designs: Sequence[Design],
    seasons: Sequence[int],
    strengths: Sequence[float],
    naives: bool,
) -> list[Candidate]:
    """Regressions and smoothing on each scale, the naive forecasts, and what speaks for each."""
    horizon = problems[0].horizon
    limit = max(design.depth(horizon) for design in designs)
    smoothings = (0, TREND, *seasons)
    models = [
        {s: m for s in smoothings if (m := fit_smoothing(problem.rows, s, horizon, limit))}
        for problem in problems
    ]
    priors = _smoothing_priors(models[0], problems[0].rows, limit)
    seasonal = priors[SEASONAL]
    found = []
    for k, problem in enumerate(problems):
        for design in designs:
            prior = seasonal if design.season else 1.0
            forms, *judges = (
                judge(design, k, each, strengths) for each in (problem, *(p[k] for p in parts))
            )
            found += [
                _candidate(_kind(design), prior, *_halves(forms, judges, level))
                for level in (False, True)
            ]
        for season, model in models[k].items() if naives else ():
            judges = [[smoothed(model, k, part[k])] for part in parts]
            found.append(_smoothing(season, priors, [smoothed(model, k, problem)], judges))
        for season in seasons if naives else ():
            steady, moving = fit_steady(problem.rows, season, horizon, limit), models[k].get(season)
            if steady and moving:
                prior = SMOOTHING * seasonal * support(steady, moving)
                judges = [[smoothed(steady, k, part[k])] for part in parts]
                forms = [smoothed(steady, k, problem)]
                found.append(_candidate(STEADY_SEASON, prior, forms, judges))
    for season in (0, *seasons) if naives else ():
        judges = [[unfitted(season, 0, part[0])] for part in parts]
        forms = [unfitted(season, 0, problems[0])]
        found.append(
            _smoothing(season, priors, forms, judges)
            if season
            else _candidate(WALK, priors[WALK], forms, judges)
        )
    return [candidate for candidate in found if candidate.forms]


def _candidate(
    kind: str, prior: float, forms: list[Member], judges: Sequence[list[Member]]
) -> Candidate:
    complete = judges and all(judges)
    earlier = np.concatenate([[m.errors for m in each] for each in judges], 1) if complete else None
    return Candidate(kind, prior, forms, earlier)


def _halves(
    forms: list[Member], judges: Sequence[list[Member]], level: bool
) -> tuple[list[Member], list[list[Member]]]:
    """The forms with, or without, the level as an input."""
    first, *others = ([m for m in each if m.form.level == level] for each in (forms, *judges))
    return first, others


def _kind(design: Design) -> str:
    return "differences" if design.season else "blocks" if design.blocks else "rows"


def _smoothing(
    season: int, priors: Mapping[str, float], forms: list[Member], judges: Sequence[list[Member]]
) -> Candidate:
    kind = SEASONAL if season > TREND else WITH_TREND if season else FLAT
    prior = priors[kind] * (SMOOTHING if kind == SEASONAL else 1.0)
    return _candidate(kind, prior, forms, judges)


def _smoothing_priors(models: dict[int, Smoothing], rows: Rows, limit: int) -> dict[str, float]:
    """Evidence for each kind of smoothing, 0 to 1.

    For a season: the best model with one against the best one without, which may have a trend; a
    trend alone looks like a season to a model without either. The rest is for smoothing without a
    season, less what autoregressions of the same differences do better. The naive forecast is a
    kind of its own as far as no other model is better than a random walk.
    """
    simple = [models[s] for s in (0, TREND) if s in models]
    seasonal = [model for season, model in models.items() if season > TREND]
    if not seasonal or not simple:
        evidence = 1.0 if seasonal else 0.0
    else:
        evidence = support(*(min(m, key=lambda each: each.criterion) for m in (seasonal, simple)))
    trend = support(models[TREND], models[0]) if len(simple) > 1 else 0.0
    parts = {FLAT: (0, 1.0 - trend), WITH_TREND: (TREND, trend)}
    priors = {SEASONAL: evidence}
    for kind, (season, part) in parts.items():
        prior = (1.0 - evidence) * part
        if season in models and prior:
            prior *= support_beside_regressions(rows, models[season], limit)
        priors[kind] = prior
    priors[WALK] = 0.0
    if 0 in models:
        walk = random_walk(rows, models[0])
        prior = support(walk, min(models.values(), key=lambda model: model.criterion))
        beside = support_beside_regressions(rows, walk, limit)
        priors[WALK] = min(MOST_WALK, prior) * beside
    return priors


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
    scales = [fit_scale(series, log=False)]
    if logs and bool(np.nanmin(series.values[series.training]) > 0):
        logarithmic = fit_scale(series, log=True)
        # Of values that vary by less, logarithms are the natural scale but for lost digits.
        if (logarithmic.scale >= MIN_LOG_SCALE).all():
            scales.append(logarithmic)
    spread = typical_miss(series, horizon, [season for season in seasons if season])
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
    spread = problems[0].spread[problems[0].index][:, None]
    forecasts = [
        f.predict(series.windows(validation, f.depth), problems[0].index) / spread
        for f in (average_alone, *others)
    ]
    names = ("average", *(member.name for member in simple))
    truth = problems[0].labels / spread
    stack = fit_stack(names, np.stack(forecasts), truth, problems[0].times)
    return blend([average_alone, *others], stack.weights)


def average(
    members: Sequence[Member], times: Int[np.ndarray, " windows"], horizon: int
) -> list[Share]:
    """Members that may be the best, with weights by their errors, of many validation windows.

    `times` are the rows of the clock of their origins.
    """
    best = min(members, key=lambda member: member.error)
    kept = [m for m in members if _may_be_best(m, best, times, horizon)]
    ratios = np.array([(m.error + TINY) / (best.error + TINY) for m in kept])
    weights = ratios ** -max(SHARPNESS * Extent.of(times, horizon).evidence, MIN_SHARPNESS)
    weights[weights < MIN_WEIGHT * weights.max()] = 0.0
    weights = np.round(weights / weights.sum() / WEIGHT_GRAIN) * WEIGHT_GRAIN
    weights /= weights.sum()
    return [Share(m, float(w)) for m, w in zip(kept, weights, strict=True) if w > 0]


def _may_be_best(
    member: Member, best: Member, times: Int[np.ndarray, " windows"], horizon: int
) -> bool:
    """Whether chance, one standard error, may have made it worse than the best."""
    gains = best.errors - member.errors
    return bool(gains.mean() >= -standard_error(gains, times, horizon))


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
