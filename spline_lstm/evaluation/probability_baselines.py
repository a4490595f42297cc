"""Baselines of forecast probabilities: what a classifier must beat to be worth its training.

``base_rate`` is the share of labels 1 in training; ``persistence`` the share of labels 1, step by
step, after the last known value; ``logistic`` a logistic regression on the last row of the window,
its mean, and what is known of the step. All are fitted on (at most `SAMPLE` of) the training
windows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.models.exact import grid_of, product, rounded, solve_spd
from spline_lstm.windows.windows import Batch, Windows

SAMPLE = 20_000
# Of the logistic regression: weight of the squared coefficients of scaled inputs, Newton steps.
PENALTY, STEPS, ENOUGH = 1.0, 25, 1e-6
# Windows that the base rate counts for beside those of a last value.
PRIOR = 1.0

Values = Float[np.ndarray, "windows horizon targets"]
Baseline = Callable[[Batch, Float[np.ndarray, "windows lookback targets"]], Values]


def make_probability_baselines(windows: Windows) -> dict[str, Baseline]:
    """Baselines by name: functions of a batch and its history in data units."""
    origins = windows.splits["train"]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), SAMPLE)])
    labels = windows.counted_labels(batch)
    rate = base_rate(labels)
    after = _rates_after(windows.history(batch), labels, rate)
    models = [
        [
            fit_logistic(_inputs(batch, step), labels[:, step, target])
            for target in range(labels.shape[2])
        ]
        for step in range(windows.horizon)
    ]

    def constant(batch: Batch, history: np.ndarray) -> Values:
        return np.tile(rate, (len(history), windows.horizon, 1))

    def persistence(batch: Batch, history: np.ndarray) -> Values:
        last = (history[:, -1] >= 0.5)[:, None]
        return np.where(last, after[1], after[0])

    def logistic(batch: Batch, history: np.ndarray) -> Values:
        steps = [
            np.stack([model.predict(_inputs(batch, step)) for model in row], axis=-1)
            for step, row in enumerate(models)
        ]
        return np.stack(steps, axis=1)

    return {"base_rate": constant, "persistence": persistence, "logistic": logistic}


def base_rate(labels: Values) -> Float[np.ndarray, " targets"]:
    """Share of labels 1 of each target; 0.5 without labels."""
    seen = ~np.isnan(labels)
    count = seen.sum(axis=(0, 1))
    return np.where(count > 0, np.nansum(labels, axis=(0, 1)) / np.maximum(count, 1), 0.5)


def _rates_after(
    history: np.ndarray, labels: Values, rate: np.ndarray
) -> Float[np.ndarray, "2 horizon targets"]:
    """Share of labels 1 at each step after a last known 0 and after a 1."""
    last = history[:, -1] >= 0.5
    found = []
    for value in (False, True):
        counted = (last == value)[:, None] & ~np.isnan(labels)
        ones = np.where(counted, labels, 0.0).sum(axis=0)
        found.append((ones + PRIOR * rate) / (counted.sum(axis=0) + PRIOR))
    return np.stack(found)


def _inputs(batch: Batch, step: int) -> Float[np.ndarray, "windows inputs"]:
    """What the logistic regression reads of each window, z-scores."""
    parts = [batch.X[:, -1], batch.X.mean(axis=1), batch.X_future[:, step]]
    return np.concatenate(parts, axis=1).astype(np.float64)


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression.

    Attributes
    ----------
    center, scale : [inputs] of the training inputs
    weights : [inputs + 1] of the scaled inputs, and last the intercept
    """

    center: Float[np.ndarray, " inputs"]
    scale: Float[np.ndarray, " inputs"]
    weights: Float[np.ndarray, " weights"]

    def predict(self, inputs: Float[np.ndarray, "windows inputs"]) -> Float[np.ndarray, " windows"]:
        """Probability of the label 1."""
        return _sigmoid(_logits((inputs - self.center) / self.scale, self.weights))


def fit_logistic(
    inputs: Float[np.ndarray, "windows inputs"], labels: Float[np.ndarray, " windows"]
) -> Logistic:
    """Penalised maximum likelihood by Newton's method; NaN labels do not count.

    Bytes do not depend on the CPU (`models.exact`). Hastie, Tibshirani and Friedman, "The Elements
    of Statistical Learning" (2nd edition, 2009), section 4.4.1.
    """
    seen: Bool[np.ndarray, " windows"] = ~np.isnan(labels)
    known, y = inputs[seen], labels[seen]
    count = known.shape[1]
    if not len(known):
        return Logistic(np.zeros(count), np.ones(count), np.zeros(count + 1))
    center, size = known.mean(axis=0), known.std(axis=0)
    scale = np.where(size > 1e-9, size, 1.0)
    scaled = (known - center) / scale
    x = np.concatenate([scaled, np.ones((len(y), 1))], axis=1)
    penalty = PENALTY * np.eye(count + 1)
    # An intercept is not shrunk, but a label that never changes must not send it to infinity.
    penalty[-1, -1] = ENOUGH
    weights = np.zeros(count + 1)
    for _ in range(STEPS):
        p = _sigmoid(_logits(scaled, weights))
        slope = _product(x, (y - p)[:, None])[:, 0] - penalty @ weights
        root = np.sqrt(p * (1 - p))[:, None]
        change = solve_spd(_product(x * root, x * root) + penalty, slope[:, None])[:, 0]
        weights = rounded(weights + np.clip(change, -5.0, 5.0))
        if np.abs(change).max() < ENOUGH:
            break
    return Logistic(center, scale, weights)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left.T @ right`` of values rounded so that the order of the sums does not matter."""
    grids = grid_of(left), grid_of(right)
    whole = (np.round(part / grid) for part, grid in zip((left, right), grids, strict=True))
    return product(*whole) * (grids[0] * grids[1])


def _logits(scaled: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (scaled * weights[:-1]).sum(axis=1) + weights[-1]


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
