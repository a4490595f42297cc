"""Baselines for rows: the majority or mean, and a linear model, both from the training split."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from spline_lstm.evaluation.row_metrics import deciding_loss
from spline_lstm.models.exact import inner, solve_spd
from spline_lstm.rows.arrays import Rows, RowSplit
from spline_lstm.rows.preprocessor import RowInputs, RowPreprocessor

# Penalties on the squared weights of the linear model, of which validation chooses.
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
# Newton steps of a logistic regression, and the change of its weights that ends them.
STEPS, TOLERANCE = 20, 1e-6
# The penalty on the intercept only keeps the equations regular.
INTERCEPT_PENALTY = 1e-6
# Bounds of the log odds, beyond which the weight of a row vanishes.
LARGEST_ODDS = 15.0

Design = Float[np.ndarray, "rows columns"]
Weights = Float[np.ndarray, "columns outputs"]


def row_baselines(
    rows: Rows, preprocessor: RowPreprocessor
) -> dict[str, Callable[[RowInputs], Float[np.ndarray, "rows outputs"]]]:
    """Baseline -> what it predicts for inputs.

    ``majority`` gives the shares of the classes in training (``mean``: its mean), ``linear`` is a
    logistic regression, of several classes each against the rest, or a ridge regression.
    """
    train, validation = rows.split("train"), rows.split("validation")
    typical = _typical(train, preprocessor)
    name = "majority" if preprocessor.classes else "mean"
    linear = _linear(train, validation, preprocessor)
    return {name: lambda inputs: np.tile(typical, (len(inputs.numbers), 1)), "linear": linear}


def _typical(train: RowSplit, preprocessor: RowPreprocessor) -> Float[np.ndarray, " outputs"]:
    if not preprocessor.classes:
        return np.array([train.truth.mean()])
    counts = np.bincount(train.truth.astype(np.int64), minlength=len(preprocessor.classes))
    return counts / len(train)


def design(inputs: RowInputs, sizes: tuple[int, ...]) -> Design:
    """A one, z-scores, marks of missing numbers, and a column per category but the unknown one."""
    hot = [inputs.categories[:, [index]] == np.arange(1, size) for index, size in enumerate(sizes)]
    ones = np.ones((len(inputs.numbers), 1))
    return np.concatenate([ones, inputs.numbers, inputs.missing, *hot], axis=1).astype(np.float64)


def _linear(
    train: RowSplit, validation: RowSplit, preprocessor: RowPreprocessor
) -> Callable[[RowInputs], Float[np.ndarray, "rows outputs"]]:
    sizes, kind = preprocessor.category_sizes, preprocessor.kind
    fit = _ridge if kind == "regression" else _logistic
    x = design(train.inputs, sizes)
    labels = _indicators(train, preprocessor)
    held_out = design(validation.inputs, sizes)
    candidates = [fit(x, labels, penalty) for penalty in PENALTIES]
    losses = [
        deciding_loss(validation.truth, _predict(held_out, weights, preprocessor), kind)
        for weights in candidates
    ]
    best = candidates[int(np.argmin(losses))]
    return lambda inputs: _predict(design(inputs, sizes), best, preprocessor)


def _indicators(train: RowSplit, preprocessor: RowPreprocessor) -> Weights:
    """z-scores of the target, or whether a row is of a class: of two classes the second one."""
    if not preprocessor.classes:
        return train.labels[:, None].astype(np.float64)
    count = len(preprocessor.classes)
    shown = np.arange(count) if count > 2 else np.array([1])
    return (train.truth[:, None] == shown).astype(np.float64)


def _predict(
    x: Design, weights: Weights, preprocessor: RowPreprocessor
) -> Float[np.ndarray, "rows outputs"]:
    values = x @ weights
    if not preprocessor.classes:
        return preprocessor.label.inverse(values)
    p = 1 / (1 + np.exp(-np.clip(values, -LARGEST_ODDS, LARGEST_ODDS)))
    if p.shape[1] == 1:
        return np.concatenate([1 - p, p], axis=1)
    return p / p.sum(axis=1, keepdims=True)


def _penalties(columns: int, penalty: float) -> Design:
    return np.diag([INTERCEPT_PENALTY, *[penalty] * (columns - 1)])


def _ridge(x: Design, y: Weights, penalty: float) -> Weights:
    return solve_spd(inner(x, x) + _penalties(x.shape[1], penalty), inner(x, y))


def _logistic(x: Design, y: Weights, penalty: float) -> Weights:
    """Each output by Newton's method (iteratively reweighted least squares)."""
    return np.concatenate([_one_logistic(x, y[:, [k]], penalty) for k in range(y.shape[1])], axis=1)


def _one_logistic(x: Design, y: Weights, penalty: float) -> Weights:
    """Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 4.4.1, with a ridge."""
    penalties, weights = _penalties(x.shape[1], penalty), np.zeros((x.shape[1], 1))
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -LARGEST_ODDS, LARGEST_ODDS)))
        curvature = inner(x * (p * (1 - p)), x) + penalties
        change = solve_spd((curvature + curvature.T) / 2, inner(x, y - p) - penalties @ weights)
        weights = weights + change
        if np.abs(change).max() < TOLERANCE:
            break
    return weights
