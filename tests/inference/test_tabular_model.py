import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from spline_lstm.core.errors import ParamsError, UsageError
from spline_lstm.inference.tabular_model import TabularModel, _codes
from spline_lstm.rows.labels import Labels
from tests.rows.tables import frame

SMALL = {"model.rows.width": 16, "model.rows.blocks": 1, "train.max_epochs": 30}
# Trees small enough that each of the many checks takes a few milliseconds.
TREES = {"trees.rounds": 20, "trees.learning_rate": 0.3, "trees.min_rows": 1, "trees.l2": 0.0}
# Of scikit-learn's checks these are not met, and why.
NOT_MET = {
    "check_estimators_nan_inf": "missing values are data here",
    "check_n_features_in_after_fitting": "columns are told by name",
}


def features() -> pd.DataFrame:
    table = frame()
    table["day"] = pd.to_datetime(table["day"])
    table["flag"] = table["x"] > 1
    return table.drop(columns=["y", "value"]).set_index(table.index + 1000)


def checks() -> list:
    """scikit-learn's checks of a classifier and of a regressor."""
    found = []
    with warnings.catch_warnings():
        # The class does not inherit from those of scikit-learn, without which it is imported.
        warnings.simplefilter("ignore", UserWarning)
        for kind in ("classification", "regression"):
            estimator = TabularModel(kind, model="lightgbm", params=TREES)
            for each, check in estimator_checks_generator(estimator, legacy=True):
                name = getattr(check, "func", check).__name__
                if name not in NOT_MET:
                    found.append(pytest.param(each, check, id=f"{kind}-{name}"))
    return found


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_it_is_an_estimator_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.mark.parametrize("model", ["mlp", "lightgbm"])
def test_classes_of_a_frame_keep_their_index(model):
    X, y = features(), frame()["y"].to_numpy()
    fitted = TabularModel(model=model, params=SMALL | TREES).fit(X, y)
    predicted, p = fitted.predict(X), fitted.predict_proba(X)
    pd.testing.assert_index_equal(predicted.index, X.index)
    pd.testing.assert_index_equal(p.index, X.index)
    assert list(p.columns) == ["no", "yes"]
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert fitted.score(X, y) > 0.85
    again = TabularModel(model=model, params=SMALL | TREES).fit(X, y)
    np.testing.assert_array_equal(p, again.predict_proba(X))


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_trees_learn_from_few_rows_by_default(model):
    X, y = features().head(120), frame()["y"].head(120)
    fitted = TabularModel(model=model, params={"trees.rounds": 40}).fit(X, y)
    assert fitted.score(X, y.to_numpy()) > max(y.value_counts(normalize=True)) + 0.1


def test_a_regression_of_a_frame_and_of_its_numbers():
    X, y = features(), frame()["value"]
    fitted = TabularModel("regression", model="xgboost", params=TREES).fit(X, y)
    assert fitted.score(X, y) > 0.9
    numbers = X[["x", "z"]].to_numpy()
    values = TabularModel("regression", model="xgboost", params=TREES).fit(numbers, y)
    assert isinstance(values.predict(numbers), np.ndarray)


def test_scorers_of_probabilities_take_the_frame():
    model = TabularModel(model="lightgbm", params=TREES)
    scores = cross_val_score(model, features(), frame()["y"], cv=2, scoring="roc_auc")
    assert (scores > 0.8).all()


def test_a_column_that_is_missing_is_named():
    fitted = TabularModel(model="lightgbm", params=TREES).fit(features(), frame()["y"])
    with pytest.raises(ValueError, match="X has 4 features.* it lacks color"):
        fitted.predict(features().drop(columns="color"))


def test_missing_cells_and_unseen_categories_are_predicted():
    X, y = features(), frame()["y"]
    X.loc[X.index[::7], "x"] = np.nan
    fitted = TabularModel(model="lightgbm", params=TREES).fit(X, y)
    new = X.iloc[:3].assign(color="violet")
    assert fitted.predict(new).isin(["no", "yes"]).all()


def test_what_does_not_fit_is_refused():
    X, y = features(), frame()["y"]
    with pytest.raises(UsageError, match="is not fitted"):
        TabularModel().predict(X)
    with pytest.raises(AttributeError, match="kind classification"):
        TabularModel("regression").predict_proba(X)
    with pytest.raises(ValueError, match="model 'lstm': must be one of tabm"):
        TabularModel(model="lstm").fit(X, y)
    with pytest.raises(ValueError, match="two columns of the name 'x'"):
        TabularModel(model="lightgbm").fit(pd.concat([X, X[["x"]]], axis=1), y)
    with pytest.raises(ValueError, match="must be numbers"):
        TabularModel("regression", model="lightgbm").fit(X, y)
    with pytest.raises(ParamsError, match="train.epochs"):
        TabularModel(params={"train.epochs": 3}).fit(X, y)
    fitted = TabularModel(model="lightgbm", params=TREES).fit(X, y)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(X[X.columns[::-1]])
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict(X.iloc[:0])


@pytest.mark.parametrize("seed", range(3))
def test_different_numbers_are_split_by_the_share_of_validation(seed):
    model = TabularModel("regression", seed=seed)
    labels = Labels(np.random.default_rng(seed).normal(size=200), ())
    counts = np.bincount(_codes(labels, model._params().tabular), minlength=2)
    assert counts.tolist() == [170, 30]
