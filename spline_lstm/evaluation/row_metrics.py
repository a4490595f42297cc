"""Metrics of predictions for rows, each with its formula: of classes, or of numbers.

Predictions are [rows, classes] probabilities, or [rows, 1] numbers in data units; truth is [rows],
positions of classes or numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.log_loss import class_log_loss
from spline_lstm.evaluation.probability_metrics import auc, calibration_error, reliability

Predictions = Float[np.ndarray, "rows outputs"]
Truth = Float[np.ndarray, " rows"]

# Key in files and name in tables. The first one decides.
CLASS_NAMES = {
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "auc": "AUC",
    "f1": "F1",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
NUMBER_NAMES = {"rmse": "RMSE", "mae": "MAE", "r2": "R²", "bias": "bias"}
BINS = 10


def names_of(kind: str) -> dict[str, str]:
    """Key -> name of the metrics of a classification or regression; the first one decides."""
    return CLASS_NAMES if kind == "classification" else NUMBER_NAMES


def row_metrics(truth: Truth, predictions: Predictions, kind: str) -> dict[str, float]:
    """All metrics of `names_of`."""
    if kind == "regression":
        return _of_numbers(truth, predictions[:, 0])
    return _of_classes(truth.astype(np.int64), predictions)


def deciding_loss(truth: Truth, predictions: Predictions, kind: str) -> float:
    """The metric that decides, log loss or RMSE; lower is better."""
    if kind == "regression":
        return float(np.sqrt(np.mean((predictions[:, 0] - truth) ** 2)))
    return class_log_loss(truth.astype(np.int64), predictions)


def _of_numbers(truth: Truth, predicted: Truth) -> dict[str, float]:
    error = predicted - truth
    spread = float(np.mean((truth - truth.mean()) ** 2))
    mse = float(np.mean(error**2))
    return {
        "rmse": float(np.sqrt(mse)),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1 - mse / spread if spread > 0 else float("nan"),
        "bias": float(error.mean()),
    }


def _of_classes(truth: np.ndarray, p: Predictions) -> dict[str, float]:
    chosen = p.argmax(axis=1)
    is_class = truth[:, None] == np.arange(p.shape[1])
    return {
        "log_loss": class_log_loss(truth, p),
        "accuracy": float(np.mean(chosen == truth)),
        "auc": _auc(is_class, p),
        "f1": _f1(is_class, chosen[:, None] == np.arange(p.shape[1])),
        "brier": _brier(is_class, p),
        "calibration_error": calibration_error(reliability(*judged(truth, p))),
    }


def _auc(is_class: np.ndarray, p: Predictions) -> float:
    """Of the second of two classes; of more, the mean over the classes, each against the rest."""
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    areas = [auc(is_class[:, index].astype(np.float64), p[:, index]) for index in classes]
    return float(np.mean(areas))


def _f1(is_class: np.ndarray, is_chosen: np.ndarray) -> float:
    """Harmonic mean of precision and recall, of the second of two classes; else the mean.

    0 for a class that is never chosen rightly.
    """
    right = (is_class & is_chosen).sum(axis=0)
    either = is_class.sum(axis=0) + is_chosen.sum(axis=0)
    scores = np.divide(2 * right, either, out=np.zeros(len(right)), where=either > 0)
    return float(scores[1] if len(scores) == 2 else scores.mean())


def _brier(is_class: np.ndarray, p: Predictions) -> float:
    """Mean squared error of the second of two probabilities; of more classes, the sum over them."""
    squares = (p - is_class) ** 2
    return float(np.mean(squares[:, 1] if p.shape[1] == 2 else squares.sum(axis=1)))


def judged(truth: Truth, p: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Events and their probabilities, [rows] each, by which calibration is judged.

    Of two classes that it is the second one; of more that the most probable one is right.
    """
    if p.shape[1] == 2:
        return truth.astype(np.float64), p[:, 1]
    return (p.argmax(axis=1) == truth).astype(np.float64), p.max(axis=1)


@dataclass(frozen=True)
class CalibrationBin:
    """Rows with similar predictions.

    Attributes
    ----------
    n : how many
    predicted : mean of the predictions (of probabilities)
    observed : mean of the truth (share of the rows in which the event happened)
    """

    n: int
    predicted: float
    observed: float


def calibration_table(truth: Truth, predictions: Predictions, kind: str) -> list[CalibrationBin]:
    """Mean prediction and mean truth of `BINS` groups of rows, by ascending prediction.

    Probabilities have bins of equal width, numbers groups of equal size.
    """
    if kind == "classification":
        return [
            CalibrationBin(row.n, row.mean_probability, row.positive_share)
            for row in reliability(*judged(truth, predictions), bins=BINS)
        ]
    order = np.argsort(predictions[:, 0], kind="stable")
    return [
        CalibrationBin(len(rows), float(predictions[rows, 0].mean()), float(truth[rows].mean()))
        for rows in np.array_split(order, BINS)
        if len(rows)
    ]


def verdict_of(model: dict[str, float], baselines: dict[str, dict[str, float]], kind: str) -> Any:
    """`skill`, `best_baseline`, `beats_baselines` and `loses_to` by the metric that decides."""
    key = next(iter(names_of(kind)))
    best = min(baselines, key=lambda name: baselines[name][key])
    lowest = baselines[best][key]
    return {
        "skill": 1 - model[key] / lowest if lowest > 0 else float("nan"),
        "best_baseline": best,
        "beats_baselines": model[key] < lowest,
        "loses_to": [name for name, row in baselines.items() if not model[key] < row[key]],
    }
