import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from spline_lstm.evaluation import row_baselines
from spline_lstm.rows.arrays import Rows
from tests.rows.tables import KINDS, frame, preprocessed

REGRESSION = {"x": "number", "z": "number", "color": "category", "value": "number"}


def prepared(content=None, kinds=KINDS, **params):
    result = preprocessed(frame() if content is None else content, kinds, **params)
    return Rows(result.arrays, result.arrays.split_rows()), result.preprocessor


def predictions(rows, preprocessor, name):
    return row_baselines.row_baselines(rows, preprocessor)[name](rows.split("test").inputs)


def test_the_majority_gives_the_shares_of_training():
    rows, fitted = prepared()
    found = predictions(rows, fitted, "majority")
    np.testing.assert_allclose(found[:, 1], rows.split("train").truth.mean())
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_mean_is_that_of_training():
    rows, fitted = prepared(kinds=REGRESSION, target="value", kind="regression")
    np.testing.assert_allclose(
        predictions(rows, fitted, "mean"), rows.split("train").truth.mean(), rtol=1e-12
    )


def test_the_logistic_regression_is_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(row_baselines, "PENALTIES", (1.0,))
    rows, fitted = prepared()
    train, test = rows.split("train"), rows.split("test")
    sizes = fitted.category_sizes
    oracle = LogisticRegression(C=1.0, tol=1e-10, max_iter=2000)
    oracle.fit(row_baselines.design(train.inputs, sizes)[:, 1:], train.truth)
    expected = oracle.predict_proba(row_baselines.design(test.inputs, sizes)[:, 1:])
    np.testing.assert_allclose(predictions(rows, fitted, "linear"), expected, atol=1e-4)


def test_the_ridge_regression_is_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(row_baselines, "PENALTIES", (10.0,))
    rows, fitted = prepared(kinds=REGRESSION, target="value", kind="regression")
    train, test = rows.split("train"), rows.split("test")
    sizes = fitted.category_sizes
    oracle = Ridge(alpha=10.0).fit(row_baselines.design(train.inputs, sizes)[:, 1:], train.truth)
    expected = oracle.predict(row_baselines.design(test.inputs, sizes)[:, 1:])
    # The ridge of z-scores of the target is that of the target.
    np.testing.assert_allclose(predictions(rows, fitted, "linear")[:, 0], expected, atol=1e-3)


def test_of_three_classes_probabilities_add_up_and_most_are_right():
    content = frame()
    content["y"] = np.select([content["x"] > 0.5, content["x"] < -0.5], ["high", "low"], "middle")
    rows, fitted = prepared(content)
    found = predictions(rows, fitted, "linear")
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.mean(found.argmax(axis=1) == rows.split("test").truth) > 0.6


@pytest.mark.parametrize("name", ["linear"])
def test_a_missing_number_has_a_column_of_its_own(name):
    content = frame()
    content.loc[::5, "x"] = np.nan
    rows, fitted = prepared(content)
    x = row_baselines.design(rows.arrays.inputs, fitted.category_sizes)
    assert x.shape[1] == 1 + 2 * len(fitted.numbers) + sum(fitted.category_sizes) - 1
    assert np.isfinite(predictions(rows, fitted, name)).all()
