"""Scores of a model and its baselines over windows, in bounded memory: the content of metrics/evaluate.json.

Windows come in chunks. `sum_errors` turns a chunk into sums, `merge` adds sums up, `finish` turns
them into metrics: a chunk can be forgotten as soon as it is summed.

::

    sums = reduce(merge, (sum_errors(...) for chunk in chunks))
    content = finish(sums, ...)

Errors are forecast minus truth. A metric over several targets counts all their values together;
`z_mse` and `z_mae` (errors divided by the scale of the target) are those to read where targets
have different units.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.evaluation.metrics import absolute_ratio, check_epsilon, check_shapes, symmetric_ratio, usable_scale

MODEL = "model"
# Squared deviation, relative to the squared mean, below which values are constant but for rounding.
CONSTANT = 1e-24

Values = Float[np.ndarray, "windows horizon targets"]
PerTarget = Float[np.ndarray, " targets"]


@dataclass(frozen=True)
class ErrorSums:
    """Sums over the counted values of one forecast.

    Attributes
    ----------
    by_step : [5, horizon, targets] float64: sums of the error, its absolute value, its square,
        its ratio in the robust MAPE, its ratio in the sMAPE
    by_series : [5, series, targets] float64, the same
    """

    by_step: Float[np.ndarray, "5 horizon targets"]
    by_series: Float[np.ndarray, "5 series targets"]


@dataclass(frozen=True)
class TruthSums:
    """What is known of the counted true values.

    Attributes
    ----------
    by_step : [horizon, targets] int64, how many count
    by_series : [series, targets] int64, how many count
    mean : [series, targets] float64, data units
    spread : [series, targets] float64, sum of squared deviations from `mean`
    """

    by_step: Int[np.ndarray, "horizon targets"]
    by_series: Int[np.ndarray, "series targets"]
    mean: Float[np.ndarray, "series targets"]
    spread: Float[np.ndarray, "series targets"]


@dataclass(frozen=True)
class ScoreSums:
    """Sums over the windows seen so far.

    Attributes
    ----------
    windows : int
    truth : TruthSums
    errors : dict of name -> ErrorSums; the model under `MODEL`, the rest are baselines
    """

    windows: int
    truth: TruthSums
    errors: dict[str, ErrorSums]


def sum_errors(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    forecasts: Mapping[str, np.ndarray],
    *,
    epsilon: PerTarget,
    series: Int[np.ndarray, " windows"] | None = None,
    n_series: int = 1,
) -> ScoreSums:
    """Sum the errors of one chunk of windows.

    Parameters
    ----------
    y_true : np.ndarray
        [windows, horizon, targets] data units; anything, NaN too, where `mask` is False.
    mask : np.ndarray
        Same shape, bool, True where a value counts.
    forecasts : mapping
        Name -> forecast of the same shape; the model under `MODEL`.
    epsilon : np.ndarray
        [targets] floor of the robust MAPE, data units.
    series : np.ndarray, optional
        [windows] int, 0 to `n_series` - 1; all windows are of series 0 without it.
    n_series : int
        Number of series over all chunks.

    Raises
    ------
    ValueError
        A shape differs, `epsilon` is not above 0, a series is outside its range, or no forecast
        has the name `MODEL`.
    """
    of_window = np.zeros(len(y_true), dtype=np.int64) if series is None else series
    _check(y_true, mask, forecasts, of_window, n_series)
    check_epsilon(epsilon)
    truth = np.where(mask, y_true, 0.0).astype(np.float64)
    return ScoreSums(
        windows=len(y_true),
        truth=_truth_sums(truth, mask, of_window, n_series),
        errors={
            name: _error_sums(truth, np.where(mask, forecast, 0.0), epsilon, of_window, n_series)
            for name, forecast in forecasts.items()
        },
    )


def _check(
    y_true: np.ndarray, mask: np.ndarray, forecasts: Mapping[str, np.ndarray], series: np.ndarray, n: int
) -> None:
    if MODEL not in forecasts:
        raise ValueError(f"one forecast must be named {MODEL!r}, but there are: {', '.join(forecasts)}")
    for forecast in forecasts.values():
        check_shapes(y_true, forecast, mask)
    if len(series) and not 0 <= series.min() <= series.max() < n:
        raise ValueError(f"series must lie in 0 to {n - 1}, but reach from {series.min()} to {series.max()}")


def _error_sums(y: np.ndarray, p: np.ndarray, epsilon: np.ndarray, series: np.ndarray, n_series: int) -> ErrorSums:
    error = p - y
    terms = (error, np.abs(error), error**2, absolute_ratio(y, p, epsilon), symmetric_ratio(y, p))
    return ErrorSums(
        by_step=np.stack([term.sum(axis=0) for term in terms]),
        by_series=np.stack([_per_series(term.sum(axis=1), series, n_series) for term in terms]),
    )


def _truth_sums(y: np.ndarray, mask: np.ndarray, series: np.ndarray, n_series: int) -> TruthSums:
    count = _per_series(mask.sum(axis=1), series, n_series)
    mean = _per_series(y.sum(axis=1), series, n_series) / np.maximum(count, 1)
    deviation = np.where(mask, y - mean[series][:, None], 0.0)
    return TruthSums(
        by_step=mask.sum(axis=0),
        by_series=count.astype(np.int64),
        mean=mean,
        spread=_per_series((deviation**2).sum(axis=1), series, n_series),
    )


def _per_series(values: np.ndarray, series: np.ndarray, n_series: int) -> np.ndarray:
    """[windows, targets] summed to [series, targets], float64."""
    columns = [np.bincount(series, weights=column, minlength=n_series) for column in values.T]
    # bincount of an empty chunk is int.
    return np.stack(columns, axis=-1).astype(np.float64)


def merge(first: ScoreSums, second: ScoreSums) -> ScoreSums:
    """Sums over the windows of both.

    Raises
    ------
    ValueError
        They hold different forecasts.
    """
    if list(first.errors) != list(second.errors):
        raise ValueError(f"forecasts differ: {', '.join(first.errors)} and {', '.join(second.errors)}")
    return ScoreSums(
        windows=first.windows + second.windows,
        truth=_merge_truth(first.truth, second.truth),
        errors={
            name: ErrorSums(mine.by_step + other.by_step, mine.by_series + other.by_series)
            for (name, mine), other in zip(first.errors.items(), second.errors.values(), strict=True)
        },
    )


def _merge_truth(first: TruthSums, second: TruthSums) -> TruthSums:
    # Mean and spread are merged as in Chan, Golub and LeVeque (1983), The American Statistician 37,
    # 242-247: sums of squares less the squared mean would lose all digits where values lie far from 0.
    total = first.by_series + second.by_series
    share = second.by_series / np.maximum(total, 1)
    step = second.mean - first.mean
    return TruthSums(
        by_step=first.by_step + second.by_step,
        by_series=total,
        mean=first.mean + step * share,
        spread=first.spread + second.spread + step**2 * first.by_series * share,
    )


def finish(
    sums: ScoreSums,
    *,
    targets: Sequence[str],
    scale: PerTarget,
    season_scale: Float[np.ndarray, "series targets"],
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Metrics of everything summed, as plain nested content for JSON; NaN where nothing counts.

    Parameters
    ----------
    sums : ScoreSums
    targets : sequence of str
        [targets] names.
    scale : np.ndarray
        [targets] the scaler's scale: one z-score in data units.
    season_scale : np.ndarray
        [series, targets] scale of MASE (`metrics.seasonal_naive_scale`).
    series : sequence of str, optional
        [series] names; with it the content has a part `series`.

    Returns
    -------
    dict
        The model's metrics (`metrics.NAMES`, then z_mse, z_mae), `skill` = 1 - RMSE / RMSE of the best
        baseline, `best_baseline` (by RMSE), `beats_baselines`, `n_windows`, and nested `horizon`
        (step from 1 -> mae, rmse), `targets`, `baselines`, `series`.
    """
    metrics = {
        name: _metrics(sums.truth, errors.by_series, scale, season_scale) for name, errors in sums.errors.items()
    }
    model = metrics.pop(MODEL)
    by_target = {name: slice(k, k + 1) for k, name in enumerate(targets)}
    content = model | _verdict(model, metrics) | {"n_windows": sums.windows, "horizon": _horizon(sums)}
    content["targets"] = {name: _part(sums, slice(None), k, scale, season_scale) for name, k in by_target.items()}
    content["baselines"] = metrics
    if series is not None:
        parts = {name: slice(k, k + 1) for k, name in enumerate(series)}
        content["series"] = {name: _part(sums, s, slice(None), scale, season_scale) for name, s in parts.items()}
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
    series_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """`finish` of one `sum_errors`: scores of windows that are all in memory."""
    sums = sum_errors(y_true, mask, forecasts, epsilon=epsilon, series=series, n_series=len(season_scale))
    return finish(sums, targets=targets, scale=scale, season_scale=season_scale, series=series_names)


def rmse_by_step(sums: ScoreSums) -> dict[str, Float[np.ndarray, " horizon"]]:
    """RMSE at each step, [horizon] float64, of every forecast; NaN at a step where nothing counts."""
    count = sums.truth.by_step.sum(axis=1)
    return {name: np.sqrt(_ratio(errors.by_step[2].sum(axis=1), count)) for name, errors in sums.errors.items()}


def _horizon(sums: ScoreSums) -> dict[str, dict[str, float]]:
    absolute = _ratio(sums.errors[MODEL].by_step[1].sum(axis=1), sums.truth.by_step.sum(axis=1))
    rows = enumerate(zip(absolute, rmse_by_step(sums)[MODEL], strict=True), start=1)
    return {str(step): {"mae": float(mae), "rmse": float(rmse)} for step, (mae, rmse) in rows}


def _part(
    sums: ScoreSums, series: slice, target: slice, scale: np.ndarray, season_scale: np.ndarray
) -> dict[str, float]:
    """The model's metrics over some series and targets."""
    cells = (series, target)
    part = TruthSums(
        by_step=sums.truth.by_step[:, target],
        by_series=sums.truth.by_series[cells],
        mean=sums.truth.mean[cells],
        spread=sums.truth.spread[cells],
    )
    return _metrics(part, sums.errors[MODEL].by_series[:, series, target], scale[target], season_scale[cells])


def _metrics(truth: TruthSums, errors: np.ndarray, scale: np.ndarray, season_scale: np.ndarray) -> dict[str, float]:
    """All metrics over the cells given; `errors` [5, series, targets]."""
    count = truth.by_series.sum()
    error, absolute, squared, percent, symmetric = (float(_ratio(term.sum(), count)) for term in errors)
    usable = usable_scale(season_scale)
    scaled = np.sum(errors[1] / np.where(usable, season_scale, 1.0), where=usable)
    spread = _spread(truth)
    return {
        "mae": absolute,
        "mse": squared,
        "rmse": math.sqrt(squared),
        "robust_mape": 100 * percent,
        "smape": 100 * symmetric,
        "mase": float(_ratio(scaled, truth.by_series.sum(where=usable))),
        "r2": 1 - float(errors[2].sum()) / spread if spread > 0 else math.nan,
        "bias": error,
        "z_mse": float(_ratio((errors[2] / scale**2).sum(), count)),
        "z_mae": float(_ratio((errors[1] / scale).sum(), count)),
    }


def _spread(truth: TruthSums) -> float:
    """Sum of squared deviations of the true values from the mean of their target over all series."""
    count = truth.by_series
    mean = _ratio((count * truth.mean).sum(axis=0), count.sum(axis=0))
    between = np.where(count > 0, count * (truth.mean - mean) ** 2, 0.0)
    spread = float((truth.spread + between).sum())
    # Constant values leave rounding noise of their mean here, which would blow R2 up.
    return spread if spread > CONSTANT * float((count * truth.mean**2).sum()) else 0.0


def _verdict(model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    if not baselines:
        return {}
    best = min(baselines, key=lambda name: (math.isnan(baselines[name]["rmse"]), baselines[name]["rmse"]))
    rmse = baselines[best]["rmse"]
    return {
        "skill": 1 - model["rmse"] / rmse if rmse > 0 else math.nan,
        "best_baseline": best,
        "beats_baselines": model["rmse"] < rmse,
    }


def _ratio(total: np.ndarray | np.number, count: np.ndarray | np.number) -> np.ndarray:
    """``total / count``, NaN where the count is 0."""
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=np.asarray(count) > 0)
