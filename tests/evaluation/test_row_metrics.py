import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from spline_lstm.evaluation.row_metrics import calibration_table, deciding_loss, row_metrics


def classes_of(count: int, rows: int, seed: int):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(count), rows)
    truth = np.concatenate([np.arange(count), rng.integers(0, count, rows - count)])
    return truth.astype(float), p


@given(st.integers(2, 4), st.integers(8, 60), st.integers(0, 99))
def test_metrics_of_classes_are_those_of_scikit_learn(count, rows, seed):
    truth, p = classes_of(count, rows, seed)
    found, chosen, labels = row_metrics(truth, p, "classification"), p.argmax(axis=1), range(count)
    average = "binary" if count == 2 else "macro"
    score = p[:, 1] if count == 2 else p
    expected = {
        "log_loss": metrics.log_loss(truth, p, labels=labels),
        "accuracy": metrics.accuracy_score(truth, chosen),
        "auc": metrics.roc_auc_score(truth, score, multi_class="ovr"),
        "f1": metrics.f1_score(truth, chosen, average=average, zero_division=0),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name
    assert found["log_loss"] == deciding_loss(truth, p, "classification")


@given(st.integers(3, 50), st.integers(0, 99))
def test_metrics_of_numbers_are_those_of_scikit_learn(rows, seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.normal(size=rows), rng.normal(size=(rows, 1))
    found = row_metrics(truth, predicted, "regression")
    assert found["rmse"] ** 2 == pytest.approx(metrics.mean_squared_error(truth, predicted))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, predicted))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, predicted))


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_calibration_table_has_all_rows_and_their_means(kind):
    truth, p = classes_of(2, 300, 0)
    table = calibration_table(truth, p if kind == "classification" else p[:, [1]], kind)
    assert sum(row.n for row in table) == 300
    weighted = sum(row.n * row.observed for row in table) / 300
    assert weighted == pytest.approx(truth.mean())
    assert [row.predicted for row in table] == sorted(row.predicted for row in table)
