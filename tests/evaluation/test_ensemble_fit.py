"""The ensemble on invented probabilities, its calibration against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.log_loss import log_loss
from spline_lstm.core.params_trees import EnsembleParams, WeightsParams
from spline_lstm.evaluation.ensemble_fit import fit_calibration, fit_ensemble, fit_weights
from spline_lstm.evaluation.probability_metrics import auc
from spline_lstm.trees.calibration import Calibration, logit
from spline_lstm.trees.ensemble import Ensemble, weighted_mean


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def make_members(rows=600, seed=0, **noise):
    """Labels, and members that see the truth through noise of a size each."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=rows)
    labels = (rng.random(rows) < sigmoid(truth)).astype(float)
    return labels, {
        name: sigmoid(truth + size * rng.normal(size=rows)) for name, size in noise.items()
    }


EQUAL = {"lightgbm": 1.0, "xgboost": 1.0, "network": 1.0}
PLAIN = EnsembleParams(calibration="none")


def test_weights_of_the_params_are_used():
    labels, members = make_members(**EQUAL)
    fit = fit_ensemble(members, labels, PLAIN)
    p, used = fit.ensemble.combine(members)
    by_hand = 0.35 * members["lightgbm"] + 0.30 * members["xgboost"] + 0.35 * members["network"]
    np.testing.assert_allclose(p, by_hand)
    assert used == ("lightgbm", "xgboost", "network")
    assert fit.ensemble.chosen is None
    assert fit.log_losses["ensemble"] < min(fit.log_losses[name] for name in members)


@pytest.mark.parametrize("case", ["absent", "neutral"])
def test_without_a_network_the_trees_share_the_weight(case):
    labels, members = make_members(**EQUAL)
    if case == "absent":
        del members["network"]
    else:
        members["network"] = 0.5 + 0.009 * np.sin(np.arange(600))
    fit = fit_ensemble(members, labels, PLAIN)
    p, used = fit.ensemble.combine(members)
    np.testing.assert_allclose(p, 0.55 * members["lightgbm"] + 0.45 * members["xgboost"])
    assert used == ("lightgbm", "xgboost")
    assert {"absent": "there is no network", "neutral": "the network is neutral"}[case] == (
        fit.ensemble.reason
    )


def test_a_network_that_moves_once_is_not_neutral():
    labels, members = make_members(**EQUAL)
    members["network"] = np.full(600, 0.5)
    members["network"][7] = 0.52
    assert "network" in fit_ensemble(members, labels, PLAIN).ensemble.weights


def test_members_that_are_missing_later_leave_their_weight_to_the_others():
    labels, members = make_members(**EQUAL)
    ensemble = fit_ensemble(members, labels, PLAIN).ensemble
    one = {"lightgbm": members["lightgbm"]}
    np.testing.assert_allclose(ensemble.combine(one)[0], members["lightgbm"])
    pair = {name: members[name] for name in ("xgboost", "network")}
    expected = (0.30 * members["xgboost"] + 0.35 * members["network"]) / 0.65
    np.testing.assert_allclose(ensemble.combine(pair)[0], expected)
    trees = {name: members[name] for name in ("lightgbm", "xgboost")}
    assert ensemble.used(trees) == pytest.approx({"lightgbm": 0.55, "xgboost": 0.45})
    with pytest.raises(ArtifactError, match="no member"):
        ensemble.combine({})


def test_an_ensemble_worse_than_a_member_falls_back_to_it_and_says_so():
    labels, members = make_members(lightgbm=0.1, xgboost=5.0, network=5.0)
    fit = fit_ensemble(members, labels, EnsembleParams())
    assert fit.ensemble.chosen == "lightgbm"
    assert "worse on validation than lightgbm only" in fit.ensemble.reason
    p, used = fit.ensemble.combine(members)
    assert used == ("lightgbm",)
    assert log_loss(labels, p) == pytest.approx(fit.log_losses["lightgbm"])
    left = {name: members[name] for name in ("xgboost", "network")}
    assert fit.ensemble.combine(left)[1] == ("xgboost", "network")


def test_without_the_chosen_member_its_curve_is_not_put_on_the_others():
    curve = Calibration("platt", slope=3.0, intercept=1.0)
    ensemble = Ensemble({"lightgbm": 0.5, "network": 0.5}, {"lightgbm": 1.0}, "network", curve, "")
    p = np.array([0.2, 0.7])
    with_it, _ = ensemble.combine({"lightgbm": p, "network": p})
    np.testing.assert_array_equal(with_it, curve.apply(p))
    without, members = ensemble.combine({"lightgbm": p})
    assert members == ("lightgbm",)
    np.testing.assert_array_equal(without, p)


def test_the_curve_of_all_members_is_not_put_on_some_of_them():
    labels, members = make_members(**EQUAL)
    ensemble = fit_ensemble(members, labels, EnsembleParams()).ensemble
    assert ensemble.chosen is None
    assert ensemble.calibration.method == "platt"
    mean = weighted_mean(members, ensemble.weights)
    np.testing.assert_allclose(ensemble.combine(members)[0], ensemble.calibration.apply(mean))
    trees = {name: members[name] for name in ("lightgbm", "xgboost")}
    expected = weighted_mean(trees, {"lightgbm": 0.55, "xgboost": 0.45})
    np.testing.assert_allclose(ensemble.combine(trees)[0], expected)
    alone = fit_ensemble(trees, labels, EnsembleParams()).ensemble
    for each in (trees, members):
        np.testing.assert_allclose(alone.combine(each)[0], alone.calibration.apply(expected))


def test_weights_from_validation_prefer_the_better_member():
    labels, members = make_members(lightgbm=0.5, xgboost=0.5, network=4.0)
    weights = fit_weights(members, labels)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["network"] < 0.2
    params = EnsembleParams(calibration="none", fit="validation")
    fit = fit_ensemble(members, labels, params)
    assert fit.ensemble.weights == weights
    fixed = fit_ensemble(members, labels, PLAIN)
    assert fit.log_losses["ensemble"] <= fixed.log_losses["ensemble"]


def test_the_only_member_has_all_the_weight():
    labels, members = make_members(network=1.0)
    fit = fit_ensemble(members, labels, PLAIN)
    np.testing.assert_array_equal(fit.ensemble.combine(members)[0], members["network"])


def test_members_of_weight_0_only_share_it_equally():
    labels, members = make_members(**EQUAL)
    params = EnsembleParams(weights=WeightsParams(lightgbm=1.0, xgboost=0.0, network=0.0))
    del members["lightgbm"]
    fit = fit_ensemble(members, labels, params)
    assert fit.ensemble.weights == {"xgboost": 0.5, "network": 0.5}


def test_platt_is_the_logistic_regression_of_scikit_learn():
    labels, members = make_members(network=1.0)
    p = members["network"]
    found = fit_calibration(p, labels, "platt").apply(p)
    x = logit(p)[:, None]
    oracle = LogisticRegression(C=1.0, tol=1e-10).fit((x - x.mean()) / x.std(), labels)
    expected = oracle.predict_proba((x - x.mean()) / x.std())[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(st.integers(0, 10_000))
def test_isotonic_is_that_of_scikit_learn_between_its_bounds(seed):
    labels, members = make_members(rows=60, seed=seed, network=2.0)
    p = np.round(members["network"], 1)
    calibration = fit_calibration(p, labels, "isotonic")
    grid = np.linspace(0, 1, 50)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(p, labels)
    if calibration.method == "none":
        assert len(set(labels)) == 1
        return
    bounds = 0.5 / 61, 1 - 0.5 / 61
    # Knots of the oracle are floats of 32 bits in places; the bounds apply to knots first.
    clipped = np.interp(grid, oracle.X_thresholds_, np.clip(oracle.y_thresholds_, *bounds))
    np.testing.assert_allclose(calibration.apply(grid), clipped, atol=1e-9)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_calibration_finds_probabilities_that_were_distorted(method):
    labels, members = make_members(rows=4000, network=0.0)
    distorted = sigmoid(3 * logit(members["network"]) + 1)
    fitted = fit_calibration(distorted, labels, method)
    found = fitted.apply(distorted)
    assert log_loss(labels, found) < log_loss(labels, distorted) - 0.05
    assert np.abs(found - members["network"]).mean() < 0.04
    assert auc(labels, found) == pytest.approx(auc(labels, distorted), abs=0.01)


def test_a_curve_that_would_fall_is_no_calibration():
    labels, members = make_members(network=0.5)
    assert fit_calibration(1 - members["network"], labels, "platt").method == "none"
    assert fit_calibration(members["network"], np.ones(600), "isotonic").method == "none"


@pytest.mark.parametrize("method", ["platt", "isotonic", "none"])
def test_an_ensemble_survives_its_file(method):
    labels, members = make_members(**EQUAL)
    ensemble = fit_ensemble(members, labels, EnsembleParams(calibration=method)).ensemble
    again = Ensemble.from_json(ensemble.to_json(), "ensemble.json")
    assert again == ensemble
    np.testing.assert_array_equal(again.combine(members)[0], ensemble.combine(members)[0])
    with pytest.raises(ArtifactError, match="ensemble.json is damaged"):
        Ensemble.from_json({"weights": {}}, "ensemble.json")
    with pytest.raises(ArtifactError, match="ensemble.json is damaged"):
        Ensemble.from_json({**ensemble.to_json(), "calibration": {"a": 1}}, "ensemble.json")
