"""Scores of a model and its baselines over windows, in bounded memory: metrics/evaluate.json.

::

    sums = reduce(merge, (sum_errors(...) for chunk in chunks))
    content = finish(sums, ...)

Errors are forecast minus truth. A metric over several targets counts all their values together;
`z_mse` and `z_mae` (errors divided by the scale of the target) are those to read if targets have
different units.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.evaluation.error_sums import (
    MODEL,
    ErrorSums,
    PerTarget,
    ScoreSums,
    TruthSums,
    Values,
    sum_errors,
)

# An RMSE of a baseline below this share of the size of the values is rounding, and a ratio to it
# says nothing. Far above the rounding of sums in float64, far below what data resolve.
ROUNDING = 1e-13
# Squared deviation, relative to the squared mean, below which values differ only by rounding.
CONSTANT = 1e-24
# Detail of the scores -> key that names its records in metrics/evaluate.json.
KEYS = {
    "horizon": "step",
    "targets": "target",
    "baselines": "baseline",
    "series": "series",
    "hours": "hour",
}


def finish(
    sums: ScoreSums,
    *,
    targets: Sequence[str],
    scale: PerTarget,
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Metrics of everything summed, as plain nested content for JSON; NaN if nothing counts.

    Parameters
    ----------
    sums : ScoreSums
    targets : sequence of str
        [targets] names.
    scale : np.ndarray
        [targets] the scaler's scale: one z-score in data units.
    series : sequence of str, optional
        [series] names; with it the content has the key `series`.

    Returns
    -------
    dict
        The model's metrics (`metrics.NAMES`, then z_mse, z_mae), `skill` = 1 - RMSE / RMSE of the
        best baseline (NaN if that is perfect but for rounding), `best_baseline` (by RMSE; None if
        nothing counts), `beats_baselines` (its RMSE is below that of every baseline), `loses_to`
        (names of the others), `n_windows`, and nested `horizon` (step from 1), `targets`,
        `baselines`, `series`, `hours` (hour of the day; left out if all values have the same
        hour). Each step, target, series and hour has the model's metrics, `skill` and
        `best_baseline`.
    """
    every = slice(None)
    metrics = {
        name: _metrics(sums.truth.series, errors.series, scale)
        for name, errors in sums.errors.items()
    }
    model = metrics.pop(MODEL)
    content = (
        model | _verdict(model, metrics, _rounding(sums.truth.series)) | {"n_windows": sums.windows}
    )
    content["horizon"] = {
        str(step + 1): _group(sums, "step", (slice(step, step + 1), every), scale)
        for step in range(len(sums.truth.step.count))
    }
    content["targets"] = {
        name: _group(sums, "series", (every, slice(k, k + 1)), scale[k : k + 1])
        for k, name in enumerate(targets)
    }
    content["baselines"] = metrics
    if series is not None:
        content["series"] = {
            name: _group(sums, "series", (slice(k, k + 1), every), scale)
            for k, name in enumerate(series)
        }
    hours = np.flatnonzero(sums.truth.hour.count.sum(axis=1))
    if len(hours) > 1:
        content["hours"] = {
            str(h): _group(sums, "hour", (slice(h, h + 1), every), scale) for h in hours
        }
    return content


def score(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    forecasts: Mapping[str, np.ndarray],
    *,
    epsilon: PerTarget,
    targets: Sequence[str],
    scale: PerTarget,
    season_scale: Float[np.ndarray, "series targets"],
    series: Int[np.ndarray, " windows"] | None = None,
    hour: Int[np.ndarray, "windows horizon"] | None = None,
    series_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`finish` of one `sum_errors`: scores of windows that are all in memory."""
    sums = sum_errors(
        y_true,
        mask,
        forecasts,
        epsilon=epsilon,
        season_scale=season_scale,
        series=series,
        hour=hour,
    )
    return finish(sums, targets=targets, scale=scale, series=series_names)


def rmse_by_step(sums: ScoreSums) -> dict[str, Float[np.ndarray, " horizon"]]:
    """RMSE at each step, [horizon] float64, of every forecast; NaN if nothing of a step counts."""
    return _rmse(sums, "step")


def rmse_by_hour(sums: ScoreSums) -> dict[str, Float[np.ndarray, "24"]]:
    """RMSE at each hour of the day, [24] float64, of all forecasts; NaN if nothing counts."""
    return _rmse(sums, "hour")


def _rmse(sums: ScoreSums, kind: str) -> dict[str, np.ndarray]:
    count = getattr(sums.truth, kind).count.sum(axis=1)
    return {
        name: np.sqrt(_ratio(getattr(errors, kind).squared.sum(axis=1), count))
        for name, errors in sums.errors.items()
    }


def _group(
    sums: ScoreSums, kind: str, index: tuple[slice, slice], scale: np.ndarray
) -> dict[str, Any]:
    """The model's metrics over some steps, series or hours and targets (`index`), and its skill."""
    truth = getattr(sums.truth, kind)[index]
    metrics = {
        name: _metrics(truth, getattr(errors, kind)[index], scale)
        for name, errors in sums.errors.items()
    }
    model = metrics.pop(MODEL)
    verdict = _verdict(model, metrics, _rounding(truth))
    return model | {key: verdict[key] for key in ("skill", "best_baseline") if key in verdict}


def _metrics(truth: TruthSums, errors: ErrorSums, scale: np.ndarray) -> dict[str, float]:
    """All metrics over all groups and targets of the sums."""
    count = truth.count.sum()

    def mean(total: np.ndarray) -> float:
        return float(_ratio(total.sum(), count))

    deviation = _deviation(truth)
    return {
        "mae": mean(errors.absolute),
        "mse": mean(errors.squared),
        "rmse": math.sqrt(mean(errors.squared)),
        "robust_mape": 100 * mean(errors.percent),
        "smape": 100 * mean(errors.symmetric),
        "mase": float(_ratio(errors.scaled.sum(), truth.scaled.sum())),
        "r2": 1 - float(errors.squared.sum()) / deviation if deviation > 0 else math.nan,
        "bias": mean(errors.error),
        "z_mse": mean(errors.squared / scale**2),
        "z_mae": mean(errors.absolute / scale),
    }


def _deviation(truth: TruthSums) -> float:
    """Sum of squared deviations of the true values from the mean of their target."""
    count = truth.count
    mean = _ratio((count * truth.mean).sum(axis=0), count.sum(axis=0))
    between = np.where(count > 0, count * (truth.mean - mean) ** 2, 0.0)
    deviation = float((truth.deviation + between).sum())
    # Constant values leave rounding noise of their mean here, which would blow R2 up.
    return deviation if deviation > CONSTANT * float((count * truth.mean**2).sum()) else 0.0


def _rounding(truth: TruthSums) -> float:
    """RMSE, data units, below which a baseline is perfect but for rounding."""
    squares = truth.count * truth.mean**2 + truth.deviation
    return ROUNDING * math.sqrt(float(_ratio(squares.sum(), truth.count.sum())))


def _verdict(
    model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], rounding: float
) -> dict[str, Any]:
    if not baselines:
        return {}
    scored = {name: row["rmse"] for name, row in baselines.items() if not math.isnan(row["rmse"])}
    scored = {name: rmse if rmse > rounding else 0.0 for name, rmse in scored.items()}
    best = min(scored, key=lambda name: scored[name]) if scored else None
    rmse = math.nan if best is None else scored[best]
    return {
        "skill": 1 - model["rmse"] / rmse if rmse > 0 else math.nan,
        "best_baseline": best,
        "beats_baselines": model["rmse"] < rmse,
        "loses_to": [name for name, rmse in scored.items() if not model["rmse"] < rmse],
    }


def _ratio(total: np.ndarray | np.number, count: np.ndarray | np.number) -> np.ndarray:
    """``total / count``, NaN if the count is 0."""
    return np.divide(
        total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0
    )


def to_records(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores (`finish`) with each detail as a list of records: metrics/evaluate.json.

    DVC makes a column of every number that it reaches through mappings, but not through lists. A
    table with a column for each metric of each step, target, series and baseline is unreadable.

    >>> to_records({"rmse": 1.0, "baselines": {"naive": {"rmse": 2.0}}})
    {'rmse': 1.0, 'baselines': [{'baseline': 'naive', 'rmse': 2.0}]}
    """
    return {
        name: [{KEYS[name]: key, **row} for key, row in value.items()] if name in KEYS else value
        for name, value in scores.items()
    }


def from_records(content: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `to_records`: the scores from the content of metrics/evaluate.json.

    >>> from_records({"rmse": 1.0, "baselines": [{"baseline": "naive", "rmse": 2.0}]})
    {'rmse': 1.0, 'baselines': {'naive': {'rmse': 2.0}}}
    """
    return {
        name: _keyed(value, KEYS[name]) if name in KEYS else value
        for name, value in content.items()
    }


def _keyed(records: Sequence[Mapping[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {
        row[key]: {name: value for name, value in row.items() if name != key} for row in records
    }
