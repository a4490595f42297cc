"""Scores of a model and its baselines over windows, in bounded memory: metrics/evaluate.json.

::

    sums = reduce(merge, (sum_errors(...) for chunk in chunks))
    content = finish(sums, ...)

Errors are forecast minus truth. A metric over several targets counts all their values together,
which says little if they have different units. So of several targets `scaled_rmse` decides: each
error is divided by the `training_std` of its target in training, and no unit changes the verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
# Key of the RMSE that decides -> what it is called; see `deciding`.
RMSE_NAMES = {"rmse": "RMSE", "scaled_rmse": "scaled RMSE"}
# Detail of the scores -> key that names its records in metrics/evaluate.json.
KEYS = {
    "horizon": "step",
    "targets": "target",
    "baselines": "baseline",
    "series": "series",
    "hours": "hour",
    "members": "member",
    "years": "year",
}

# [1, targets], or [series, targets].
Scales = Float[np.ndarray, "rows targets"]


@dataclass(frozen=True)
class Units:
    """What errors are divided by; see `finish`.

    Attributes
    ----------
    scale : [1, targets] one z-score in data units, or [series, targets] if each series has its own;
        None where series of different scales are together
    training_std : [targets] standard deviation in training, data units
    """

    scale: Scales | None
    training_std: PerTarget

    def of(self, kind: str, index: tuple[slice, slice]) -> "Units":
        """Those of some steps, series or hours and targets."""
        groups, targets = index
        scale = self.scale
        if scale is not None and len(scale) == 1:
            scale = scale[:, targets]
        elif scale is not None:
            scale = scale[groups, targets] if kind == "series" else None
        return Units(scale, self.training_std[targets])


def finish(
    sums: ScoreSums,
    *,
    targets: Sequence[str],
    scale: Scales,
    training_std: PerTarget,
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Metrics of everything summed, as plain nested content for JSON; NaN if nothing counts.

    Parameters
    ----------
    sums : ScoreSums
    targets : sequence of str
        [targets] names.
    scale : np.ndarray
        [1, targets] one z-score in data units, or [series, targets] if each series has its own;
        then steps and hours have no z_mse and z_mae.
    training_std : np.ndarray
        [targets] standard deviation in training, data units, above 0 (`scales.training_std_of`):
        what makes the errors of several targets comparable, whatever the scaler.
    series : sequence of str, optional
        [series] names; with it the content has the key `series`.

    Returns
    -------
    dict
        The model's metrics (`metrics.NAMES`, then z_mse, z_mae, scaled_rmse), `skill` = 1 - RMSE /
        RMSE of the best baseline (NaN if that is perfect but for rounding), `best_baseline` (by
        RMSE; None if nothing counts), `beats_baselines` (its RMSE is below that of every baseline),
        `loses_to` (names of the others), `n_windows`, and nested `horizon` (step from 1),
        `targets` (with their `training_std`), `baselines`, `series`, `hours` (hour of the day; left
        out if all values have the same hour). Each step, target, series and hour has the model's
        metrics, `skill` and `best_baseline`. Where several targets are together, the RMSE that
        decides is the scaled one.
    """
    units = Units(scale, training_std)
    every = slice(None)
    metrics = {
        name: _pooled(sums.truth.series, errors.series, units)
        for name, errors in sums.errors.items()
    }
    verdict = _verdict(_deciding_of(metrics, units), _rounding(sums.truth.series, units))
    model = metrics.pop(MODEL)
    content = model | verdict | {"n_windows": sums.windows}
    content["horizon"] = {
        str(step + 1): _group(sums, "step", (slice(step, step + 1), every), units)
        for step in range(len(sums.truth.step.count))
    }
    content["targets"] = {
        name: _group(sums, "series", (every, slice(k, k + 1)), units)
        | {"training_std": float(training_std[k])}
        for k, name in enumerate(targets)
    }
    content["baselines"] = metrics
    if series is not None:
        content["series"] = _each_series(sums, series, units)
    hours = np.flatnonzero(sums.truth.hour.count.sum(axis=1))
    if len(hours) > 1:
        content["hours"] = {
            str(h): _group(sums, "hour", (slice(h, h + 1), every), units) for h in hours
        }
    return content


def score(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    forecasts: Mapping[str, np.ndarray],
    *,
    epsilon: Float[np.ndarray, "series targets"],
    targets: Sequence[str],
    scale: Scales,
    training_std: PerTarget,
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
    return finish(
        sums, targets=targets, scale=scale, training_std=training_std, series=series_names
    )


def deciding(several: bool) -> str:
    """Key of the RMSE that decides: in data units for one target, else the scaled one."""
    return "scaled_rmse" if several else "rmse"


def rmse_by_step(
    sums: ScoreSums, training_std: PerTarget
) -> dict[str, Float[np.ndarray, " horizon"]]:
    """The deciding RMSE at each step, [horizon] float64, of every forecast.

    NaN if nothing of a step counts.
    """
    return _rmse(sums, "step", training_std)


def rmse_by_hour(sums: ScoreSums, training_std: PerTarget) -> dict[str, Float[np.ndarray, "24"]]:
    """The same at each hour of the day, [24] float64."""
    return _rmse(sums, "hour", training_std)


def _rmse(sums: ScoreSums, kind: str, training_std: PerTarget) -> dict[str, np.ndarray]:
    count = getattr(sums.truth, kind).count.sum(axis=1)
    unit = np.square(training_std) if len(training_std) > 1 else np.ones(1)
    return {
        name: np.sqrt(_ratio((getattr(errors, kind).squared / unit).sum(axis=1), count))
        for name, errors in sums.errors.items()
    }


def _group(sums: ScoreSums, kind: str, index: tuple[slice, slice], units: Units) -> dict[str, Any]:
    """The model's metrics over some steps, series or hours and targets (`index`), and its skill."""
    truth, units = getattr(sums.truth, kind)[index], units.of(kind, index)
    metrics = {
        name: _pooled(truth, getattr(errors, kind)[index], units)
        for name, errors in sums.errors.items()
    }
    verdict = _verdict(_deciding_of(metrics, units), _rounding(truth, units))
    return metrics[MODEL] | _short(verdict)


def _each_series(sums: ScoreSums, names: Sequence[str], units: Units) -> dict[str, dict[str, Any]]:
    """The same as `_group` for each series: one pass over arrays, since there may be many."""
    every, truth = slice(None), sums.truth.series
    units = units.of("series", (every, every))
    key = deciding(len(units.training_std) > 1)
    columns = {
        name: {
            each: values.tolist()
            for each, values in _metrics(truth, errors.series, units, axis=1).items()
            if name == MODEL or each == key
        }
        for name, errors in sums.errors.items()
    }
    rounding = _rounding(truth, units, axis=1).tolist()
    found = {}
    for k, name in enumerate(names):
        scores = {forecast: column[key][k] for forecast, column in columns.items()}
        model = {each: values[k] for each, values in columns[MODEL].items()}
        found[name] = model | _short(_verdict(scores, rounding[k]))
    return found


def _pooled(truth: TruthSums, errors: ErrorSums, units: Units) -> dict[str, float]:
    """All metrics over all groups and targets of the sums."""
    return {name: float(value) for name, value in _metrics(truth, errors, units).items()}


def _metrics(
    truth: TruthSums, errors: ErrorSums, units: Units, axis: int | None = None
) -> dict[str, np.ndarray]:
    """All metrics over all groups and targets of the sums, or with `axis` 1 of each group."""
    count, squared = truth.count.sum(axis=axis), errors.squared.sum(axis=axis)

    def mean(total: np.ndarray) -> np.ndarray:
        return _ratio(total.sum(axis=axis), count)

    z = {}
    if units.scale is not None:
        z["z_mse"] = mean(errors.squared / units.scale**2)
        z["z_mae"] = mean(errors.absolute / units.scale)
    return {
        "mae": mean(errors.absolute),
        "mse": mean(errors.squared),
        "rmse": np.sqrt(mean(errors.squared)),
        "robust_mape": 100 * mean(errors.percent),
        "smape": 100 * mean(errors.symmetric),
        "mase": _ratio(errors.scaled.sum(axis=axis), truth.scaled.sum(axis=axis)),
        "r2": 1 - _ratio(squared, _deviation(truth, axis)),
        "bias": mean(errors.error),
        **z,
        "scaled_rmse": np.sqrt(mean(errors.squared / units.training_std**2)),
    }


def _deviation(truth: TruthSums, axis: int | None) -> np.ndarray:
    """Sum of squared deviations of the true values from the mean of their target."""
    count, total = truth.count, truth.count * truth.mean
    pooled = (total.sum(axis=0), count.sum(axis=0))
    mean = _ratio(*(pooled if axis is None else (total, count)))
    between = np.where(count > 0, count * (truth.mean - mean) ** 2, 0.0)
    deviation = (truth.deviation + between).sum(axis=axis)
    # Constant values leave rounding noise of their mean here, which would blow R2 up.
    noise = CONSTANT * (count * truth.mean**2).sum(axis=axis)
    return np.where(deviation > noise, deviation, 0.0)


def _rounding(truth: TruthSums, units: Units, axis: int | None = None) -> np.ndarray:
    """Deciding RMSE below which a baseline is perfect but for rounding."""
    unit = units.training_std if len(units.training_std) > 1 else 1.0
    squares = (truth.count * truth.mean**2 + truth.deviation) / np.square(unit)
    return ROUNDING * np.sqrt(_ratio(squares.sum(axis=axis), truth.count.sum(axis=axis)))


def _deciding_of(metrics: Mapping[str, Mapping[str, float]], units: Units) -> dict[str, float]:
    """The RMSE that decides, of each forecast."""
    key = deciding(len(units.training_std) > 1)
    return {name: row[key] for name, row in metrics.items()}


def _short(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What each group has of its verdict."""
    return {key: verdict[key] for key in ("skill", "best_baseline") if key in verdict}


def _verdict(scores: Mapping[str, float], rounding: float | np.ndarray) -> dict[str, Any]:
    """The model among the baselines, by their deciding RMSE."""
    model = scores[MODEL]
    if len(scores) == 1:
        return {}
    known = {
        name: rmse if rmse > rounding else 0.0
        for name, rmse in scores.items()
        if name != MODEL and not math.isnan(rmse)
    }
    best = min(known, key=lambda name: known[name]) if known else None
    rmse = math.nan if best is None else known[best]
    return {
        "skill": 1 - model / rmse if rmse > 0 else math.nan,
        "best_baseline": best,
        "beats_baselines": model < rmse,
        "loses_to": [name for name, rmse in known.items() if not model < rmse],
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
