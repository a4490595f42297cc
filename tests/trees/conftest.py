"""Invented rows in which two of five features decide, and trees that are trained on them once."""

import numpy as np
import pytest

from spline_lstm.core.params_trees import TreesParams
from spline_lstm.trees.trees import Objective, TreeRows, fit_trees

MEMBERS = ("lightgbm", "xgboost")
OBJECTIVES = {
    "binary": Objective("binary"),
    "multiclass": Objective("multiclass", 3),
    "regression": Objective("regression"),
}
SMALL = TreesParams(rounds=30, learning_rate=0.2, min_rows=5, leaves=7, depth=3, stop_rounds=8)


def make_rows(kind: str, seed: int, count: int = 400) -> TreeRows:
    """Rows whose label follows the first two features, with holes in the third."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 5))
    value = X[:, 0] - 0.5 * X[:, 1] + 0.3 * rng.normal(size=count)
    X[rng.random(count) < 0.1, 2] = np.nan
    labels = {
        "binary": (value > 0.0).astype(float),
        "multiclass": np.digitize(value, [-0.5, 0.5]).astype(float),
        "regression": value,
    }
    return TreeRows(X, labels[kind])


@pytest.fixture(scope="session")
def trained():
    """(member, kind) -> trees."""
    return {
        (member, kind): fit_trees(
            member, make_rows(kind, 0), make_rows(kind, 1, 150), objective, SMALL
        )
        for member in MEMBERS
        for kind, objective in OBJECTIVES.items()
    }
