import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm, rankdata
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from spline_lstm.rows.transforms import NumberTransform, fit_quantiles, fit_standard

VALUES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-20, 20).map(float))


@given(VALUES)
def test_with_a_knot_for_each_value_scores_are_those_of_the_mean_rank(values):
    expected = norm.ppf((rankdata(values) - 0.5) / len(values))
    np.testing.assert_allclose(
        fit_quantiles(values, len(values)).apply(values), expected, atol=1e-6
    )


def test_a_coarse_grid_is_close_to_the_quantile_transformer_of_scikit_learn():
    values = np.random.default_rng(0).gamma(2.0, size=4000)
    oracle = QuantileTransformer(n_quantiles=1000, output_distribution="normal")
    inner = np.sort(values)[40:-40]
    expected = oracle.fit(values[:, None]).transform(inner[:, None])[:, 0]
    assert np.abs(fit_quantiles(values, 256).apply(inner) - expected).max() < 0.04


@given(VALUES, st.integers(2, 9))
def test_scores_increase_with_the_value_are_finite_and_level_off(values, count):
    transform = fit_quantiles(values, count)
    line = np.linspace(-40.0, 40.0, 200)
    scores = transform.apply(line)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()
    assert scores[0] == transform.scores[0]
    assert scores[-1] == transform.scores[-1]


@given(VALUES)
def test_standardising_is_that_of_scikit_learn(values):
    expected = StandardScaler().fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(fit_standard(values).apply(values), expected, atol=1e-9)


@pytest.mark.parametrize("fit", [fit_standard, lambda values: fit_quantiles(values, 8)])
def test_missing_values_do_not_count_and_stay_missing(fit):
    values = np.array([1.0, np.nan, 3.0, 8.0])
    transform = fit(values)
    assert transform == fit(values[~np.isnan(values)])
    np.testing.assert_array_equal(np.isnan(transform.apply(values)), np.isnan(values))
    assert NumberTransform.from_json(transform.to_json()) == transform


@pytest.mark.parametrize("fit", [fit_standard, lambda values: fit_quantiles(values, 9)])
def test_a_column_without_a_value_in_training_says_nothing_later(fit):
    found = fit(np.full(5, np.nan)).apply(np.array([1.0, 1e6, np.nan]))
    np.testing.assert_array_equal(found, [0.0, 0.0, np.nan])
