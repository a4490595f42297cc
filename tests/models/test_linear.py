import hashlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as ScikitRidge

from spline_lstm.evaluation.baselines import naive, seasonal_naive
from spline_lstm.models.linear import LOG_CAP, LinearForecaster, Scale, fill, gather
from spline_lstm.models.linear_designs import Design, candidates, long_candidates, seasonal_lags
from spline_lstm.models.linear_fit import average, blend, fit_linear
from spline_lstm.models.linear_members import Form, Member
from spline_lstm.models.linear_moments import Fills, Series, fit_scale, typical_miss
from spline_lstm.models.time_blocks import Extent

ROWS, HORIZON, LOOKBACK, SEASON = 400, 3, 6, 8
TRAIN = np.arange(0, 277)
VALIDATION = np.arange(283, 338)
# Too few for a standard error.
FEW = VALIDATION[:27]
TEST = np.arange(343, ROWS - HORIZON + 1)


def wave(rows=ROWS, seed=0, level=30.0):
    """A season of 8 rows, a random walk and noise, above 0."""
    noise = np.random.default_rng(seed).normal(size=(2, rows))
    season = 3 * np.sin(2 * np.pi * np.arange(rows) / SEASON)
    return level + season + 0.1 * np.cumsum(noise[0]) + 0.5 * noise[1]


def series_of(values, offsets=None):
    offsets = np.array([0, len(values)] if offsets is None else offsets)
    training = np.zeros(len(values), dtype=bool)
    for start, end in itertools.pairwise(offsets):
        training[start : start + int(0.7 * (end - start))] = True
    return Series(values, offsets, training)


def fit(values, validation=VALIDATION, **changes):
    options = {"horizon": HORIZON, "lookback": LOOKBACK, "seasons": [SEASON]} | changes
    return fit_linear(series_of(values), TRAIN, validation, **options)


def forecast(forecaster, values, origins=TEST):
    return at_origins(forecaster, values, np.array([0, len(values)]), origins)


def at_origins(forecaster, values, offsets, origins):
    series = np.searchsorted(offsets, origins, side="right") - 1
    return forecaster.predict(gather(values, offsets[series], origins, forecaster.depth), series)


def scikit_forecasts(values, design, strength, log):
    """Forecasts of validation and test by every form of a design, the design matrix by hand."""
    data = np.log(values) if log else values
    train = data[: int(0.7 * ROWS)]
    z = (data - train.mean()) / train.std()
    s = design.season
    reach = s * design.over
    means = [z[reach - back : len(z) - back] for back in range(s, reach + 1, s or 1)]
    u = z if not s else np.concatenate([np.full(reach, np.nan), z[reach:] - np.mean(means, 0)])
    depth = design.depth(HORIZON)
    fitted = TRAIN[depth <= TRAIN]
    steps = np.arange(HORIZON)
    lags = design.lags(HORIZON)
    found = []
    for variant in range(2 if s else 1):
        for level in (False, True):

            def regression(origins, variant=variant, level=level):
                last = u[origins - 1][:, None]
                base = np.repeat(z[origins - 1][:, None], HORIZON, axis=1)
                if s:
                    before = steps % s - s * np.arange(1, design.over + 1)[:, None, None]
                    base = z[origins[:, None] + before].mean(0) + (0 if variant else last)
                inputs = u[origins[:, None] + lags] - last
                return inputs, [last] * level + [np.ones_like(last)], base

            inputs, rest, base = regression(fitted)
            size = np.sqrt(np.mean(inputs**2))
            labels = z[fitted[:, None] + steps] - base
            oracle = ScikitRidge(alpha=strength * len(fitted), fit_intercept=False)
            oracle.fit(np.hstack([inputs / size, *rest]), labels)
            both = []
            for origins in (FEW, TEST):
                inputs, rest, base = regression(origins)
                scores = base + oracle.predict(np.hstack([inputs / size, *rest]))
                scores = scores * train.std() + train.mean()
                both.append(np.exp(scores) if log else scores)
            found.append(both)
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("strength", [1.0, 1e-3])
@pytest.mark.parametrize(
    "design",
    [
        Design(LOOKBACK),
        Design(4, blocks=(SEASON,)),
        Design(4, season=SEASON),
        Design(4, season=SEASON, over=4),
    ],
)
def test_a_single_regression_is_that_of_scikit_learn(design, strength, log):
    values = wave()
    shown = values if log else values - 100  # below 0: logarithms are not tried
    options = {"naives": False, "logs": log, "folds": 0}
    forecaster = fit(shown, FEW, designs=[design], strengths=[strength], **options)
    truth = shown[FEW[:, None] + np.arange(HORIZON)]
    # Of the forms of a scale with the level, and of those without, validation chooses one each.
    best = []
    for scale in (False, True) if log else (False,):
        oracles = scikit_forecasts(shown, design, strength, scale)
        for forms in (oracles[::2], oracles[1::2]):
            errors = [np.mean((validation - truth) ** 2) for validation, _ in forms]
            best.append((min(errors), forms[int(np.argmin(errors))][1]))
    ratio = np.array([error for error, _ in best]) / min(error for error, _ in best)
    sharpness = max(1.0, 0.375 * Extent.of(FEW, HORIZON).evidence)
    weights = np.where(ratio <= 2, ratio**-sharpness, 0.0)
    expected = np.tensordot(weights / weights.sum(), np.stack([each for _, each in best]), 1)
    assert np.allclose(forecast(forecaster, shown), expected, rtol=1e-4, atol=1e-4)


def test_folding_equals_the_average_of_the_members():
    values = wave() - 100
    together = fit(values, naives=False)
    names = [name for name, _ in together.members]
    assert len(names) > 2
    tried = {d.name: d for d in candidates(HORIZON, LOOKBACK, [SEASON], int(0.7 * ROWS))}
    expected = sum(
        weight * forecast(fit(values, designs=[tried[name]], naives=False), values)
        for name, weight in together.members
    )
    assert np.allclose(forecast(together, values), expected, atol=1e-9)


def test_a_unit_or_an_offset_changes_nothing_else():
    values = wave() - 100
    plain, other = fit(values), fit(1e6 * values + 7e6)
    assert np.allclose(forecast(other, 1e6 * values + 7e6), 1e6 * forecast(plain, values) + 7e6)


def test_it_beats_the_naive_forecasts_on_a_season():
    values = wave(seed=5)
    truth = values[TEST[:, None] + np.arange(HORIZON)]
    history = values[TEST[:, None] + np.arange(-SEASON, 0)][..., None]
    bars = [naive(history, HORIZON), seasonal_naive(history, HORIZON, SEASON)]
    error = np.mean((forecast(fit(values), values) - truth) ** 2)
    assert error < min(np.mean((bar[..., 0] - truth) ** 2) for bar in bars)


def test_no_value_after_the_origin_or_of_the_test_split_matters():
    values = wave()
    changed = values.copy()
    changed[VALIDATION[-1] + HORIZON :] = 1e6
    one, other = fit(values), fit(changed)
    assert one.kernel.tobytes() == other.kernel.tobytes()
    later = values.copy()
    later[TEST[0] :] = -1e6
    assert np.array_equal(forecast(one, values, TEST[:1]), forecast(one, later, TEST[:1]))


def test_unobserved_labels_have_no_weight():
    values = wave() - 100
    # Every third row: no window has all labels, so that every step has moments of its own.
    values[1::3] = np.nan
    forecaster = fit(values, designs=[Design(LOOKBACK)], strengths=[0.01], naives=False)
    known = values[: int(0.7 * ROWS)]
    mean, std = np.nanmean(known), np.nanstd(known)
    z = (pd.Series(values).ffill().to_numpy() - mean) / std
    origins, labels = TRAIN[TRAIN >= LOOKBACK], (values - mean) / std
    # Windows whose first row is observed: the others are filled from within themselves.
    shown = TEST[(TEST - LOOKBACK) % 3 != 1]

    def inputs(some, level):
        last = z[some - 1][:, None]
        return z[some[:, None] + np.arange(-LOOKBACK, -1)] - last, [last] * level, last

    observed = [~np.isnan(labels[origins + step]) for step in range(HORIZON)]
    squares = [np.mean(inputs(origins[seen], False)[0] ** 2) for seen in observed]
    distances = []
    for level in (False, True):
        forecasts = []
        for step, seen in enumerate(observed):
            rows = origins[seen]
            oracle = ScikitRidge(alpha=0.01 * len(rows), fit_intercept=False)

            def columns(some, level=level):
                differences, extra, last = inputs(some, level)
                size = np.sqrt(np.mean(squares))
                return np.hstack([differences / size, *extra, np.ones_like(last)])

            oracle.fit(columns(rows), labels[rows + step] - z[rows - 1])
            forecasts.append(z[shown - 1] + oracle.predict(columns(shown)))
        expected = np.stack(forecasts, axis=1) * std + mean
        distances.append(np.abs(expected - forecast(forecaster, values, shown)).max())
    assert min(distances) < 1e-4


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_filling_is_that_of_pandas(seed, share):
    generator = np.random.default_rng(seed)
    windows = generator.normal(size=(4, 9))
    windows[generator.random(windows.shape) < share] = np.nan
    expected = pd.DataFrame(windows.T).ffill().bfill().to_numpy().T
    assert np.array_equal(fill(windows), expected, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.6))
def test_missing_values_never_give_a_missing_forecast(seed, share):
    values = wave(seed=1)
    values[np.random.default_rng(seed).random(ROWS) < share] = np.nan
    forecaster = fit(values, designs=[Design(4), Design(4, season=SEASON)], strengths=[0.1])
    assert np.isfinite(forecast(forecaster, values)).all()


def test_a_window_without_observations_is_forecast_near_the_mean():
    forecaster = fit(wave())
    nothing = np.full((1, forecaster.depth), np.nan)
    scale = forecaster.scales[0]
    assert np.abs(forecaster.predict(nothing) - scale.center[0]).max() < 2 * scale.scale[0]


def test_panels_are_scaled_per_series_and_strangers_by_all():
    parts = [wave(seed=1) - 60, 1000 * wave(seed=2) - 60000]
    values, offsets = np.concatenate(parts), np.array([0, ROWS, 2 * ROWS])
    train, validation = (np.concatenate([o, o + ROWS]) for o in (TRAIN, VALIDATION))
    forecaster = fit_linear(
        series_of(values, offsets),
        train,
        validation,
        horizon=HORIZON,
        lookback=LOOKBACK,
        seasons=[8],
    )
    found = at_origins(forecaster, values, offsets, np.concatenate([TEST, TEST + ROWS]))
    truth = values[np.concatenate([TEST, TEST + ROWS])[:, None] + np.arange(HORIZON)]
    small, large = np.split((found - truth) ** 2, 2)
    assert small.mean() < 1.5
    assert large.mean() < 1.5e6
    scale = forecaster.scales[0]
    assert np.allclose(scale.center[:2], [p[: int(0.7 * ROWS)].mean() for p in parts])
    windows = np.full((1, forecaster.depth), 7.0)
    assert np.array_equal(forecaster.predict(windows), forecaster.predict(windows, np.array([2])))


def gappy_series(values, fills):
    """Every seventh row silent; what windows read there, and when it is known."""
    silent = np.arange(len(values)) % 7 == 3
    series = series_of(np.where(silent, np.nan, values))
    known_at = np.arange(len(values)) + np.where(silent, 2, 0)
    filled = np.where(silent, values + 0.25, values)
    causal = np.where(silent, values - 0.5, values)
    return replace(series, fills=Fills(filled, causal, known_at) if fills else None)


def test_windows_read_what_was_known_before_their_origin():
    values = wave()
    series = gappy_series(values, fills=True)
    windows = series.windows(np.array([11, 12, 13, 14]), 4)
    # Row 10 is silent, and what fills it is known from row 12 on.
    expected = np.stack([values[o - 4 : o] for o in (11, 12, 13, 14)])
    expected[[0, 1, 2, 3], [3, 2, 1, 0]] += [-0.5, -0.5, 0.25, 0.25]
    np.testing.assert_array_equal(windows, expected)


def test_the_regressions_are_fitted_on_what_windows_read():
    values = wave()
    options = {"horizon": HORIZON, "lookback": LOOKBACK, "seasons": [], "designs": [Design(4)]}
    options |= {"naives": False, "logs": False, "strengths": (1e-12,)}
    series = gappy_series(values, fills=True)
    found = fit_linear(series, TRAIN, VALIDATION, **options).kernel[0]
    labels = series.labels(TRAIN, HORIZON)
    complete = ~np.isnan(labels).any(axis=1) & (TRAIN >= 4)
    windows, last = series.windows(TRAIN, 4)[complete], series.windows(TRAIN, 1)[complete]
    changes = np.hstack([windows[:, :-1] - last, np.ones((len(windows), 1))])
    with_level = np.hstack([windows, np.ones((len(windows), 1))])
    differences, free = (
        np.linalg.lstsq(inputs, target, rcond=None)[0][:-1]
        for inputs, target in ((changes, labels[complete] - last), (with_level, labels[complete]))
    )
    fixed = np.vstack([differences, 1 - differences.sum(axis=0)])
    assert min(np.abs(found - each).max() for each in (fixed, free)) < 1e-4


def test_the_typical_miss_is_that_of_the_best_naive_forecast_of_each_series():
    parts = [wave(seed=1), np.tile(np.arange(8.0), 50), np.full(ROWS, 3.0)]
    series = series_of(np.concatenate(parts), np.arange(4) * ROWS)
    found = typical_miss(series, HORIZON, [SEASON])
    first = parts[0][: int(0.7 * ROWS)]
    by_lag = [np.sqrt(np.mean((first[lag:] - first[:-lag]) ** 2)) for lag in (2, SEASON)]
    spread = fit_scale(series, log=False).scale
    assert found == pytest.approx([min(by_lag), spread[1], spread[2]])


def test_an_irregular_series_does_not_decide_for_a_panel():
    generator = np.random.default_rng(5)
    season = np.tile(generator.normal(size=SEASON), ROWS // SEASON)
    regular = [10 * season + 0.01 * generator.normal(size=ROWS) for _ in range(3)]
    walk = np.cumsum(generator.normal(size=ROWS))
    values, offsets = np.concatenate([*regular, walk]), np.arange(5) * ROWS
    train, validation = (
        np.concatenate([origins + start for start in offsets[:-1]]) for origins in (TRAIN, FEW)
    )
    forecaster = fit_linear(
        series_of(values, offsets),
        train,
        validation,
        horizon=HORIZON,
        lookback=LOOKBACK,
        seasons=[SEASON],
    )
    found = at_origins(forecaster, values, offsets, TEST)
    truth = values[TEST[:, None] + np.arange(HORIZON)]
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.2


def test_early_windows_of_a_later_series_do_not_read_the_one_before():
    values, offsets = np.concatenate([np.full(ROWS, 1e9), wave()]), np.array([0, ROWS, 2 * ROWS])
    forecaster = fit(wave())
    both = at_origins(forecaster, values, offsets, np.array([ROWS + 2]))
    windows = np.full((1, forecaster.depth), np.nan)
    windows[0, -2:] = wave()[:2]
    assert np.array_equal(both, forecaster.predict(windows, np.array([1])))


def test_save_and_load_keep_every_bit():
    forecaster = fit(wave())
    again = LinearForecaster.load(forecaster.arrays(), json.loads(json.dumps(forecaster.config())))
    assert np.array_equal(forecast(again, wave()), forecast(forecaster, wave()))
    assert again.members == forecaster.members


def test_logarithms_follow_a_series_that_left_its_training_range():
    center, size = np.log([30.0, 30.0]), np.array([0.05, 0.05])
    scale = Scale(True, center, size, np.array([10.0, 10.0]))
    kernel = np.zeros((1, 2, HORIZON))
    kernel[0, -1] = 1.0  # the naive forecast
    forecaster = LinearForecaster((scale,), kernel, np.zeros((1, HORIZON)), np.ones(1))
    for last in (25.0, 35.0, 30.0 * np.exp(0.05 * LOG_CAP * 3)):
        windows = np.array([[30.0, last]])
        assert np.allclose(forecaster.predict(windows), last, rtol=1e-9)
    explosive = replace(forecaster, kernel=10 * kernel)
    bound = np.exp(0.05 * LOG_CAP)
    assert np.allclose(explosive.predict(np.array([[30.0, 90.0]])), 90.0 * bound, rtol=1e-9)


def test_logarithms_bound_what_they_extrapolate_and_take_values_of_zero():
    forecaster = fit(wave(), FEW, designs=[Design(4)], naives=False)
    assert [scale.log for scale in forecaster.scales] == [False, True]
    scale = forecaster.scales[1]
    extreme = np.geomspace(1, 1e80, forecaster.depth)[None]
    bound = 1e80 * np.exp(LOG_CAP * scale.scale[0])  # beyond the last row
    alone = LinearForecaster((scale,), forecaster.kernel[1:], forecaster.intercept[1:], np.ones(1))
    assert alone.predict(extreme).max() <= bound * (1 + 1e-9)
    assert np.isfinite(forecaster.predict(np.zeros((1, forecaster.depth)))).all()


def test_a_regression_of_the_naive_kind_is_the_naive_forecast():
    values = np.cumsum(np.random.default_rng(0).normal(size=60))
    few = Series(values, np.array([0, 60]), np.arange(60) < 9)
    forecaster = fit_linear(
        few, np.arange(6, 12), np.arange(16, 30), horizon=4, lookback=4, seasons=[5]
    )
    assert {name for name, _ in forecaster.members} <= {"naive", "seasonal naive 5"}
    history = values[np.arange(40, 50)[:, None] + np.arange(-5, 0)][..., None]
    simple = {"naive": naive(history, 4), "seasonal naive 5": seasonal_naive(history, 4, 5)}
    expected = sum(weight * simple[name][..., 0] for name, weight in forecaster.members)
    found = at_origins(forecaster, values, np.array([0, 60]), np.arange(40, 50))
    assert np.allclose(found, expected)


def test_few_validation_windows_average_regressions_with_and_without_their_level():
    values = 50 + np.random.default_rng(3).normal(size=120)
    few = Series(values, np.array([0, 120]), np.arange(120) < 80)
    fitted = fit_linear(
        few, np.arange(12, 77), np.arange(84, 97), horizon=4, lookback=12, seasons=[],
        naives=False, logs=False,
    )  # fmt: skip
    assert [name for name, _ in fitted.members] == ["L12", "L12"]
    assert min(weight for _, weight in fitted.members) > 0.1


def test_a_short_trend_is_continued_by_smoothing_with_one_and_not_by_a_season():
    noise = np.random.default_rng(6).normal(size=120)
    short = Series(np.arange(120.0) + noise.cumsum(), np.array([0, 120]), np.arange(120) < 80)
    fitted = fit_linear(
        short, np.arange(12, 77), np.arange(84, 97), horizon=4, lookback=12, seasons=[4]
    )
    weights = dict(fitted.members)
    assert weights["smoothing with a trend"] > 0.1
    assert weights.get("smoothing 4", 0.0) < weights["smoothing with a trend"] / 4
    origins = np.arange(100, 117)
    miss = short.labels(origins, 4) - fitted.predict(short.windows(origins, fitted.depth))
    naive = short.labels(origins, 4) - short.values[origins - 1][:, None]
    assert np.square(miss).mean() < 0.8 * np.square(naive).mean()


def test_a_blend_is_the_weighted_sum_of_forecasts():
    values = wave()
    parts = [
        fit(values, designs=[Design(4)], naives=False),
        fit(values, designs=[Design(9)], naives=False, logs=False),
    ]
    blended = blend(parts, np.array([0.25, 0.75]))
    expected = 0.25 * forecast(parts[0], values) + 0.75 * forecast(parts[1], values)
    assert np.allclose(forecast(blended, values), expected)
    assert blended.share.sum() == pytest.approx(1.0)


def member(errors, name=4):
    return Member(Design(name), 0, Form(0, False, 1.0), np.asarray(errors, dtype=float))


def test_with_many_windows_chance_decides_who_is_left_out():
    generator = np.random.default_rng(0)
    best, level, worse = np.ones((3, 300))
    level = level + 0.001 + generator.normal(size=300)
    worse = worse + 0.5 + 0.1 * generator.normal(size=300)
    shares = average([member(best, 2), member(level, 3), member(worse, 4)], np.arange(len(best)), 3)
    assert [share.member.design.lookback for share in shares] == [2, 3]


def test_many_seasons_are_averaged_where_the_rows_are_many_times_as_long():
    few, many = (long_candidates(HORIZON, (4, SEASON), rows) for rows in (190, 800))
    assert few == []  # six seasons of the longest are a quarter of 192 rows
    assert {d.lookback for d in many if not d.season} >= {6 * SEASON, 16 * SEASON + HORIZON}
    assert {(d.season, d.over) for d in many if d.season} == {(SEASON, 8), (SEASON, 16)}
    assert max(design.depth(HORIZON) for design in many) == 16 * SEASON + HORIZON
    assert long_candidates(HORIZON, (), 10_000) == []
    assert long_candidates(HORIZON, (7, 365), 10_000) == []


def test_a_season_that_stays_is_known_better_from_many_of_them():
    random = np.random.default_rng(3)
    season = np.tile(random.normal(size=7), 200)
    values = 20 + season + random.normal(size=len(season))
    train, validation = np.arange(130, 970), np.arange(980, 1180)
    options = {"horizon": 7, "lookback": 28, "seasons": [7]}
    series = Series(values, np.array([0, 1400]), np.arange(1400) < 980)
    missed = []
    for designs in (candidates(7, 28, [7], 980), long_candidates(7, [7], 980)):
        fitted = fit_linear(series, train, validation, designs=designs, **options)
        origins = np.arange(1190, 1393)
        truth = season[origins[:, None] + np.arange(7)] + 20
        error = fitted.predict(series.windows(origins, fitted.depth)) - truth
        missed.append(np.sqrt(np.mean(error**2)))
    # Of noise of standard deviation 1, a mean of five seasons has .45 and one of sixteen .25.
    assert missed[1] < 0.8 * missed[0] < 0.8 * 0.45


def test_no_design_is_tried_twice():
    tried = candidates(5, 20, [7], 500)
    seen = {(tuple(d.lags(5).tolist()), d.season) for d in tried}
    assert len(seen) == len(tried)


@given(st.integers(1, 30), st.integers(2, 20))
def test_the_seasonal_rows_are_those_of_the_baseline(horizon, season):
    history = np.arange(40.0)[None, :, None]
    expected = seasonal_naive(history, horizon, season)[0, :, 0]
    assert (40 + seasonal_lags(horizon, season)).tolist() == expected.tolist()


def test_the_scale_is_that_of_observed_training_rows():
    values = wave()
    values[3:40] = np.nan
    scale = fit_scale(series_of(values), log=False)
    known = values[: int(0.7 * ROWS)]
    assert scale.center[0] == pytest.approx(np.nanmean(known))
    assert scale.scale[0] == pytest.approx(np.nanstd(known))


def test_series_without_training_rows_lend_no_scale_to_constant_ones():
    parts = [wave(seed=1), np.full(ROWS, 3.0), 9 * wave(seed=2)]
    later = np.full(ROWS, np.nan)
    one, two = (
        fit_scale(series_of(np.concatenate(each), np.arange(len(each) + 1) * ROWS), log=False)
        for each in (parts, [*parts, later, later])
    )
    assert one.scale[1] == np.median(one.scale[[0, 2]])
    assert two.scale[:3].tolist() == one.scale[:3].tolist()


@pytest.mark.parametrize(
    ("validation", "message"), [([], "needs validation windows"), ([290, 291], "too few")]
)
def test_too_little_data_is_refused(validation, message):
    with pytest.raises(ValueError, match=message):
        fit_linear(
            series_of(wave()),
            np.arange(10, 15),
            np.array(validation, dtype=int),
            horizon=HORIZON,
            lookback=LOOKBACK,
            seasons=[],
            naives=False,
        )


def test_windows_of_another_length_are_refused():
    with pytest.raises(ValueError, match="must have the shape"):
        fit(wave()).predict(np.zeros((2, 3)))


def digest():
    """Of all weights and of some forecasts, with many validation windows and with few."""
    values = wave(level=3000.0)
    forecaster = fit(values)
    few = fit(values, FEW)
    parts = [*forecaster.arrays().values(), forecast(forecaster, values), *few.arrays().values()]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"OPENBLAS_CORETYPE": "Prescott"},
        {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"},
        {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX X86_V4"},
    ],
)
def test_the_bytes_do_not_depend_on_the_cpu(changes):
    code = "from tests.models.test_linear import digest; print(digest())"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"} | changes
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest()
