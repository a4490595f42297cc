"""Baselines of probabilities of daily rows, all fitted on the training split.

``base_rate`` is the share of labels 1; ``volatility`` and ``momentum`` are logistic regressions on
one feature, the volatility and the return of the last 20 days; ``logistic`` one on all features.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from spline_lstm.core.errors import ParamsError
from spline_lstm.evaluation.day_content import VOLATILITY
from spline_lstm.evaluation.probability_baselines import fit_logistic

# Baseline -> the only feature that it reads.
FEATURES = {VOLATILITY: "volatility_20", "momentum": "return_20"}

Baseline = Callable[[Float[np.ndarray, "rows features"]], Float[np.ndarray, " rows"]]


def fit_day_baselines(
    X: Float[np.ndarray, "rows features"], labels: Float[np.ndarray, " rows"], names: Sequence[str]
) -> Mapping[str, Baseline]:
    """Baselines by name, functions of features.

    Parameters
    ----------
    X : np.ndarray
        [rows, features] of training, without missing values.
    labels : np.ndarray
        [rows] 0 or 1.
    names : sequence of str
        [features]

    Raises
    ------
    ParamsError
        A feature that a baseline reads is not there.
    """
    rate = float(labels.mean())
    columns = {name: [_index(names, feature)] for name, feature in FEATURES.items()}
    columns["logistic"] = list(range(len(names)))

    def base_rate(X: Float[np.ndarray, "rows features"]) -> Float[np.ndarray, " rows"]:
        return np.full(len(X), rate)

    return {"base_rate": base_rate} | {
        name: _logistic(X, labels, chosen) for name, chosen in columns.items()
    }


def _logistic(X: np.ndarray, labels: np.ndarray, columns: list[int]) -> Baseline:
    model = fit_logistic(X[:, columns].astype(np.float64), labels)
    return lambda rows: model.predict(rows[:, columns].astype(np.float64))


def _index(names: Sequence[str], feature: str) -> int:
    if feature not in names:
        raise ParamsError(
            f"the baselines of the task need the feature {feature}, which is not among "
            f"{', '.join(names)}"
        )
    return list(names).index(feature)
