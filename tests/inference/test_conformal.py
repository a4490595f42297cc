import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.inference.conformal import ConformalRows, coverage_rows, fit_conformal

LEVELS = (80.0, 95.0)


def numbers(rows: int, seed: int):
    rng = np.random.default_rng(seed)
    predicted = rng.normal(size=(rows, 1))
    return predicted, predicted[:, 0] + rng.normal(size=rows)


def classes(rows: int, seed: int):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([2.0, 1.0, 0.5], rows)
    return p, np.array([rng.choice(3, p=row) for row in p], dtype=float)


@pytest.mark.parametrize(("kind", "sample"), [("regression", numbers), ("classification", classes)])
def test_new_rows_are_covered_at_the_level(kind, sample):
    fitted = fit_conformal(*sample(2000, 0), kind, LEVELS)
    for row in coverage_rows(fitted, *sample(20000, 1)):
        assert row["coverage"] == pytest.approx(float(row["interval"]), abs=2.5)
    assert ConformalRows.from_json(fitted.to_json()) == fitted


@given(st.integers(1, 40), st.floats(50.0, 99.0))
def test_the_limit_is_the_order_statistic(rows, level):
    predicted, truth = numbers(rows, 0)
    rank = int(np.ceil((rows + 1) * level / 100))
    scores = np.sort(np.abs(predicted[:, 0] - truth))
    expected = scores[rank - 1] if rank <= rows else np.inf
    assert fit_conformal(predicted, truth, "regression", (level,)).limits == (expected,)


def test_sets_grow_with_the_level_and_are_never_empty():
    p, truth = classes(300, 0)
    low, high = fit_conformal(p, truth, "classification", LEVELS).sets(p)
    assert (low.sum(axis=1) >= 1).all()
    assert (high | ~low).all()
