import numpy as np
import pytest
import sklearn.calibration
import sklearn.linear_model
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.core.log_loss import class_log_loss, log_loss
from spline_lstm.evaluation.probability_baselines import base_rate, fit_logistic
from spline_lstm.evaluation.probability_metrics import (
    auc,
    brier,
    calibration_error,
    reliability,
)

# Few distinct values, so that there are ties.
PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 8).map(lambda value: value / 8)),
    min_size=2,
    max_size=60,
)


@given(PAIRS)
def test_metrics_agree_with_scikit_learn_with_ties_too(pairs):
    labels, p = np.array(pairs).T
    assert brier(labels, p) == pytest.approx(sklearn.metrics.brier_score_loss(labels, p))
    expected = sklearn.metrics.log_loss(labels, np.clip(p, 1e-7, 1 - 1e-7), labels=[0, 1])
    assert log_loss(labels, p) == pytest.approx(expected)
    both = np.column_stack([1 - p, p])
    assert class_log_loss(labels.astype(int), both) == pytest.approx(expected)
    if len(set(labels.tolist())) == 2:
        assert auc(labels, p) == pytest.approx(sklearn.metrics.roc_auc_score(labels, p))
    else:
        assert np.isnan(auc(labels, p))


def test_metrics_of_nothing_are_not_a_number():
    nothing = np.zeros(0)
    assert np.isnan([metric(nothing, nothing) for metric in (auc, brier, log_loss)]).all()
    assert reliability(nothing, nothing) == []
    assert np.isnan(calibration_error([]))


def test_a_wrong_certainty_costs_much_but_not_everything():
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(-np.log(1e-7))


def test_the_reliability_table_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    p = random.random(4000) ** 2
    labels = (random.random(4000) < p**1.5).astype(float)
    table = reliability(labels, p)
    share, mean = sklearn.calibration.calibration_curve(labels, p, n_bins=10)
    np.testing.assert_allclose([row.positive_share for row in table], share)
    np.testing.assert_allclose([row.mean_probability for row in table], mean)
    assert sum(row.n for row in table) == 4000
    counts = np.array([row.n for row in table])
    assert calibration_error(table) == pytest.approx((counts * np.abs(share - mean)).sum() / 4000)


def test_a_probability_of_1_lies_in_the_last_bin():
    (row,) = reliability(np.array([1.0]), np.array([1.0]))
    assert (row.low, row.high, row.n) == (0.9, 1.0, 1)


def test_the_logistic_regression_agrees_with_scikit_learn():
    random = np.random.default_rng(1)
    inputs = random.normal(size=(3000, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 50.0, 0.0, 1.0]
    logits = inputs @ [1.0, 0.05, -5.0, 0.0] - 3.0
    labels = (random.random(3000) < 1 / (1 + np.exp(-logits))).astype(float)
    labels[::7] = np.nan
    seen = ~np.isnan(labels)
    scaled = (inputs - inputs[seen].mean(axis=0)) / inputs[seen].std(axis=0)
    peer = sklearn.linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    expected = peer.fit(scaled[seen], labels[seen]).predict_proba(scaled)[:, 1]
    found = fit_logistic(inputs, labels).predict(inputs)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_a_label_that_never_changes_has_a_base_rate_and_a_regression():
    inputs = np.random.default_rng(2).normal(size=(50, 2))
    fitted = fit_logistic(inputs, np.ones(50))
    assert (fitted.predict(inputs) > 0.95).all()
    assert base_rate(np.ones((5, 2, 1))).tolist() == [1.0]
    assert fit_logistic(inputs, np.full(50, np.nan)).predict(inputs).tolist() == [0.5] * 50
