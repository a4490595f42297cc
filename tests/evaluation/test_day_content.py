"""What is said of probabilities of daily rows, against scikit-learn and rows written out."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, precision_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params_trees import ProbabilityParams
from spline_lstm.evaluation.day_baselines import fit_day_baselines
from spline_lstm.evaluation.day_content import (
    DayForecasts,
    adds_something,
    day_content,
    day_verdict,
    day_warnings,
    interval_text,
)
from spline_lstm.evaluation.scores import from_records, to_records

DAY = 86_400_000_000_000
START = 14_900 * DAY  # October 2010
PARAMS = ProbabilityParams(repetitions=200, block=5)


def make_forecasts(skill=1.0, days=200, symbols=4, seed=0):
    """Labels by a hidden state, an ensemble that sees it by `skill`, a volatility that does not."""
    rng = np.random.default_rng(seed)
    state = rng.normal(size=days * symbols)
    noise = rng.normal(size=(3, days * symbols))
    returns = 0.02 * (state + noise[0])
    p = 1 / (1 + np.exp(-(skill * state + 0.3 * noise[1])))
    return DayForecasts(
        labels=(returns > 0.02).astype(float),
        returns=returns,
        days=np.repeat(START + np.arange(days) * DAY, symbols),
        forecasts={
            "ensemble": p,
            "lightgbm": np.clip(p + 0.1 * noise[2], 0.01, 0.99),
            "base_rate": np.full(len(p), 0.3),
            "volatility": 1 / (1 + np.exp(-noise[2])),
        },
        members=("lightgbm",),
        baselines=("base_rate", "volatility"),
    )


AUCS = {"train": 0.7, "validation": 0.6}


def test_scores_are_those_of_scikit_learn():
    test = make_forecasts()
    content = day_content(test, AUCS, PARAMS)
    labels, p = test.labels, test.forecasts["ensemble"]
    assert content["auc"] == pytest.approx(roc_auc_score(labels, p))
    assert content["auc_low"] < content["auc"] < content["auc_high"]
    assert content["log_loss"] == pytest.approx(sklearn_log_loss(labels, p))
    assert content["brier"] == pytest.approx(brier_score_loss(labels, p))
    assert content["accuracy"] == pytest.approx(accuracy_score(labels, p >= 0.5))
    assert content["precision"] == pytest.approx(precision_score(labels, p >= 0.5))
    volatility = content["baselines"]["volatility"]["auc"]
    assert volatility == pytest.approx(roc_auc_score(labels, test.forecasts["volatility"]))
    assert content["increment"]["auc"] == pytest.approx(content["auc"] - volatility)
    assert content["baselines"]["base_rate"]["auc"] == 0.5
    assert (content["n_windows"], content["n_days"]) == (800, 200)


def test_years_are_calendar_years_and_their_rows_are_all():
    test = make_forecasts()
    years = day_content(test, AUCS, PARAMS)["years"]
    assert list(years) == ["2010", "2011"]
    assert sum(year["n_windows"] for year in years.values()) == 800
    first = test.days < np.datetime64("2011-01-01", "ns").astype(np.int64)
    assert years["2010"]["auc"] == pytest.approx(
        roc_auc_score(test.labels[first], test.forecasts["ensemble"][first])
    )
    assert years["2010"]["auc_volatility"] == pytest.approx(
        roc_auc_score(test.labels[first], test.forecasts["volatility"][first])
    )


@pytest.mark.parametrize(
    ("skill", "words", "adds"),
    [
        (1.0, "adds something beyond volatility", True),
        (0.0, "adds nothing certain beyond volatility", False),
        (-1.0, "is WORSE than volatility only", False),
    ],
)
def test_the_verdict_says_what_the_interval_of_the_increment_says(skill, words, adds):
    content = day_content(make_forecasts(skill), AUCS, PARAMS)
    assert words in day_verdict(content)
    assert adds_something(content) is adds
    # The texts are the same from the file that was written.
    again = from_records(to_records(content))
    assert day_verdict(again) == day_verdict(content)


def test_what_speaks_against_the_scores_is_named():
    high = day_content(make_forecasts(1.0), {"train": 0.9, "validation": 0.6}, PARAMS)
    leak, gap = day_warnings(high)
    assert "it is a leak until" in leak
    assert gap == "The ensemble overfits: AUC 0.900 in training, 0.600 in validation."
    nothing = day_content(make_forecasts(0.0), AUCS, PARAMS)
    assert day_warnings(nothing) == [
        "The interval of the increment over volatility contains 0 or is below it."
    ]


def test_an_interval_that_is_not_known_is_a_dash():
    assert interval_text(0.5, None, float("nan")) == "0.500 [-, -]"


def test_a_year_with_one_label_has_no_auc():
    test = make_forecasts()
    last = test.years == 2011
    rows = DayForecasts(
        np.where(last, 0.0, test.labels),
        test.returns,
        test.days,
        test.forecasts,
        test.members,
        test.baselines,
    )
    years = day_content(rows, AUCS, PARAMS)["years"]
    assert np.isnan([years["2011"]["auc"], years["2011"]["auc_low"]]).all()


def test_baselines_are_logistic_regressions_of_their_features():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    labels = (X[:, 1] + rng.normal(size=500) > 0.5).astype(float)
    names = ("return_20", "volatility_20", "gap_1")
    baselines = fit_day_baselines(X, labels, names)
    assert list(baselines) == ["base_rate", "volatility", "momentum", "logistic"]
    np.testing.assert_array_equal(baselines["base_rate"](X[:2]), labels.mean())
    for name, columns in {"volatility": [1], "momentum": [0], "logistic": [0, 1, 2]}.items():
        scaled = (X - X.mean(axis=0)) / X.std(axis=0)
        oracle = LogisticRegression(C=1.0, tol=1e-10).fit(scaled[:, columns], labels)
        expected = oracle.predict_proba(scaled[:, columns])[:, 1]
        np.testing.assert_allclose(baselines[name](X), expected, atol=1e-5)


def test_a_feature_that_a_baseline_needs_is_named():
    with pytest.raises(ParamsError, match="need the feature volatility_20"):
        fit_day_baselines(np.zeros((2, 1)), np.array([0.0, 1.0]), ("return_20",))
