import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge

from spline_lstm.evaluation.baselines import naive
from spline_lstm.evaluation.metrics import mse
from spline_lstm.evaluation.ridge import Sample, fit_ridge

LOOKBACK, HORIZON = 5, 3


def windows_of(series):
    """All windows of the columns of `series` [rows, targets], everything observed."""
    starts = range(len(series) - LOOKBACK - HORIZON + 1)
    history = np.stack([series[start : start + LOOKBACK] for start in starts])
    target = np.stack([series[start + LOOKBACK : start + LOOKBACK + HORIZON] for start in starts])
    return Sample(history, target, np.ones(target.shape, dtype=bool))


def noisy_series(rows=400, targets=2, seed=0):
    """Autoregressive series around 50 with steps of different size for each target."""
    noise = np.random.default_rng(seed).normal(size=(rows, targets))
    series = np.zeros((rows, targets))
    for row in range(2, rows):
        series[row] = 1.5 * series[row - 1] - 0.6 * series[row - 2] + noise[row]
    return 50 + series * np.array([1.0, 30.0])[:targets]


def with_mask(sample, mask):
    return Sample(sample.history, np.where(mask, sample.target, np.nan), mask)


TRAIN, VALIDATION = windows_of(noisy_series(seed=1)), windows_of(noisy_series(seed=2))


def test_a_linear_law_is_found_exactly():
    waves = np.sin(np.arange(200.0) * 0.3)[:, None] * np.array([1.0, 1e4])
    sample = windows_of(waves)
    forecast = fit_ridge(sample, sample, [1e-12]).predict(sample.history)
    assert np.allclose(forecast / [1.0, 1e4], sample.target / [1.0, 1e4], atol=1e-5)


@pytest.mark.parametrize("level", [False, True])
@pytest.mark.parametrize("step", range(HORIZON))
def test_weights_agree_with_scikit_learn_on_the_observed_labels(step, level):
    mask = np.random.default_rng(3).random(TRAIN.target.shape) > 0.3
    strength = 0.01
    fitted = fit_ridge(with_mask(TRAIN, mask), VALIDATION, [strength], level=level)
    last = TRAIN.history[:, -1, 1]
    differences = TRAIN.history[:, :-1, 1] - last[:, None]
    size = np.sqrt(np.mean(differences**2))
    ones = np.ones((len(last), 1))
    extra = [((last - last.mean()) / last.std())[:, None]] if level else []
    inputs = np.hstack([differences / size, *extra, ones])
    labels = (TRAIN.target[:, step, 1] - last) / size
    seen = mask[:, step, 1]
    oracle = ScikitRidge(alpha=strength * seen.sum(), fit_intercept=False).fit(
        inputs[seen], labels[seen]
    )
    expected = last + size * oracle.predict(inputs)
    assert np.allclose(
        fitted.predict(TRAIN.history)[:, step, 1], expected, rtol=0, atol=1e-5 * size
    )


def test_labels_that_were_not_observed_have_no_influence():
    mask = np.random.default_rng(4).random(TRAIN.target.shape) > 0.3
    other = Sample(TRAIN.history, np.where(mask, TRAIN.target, -1e6), mask)
    one, two = (fit_ridge(sample, sample, [0.01]) for sample in (with_mask(TRAIN, mask), other))
    assert np.array_equal(one.kernel, two.kernel)
    assert np.array_equal(one.intercept, two.intercept)


def test_the_strongest_penalty_leads_to_the_naive_forecast():
    forecast = fit_ridge(TRAIN, VALIDATION, [1e12], level=True).predict(TRAIN.history)
    assert np.allclose(forecast, naive(TRAIN.history, HORIZON), rtol=1e-6)


def test_a_step_never_observed_in_training_gets_the_naive_forecast():
    mask = np.ones(TRAIN.target.shape, dtype=bool)
    mask[:, 1] = False
    forecast = fit_ridge(with_mask(TRAIN, mask), VALIDATION).predict(TRAIN.history)
    expected = naive(TRAIN.history, HORIZON)
    assert np.allclose(forecast[:, 1], expected[:, 1], rtol=1e-12)
    assert not np.allclose(forecast[:, 2], expected[:, 2])


def test_the_strength_with_the_smallest_validation_error_is_chosen_for_each_target():
    strengths = [10.0, 1e-1, 1e-3, 1e-5]
    chosen = fit_ridge(TRAIN, VALIDATION, strengths)
    for k in range(2):
        error = {}
        for strength in strengths:
            forecast = fit_ridge(TRAIN, VALIDATION, [strength]).predict(VALIDATION.history)
            error[strength] = mse(VALIDATION.target[..., k], forecast[..., k])
        assert chosen.strength[k] == min(error, key=error.get)


def test_validation_decides_nothing_but_the_strength():
    white_noise = windows_of(np.random.default_rng(5).normal(size=(200, 2)))
    forecasts = [
        fit_ridge(TRAIN, other, [0.01]).predict(TRAIN.history)
        for other in (VALIDATION, white_noise)
    ]
    assert np.array_equal(*forecasts)


def test_equal_validation_errors_go_to_the_strongest_penalty():
    nothing = with_mask(VALIDATION, np.zeros(VALIDATION.target.shape, dtype=bool))
    assert fit_ridge(TRAIN, nothing, [1e-3, 0.5, 1e-2]).strength.tolist() == [0.5, 0.5]


def test_a_level_input_helps_where_the_series_returns_to_its_mean():
    def last_row_of(sample):
        return Sample(sample.history[:, -1:], sample.target, sample.mask)

    white_noise = [
        last_row_of(windows_of(np.random.default_rng(seed).normal(size=(5000, 1))))
        for seed in (6, 7)
    ]
    with_level, without = (
        mse(
            white_noise[1].target,
            fit_ridge(*white_noise, level=level).predict(white_noise[1].history),
        )
        for level in (True, False)
    )
    # The variance is 1: the mean errs by 1, a step from the last value by 2.
    assert with_level == pytest.approx(1, abs=0.1)
    assert without == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("level", [False, True])
def test_the_fit_does_not_depend_on_units(level):
    def rescaled(sample):
        return Sample(1e5 * sample.history - 3e6, 1e5 * sample.target - 3e6, sample.mask)

    forecast = fit_ridge(TRAIN, VALIDATION, level=level).predict(VALIDATION.history)
    other = fit_ridge(rescaled(TRAIN), rescaled(VALIDATION), level=level).predict(
        rescaled(VALIDATION).history
    )
    assert np.allclose((other + 3e6) / 1e5, forecast, rtol=1e-6)


def test_rounding_errors_of_the_solver_change_no_bit(monkeypatch):
    """As another CPU family would, whose sums are taken in another order."""
    expected = fit_ridge(TRAIN, VALIDATION)
    solve, rng = np.linalg.solve, np.random.default_rng(8)
    monkeypatch.setattr(
        np.linalg, "solve", lambda a, b: solve(a, b) * (1 + 1e-13 * rng.normal(size=b.shape))
    )
    other = fit_ridge(TRAIN, VALIDATION)
    assert other.predict(TRAIN.history).tobytes() == expected.predict(TRAIN.history).tobytes()


def test_the_fit_is_the_same_twice():
    one, two = (fit_ridge(TRAIN, VALIDATION) for _ in range(2))
    assert one.kernel.tobytes() == two.kernel.tobytes()


@pytest.mark.parametrize("level", [False, True])
def test_a_constant_history_is_forecast_as_constant(level):
    sample = windows_of(np.full((30, 1), 7.0))
    assert np.allclose(fit_ridge(sample, sample, level=level).predict(sample.history), 7.0)


def test_a_lookback_of_one_row_leaves_the_mean_step():
    rising = windows_of(np.arange(50.0)[:, None])
    sample = Sample(rising.history[:, -1:], rising.target, rising.mask)
    forecast = fit_ridge(sample, sample, [1e-12]).predict(sample.history)
    assert np.allclose(forecast, sample.target, atol=1e-6)


def test_float32_windows_are_computed_in_float64():
    narrow = Sample(TRAIN.history.astype(np.float32), TRAIN.target.astype(np.float32), TRAIN.mask)
    assert fit_ridge(narrow, narrow).predict(narrow.history).dtype == np.float64


def test_another_lookback_is_an_error_that_names_both_shapes():
    with pytest.raises(ValueError, match=r"\[windows, 5, 2\], but has \[4, 3, 2\]"):
        fit_ridge(TRAIN, VALIDATION).predict(np.zeros((4, 3, 2)))


@pytest.mark.parametrize("strengths", [[], [0.0], [0.1, -1.0]])
def test_strengths_must_be_above_zero(strengths):
    with pytest.raises(ValueError, match="strengths must be one or more numbers above 0"):
        fit_ridge(TRAIN, VALIDATION, strengths)
