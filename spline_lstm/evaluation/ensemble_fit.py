"""Fit the ensemble on the validation split: weights, calibration, and whether it is worth it.

Log loss decides. All candidates are calibrated in the same way on the same rows before they are
compared, so that the ensemble has no advantage by its calibration.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression

from spline_lstm.core.formatting import number
from spline_lstm.core.log_loss import log_loss
from spline_lstm.core.params_trees import EnsembleParams
from spline_lstm.evaluation.probability_baselines import fit_logistic
from spline_lstm.trees.calibration import Calibration, Method, logit
from spline_lstm.trees.ensemble import MEMBERS, NETWORK, Ensemble, weighted_mean

# Weights that validation chooses are multiples of 1 / STEPS.
STEPS = 20

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class EnsembleFit:
    """An ensemble and the validation scores that led to it.

    Attributes
    ----------
    ensemble : Ensemble
    log_losses : member -> log loss on validation after its calibration; all together: "ensemble"
    """

    ensemble: Ensemble
    log_losses: Mapping[str, float]


def fit_ensemble(
    probabilities: Mapping[str, Probabilities],
    labels: Float[np.ndarray, " rows"],
    params: EnsembleParams,
) -> EnsembleFit:
    """Fit on validation rows.

    Parameters
    ----------
    probabilities : mapping
        Member -> its probabilities; at least one member, in any order.
    labels : np.ndarray
        [rows] 0 or 1.
    params : EnsembleParams
    """
    there = {name: probabilities[name] for name in MEMBERS if name in probabilities}
    trees = [name for name in there if name != NETWORK]
    neutral = NETWORK in there and is_neutral(there[NETWORK], params.neutral) and bool(trees)
    without = _without_network(trees, params)
    if NETWORK not in there or neutral:
        weights, how = without, "the network is neutral" if neutral else "there is no network"
    else:
        weights, how = _fixed(there, params), "weights as params.yaml says"
    counted = {name: p for name, p in there.items() if name in weights}
    if params.fit == "validation" and len(counted) > 1:
        weights, how = fit_weights(counted, labels), f"weights from validation; {how}"
        without = _scaled_trees(weights, trees) or without
    calibrations, losses = {}, {}
    candidates = {**counted, "ensemble": weighted_mean(counted, weights)}
    for name, p in candidates.items():
        calibrations[name] = fit_calibration(p, labels, params.calibration)
        losses[name] = log_loss(labels, calibrations[name].apply(p))
    chosen = _best_member(losses)
    if chosen is not None:
        how = (
            f"all together are worse on validation than {chosen} only: log loss "
            f"{number(losses['ensemble'])} against {number(losses[chosen])}; so {chosen} is used"
        )
    calibration = calibrations[chosen or "ensemble"]
    return EnsembleFit(Ensemble(weights, without, chosen, calibration, how), losses)


def is_neutral(probabilities: Probabilities, distance: float) -> bool:
    """Whether a member says nothing: all its probabilities are nearer to 0.5 than a distance."""
    return bool((np.abs(probabilities - 0.5) < distance).all())


def fit_weights(
    probabilities: Mapping[str, Probabilities], labels: Float[np.ndarray, " rows"]
) -> dict[str, float]:
    """Weights of the lowest log loss of the mean, out of all multiples of 1 / `STEPS`."""
    candidates = [dict(zip(probabilities, w, strict=True)) for w in _simplex(len(probabilities))]
    losses = [log_loss(labels, weighted_mean(probabilities, w)) for w in candidates]
    return candidates[int(np.argmin(losses))]


def fit_calibration(
    probabilities: Probabilities, labels: Float[np.ndarray, " rows"], method: Method
) -> Calibration:
    """Fit a calibration; none if a logistic curve would fall, or there is only one label.

    Platt (1999), "Probabilistic outputs for support vector machines"; Zadrozny and Elkan (2002),
    "Transforming classifier scores into accurate multiclass probability estimates", KDD 8.
    """
    if method == "none" or len(np.unique(labels)) < 2:
        return Calibration()
    return _platt(probabilities, labels) if method == "platt" else _isotonic(probabilities, labels)


def _platt(probabilities: Probabilities, labels: Float[np.ndarray, " rows"]) -> Calibration:
    model = fit_logistic(logit(probabilities)[:, None], labels)
    slope = float(model.weights[0] / model.scale[0])
    if slope <= 0.0:
        return Calibration()
    intercept = float(model.weights[1] - slope * model.center[0])
    return Calibration("platt", slope=slope, intercept=intercept)


def _isotonic(probabilities: Probabilities, labels: Float[np.ndarray, " rows"]) -> Calibration:
    """Both ends of each level of the rising step function; no level is 0 or 1."""
    x, group, count = np.unique(
        np.asarray(probabilities, np.float64), return_inverse=True, return_counts=True
    )
    means = np.bincount(group.reshape(-1), weights=labels) / count
    y = isotonic_regression(means, weights=count).x
    ends = np.ones(len(x), dtype=bool)
    ends[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    # As if half a row more had either label.
    bound = 0.5 / (len(labels) + 1)
    kept = np.clip(y[ends], bound, 1.0 - bound)
    return Calibration("isotonic", tuple(x[ends].tolist()), tuple(kept.tolist()))


def _fixed(there: Mapping[str, Probabilities], params: EnsembleParams) -> dict[str, float]:
    weights = {name: getattr(params.weights, name) for name in there}
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(there, 1.0 / len(there))
    return {name: weight / total for name, weight in weights.items()}


def _without_network(trees: list[str], params: EnsembleParams) -> dict[str, float]:
    share = params.lightgbm_without_network
    if len(trees) == 2:
        return {"lightgbm": share, "xgboost": 1.0 - share}
    return dict.fromkeys(trees, 1.0)


def _scaled_trees(weights: Mapping[str, float], trees: list[str]) -> dict[str, float]:
    """The weights of the trees with the sum 1; empty if they have none."""
    total = sum(weights.get(name, 0.0) for name in trees)
    return {name: weights[name] / total for name in trees if name in weights} if total else {}


def _best_member(losses: Mapping[str, float]) -> str | None:
    """The member that is better than all together, if one is."""
    members = {name: loss for name, loss in losses.items() if name != "ensemble"}
    best = min(members, key=lambda name: members[name])
    return best if len(members) > 1 and members[best] < losses["ensemble"] else None


def _simplex(count: int) -> Iterator[tuple[float, ...]]:
    """All weights of `count` members in steps of 1 / `STEPS` whose sum is 1."""
    for counts in product(range(STEPS + 1), repeat=count - 1):
        if (rest := STEPS - sum(counts)) >= 0:
            yield tuple(step / STEPS for step in (*counts, rest))
