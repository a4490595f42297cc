"""Sums of errors over windows, chunk by chunk: all that is kept of the windows to score them.

Windows come in chunks. `sum_errors` turns a chunk into sums and `merge` adds sums up: a chunk can be
forgotten as soon as it is summed. `scores.finish` turns the sums into metrics.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.evaluation.metrics import absolute_ratio, check_epsilon, check_shapes, symmetric_ratio, usable_scale

MODEL = "model"
HOURS = 24

Values = Float[np.ndarray, "windows horizon targets"]
PerTarget = Float[np.ndarray, " targets"]


@dataclass(frozen=True)
class Parts:
    """The same sums over each step, each series and each hour of the day (UTC).

    Attributes
    ----------
    step : [..., horizon, targets]
    series : [..., series, targets]
    hour : [..., 24, targets]
    """

    step: np.ndarray
    series: np.ndarray
    hour: np.ndarray

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(self.step + other.step, self.series + other.series, self.hour + other.hour)


@dataclass(frozen=True)
class TruthSums:
    """What is known of the counted true values, in each step, series or hour.

    Attributes
    ----------
    count : [parts, targets] float64, how many count
    scaled : [parts, targets] float64, how many count for MASE: those whose series has a scale
    mean : [parts, targets] float64, data units
    spread : [parts, targets] float64, sum of squared deviations from `mean`
    """

    count: Float[np.ndarray, "parts targets"]
    scaled: Float[np.ndarray, "parts targets"]
    mean: Float[np.ndarray, "parts targets"]
    spread: Float[np.ndarray, "parts targets"]

    def __getitem__(self, cells: Any) -> "TruthSums":
        return TruthSums(self.count[cells], self.scaled[cells], self.mean[cells], self.spread[cells])


@dataclass(frozen=True)
class ScoreSums:
    """Sums over the windows seen so far.

    Attributes
    ----------
    windows : int
    truth : Parts of TruthSums
    errors : dict of name -> Parts of [6, parts, targets] float64: sums of the error, its absolute value, its
        square, its ratio in the robust MAPE, its ratio in the sMAPE, its ratio to the scale of MASE;
        the model under `MODEL`, the rest are baselines
    """

    windows: int
    truth: Parts
    errors: dict[str, Parts]


@dataclass(frozen=True)
class Layout:
    """Which step, series and hour each value belongs to, and the sums over them."""

    series: Int[np.ndarray, " windows"]
    n_series: int
    hour: Int[np.ndarray, "windows horizon"]

    def sums(self, values: Values) -> Parts:
        """Sums over the windows, [parts, targets] float64."""
        return Parts(
            step=values.sum(axis=0, dtype=np.float64),
            series=_grouped(values.sum(axis=1, dtype=np.float64), self.series, self.n_series),
            hour=_grouped(values.reshape(-1, values.shape[2]), self.hour.reshape(-1), HOURS),
        )

    def spread(self, parts: Parts) -> Parts:
        """Values of each part at each value of the windows: [windows, horizon, targets], or what broadcasts to it."""
        return Parts(step=parts.step, series=parts.series[self.series][:, None], hour=parts.hour[self.hour])


def _grouped(values: Float[np.ndarray, "n targets"], group: Int[np.ndarray, " n"], groups: int) -> np.ndarray:
    """Sums over each group, [groups, targets] float64."""
    columns = [np.bincount(group, weights=column, minlength=groups) for column in values.T]
    # bincount of an empty chunk is int.
    return np.stack(columns, axis=-1).astype(np.float64)


def sum_errors(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    forecasts: Mapping[str, np.ndarray],
    *,
    epsilon: PerTarget,
    season_scale: Float[np.ndarray, "series targets"],
    series: Int[np.ndarray, " windows"] | None = None,
    hour: Int[np.ndarray, "windows horizon"] | None = None,
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
    season_scale : np.ndarray
        [series, targets] scale of MASE (`metrics.seasonal_naive_scale`), one row for each series of all chunks.
    series : np.ndarray, optional
        [windows] int, row in `season_scale`; all windows are of series 0 without it.
    hour : np.ndarray, optional
        [windows, horizon] int, hour of the day of each value, 0 to 23; all 0 without it.

    Raises
    ------
    ValueError
        A shape differs, `epsilon` is not above 0, a series is outside its range, or no forecast
        has the name `MODEL`.
    """
    layout = Layout(
        series=np.zeros(len(y_true), dtype=np.int64) if series is None else series,
        n_series=len(season_scale),
        hour=np.zeros(y_true.shape[:2], dtype=np.int64) if hour is None else hour,
    )
    _check(y_true, mask, forecasts, layout)
    check_epsilon(epsilon)
    truth = np.where(mask, y_true, 0.0).astype(np.float64)
    usable = usable_scale(season_scale)
    # A multiplication is cheaper than a division, and 0 leaves out what has no scale.
    weight = np.divide(1.0, season_scale, out=np.zeros(season_scale.shape), where=usable)[layout.series][:, None]
    scaled = mask & usable[layout.series][:, None]
    return ScoreSums(
        windows=len(y_true),
        truth=_truth_sums(truth, mask, scaled, layout),
        errors={
            name: _error_sums(truth, np.where(mask, forecast, 0.0), epsilon, weight, layout)
            for name, forecast in forecasts.items()
        },
    )


def _check(y_true: np.ndarray, mask: np.ndarray, forecasts: Mapping[str, np.ndarray], layout: Layout) -> None:
    if MODEL not in forecasts:
        raise ValueError(f"one forecast must be named {MODEL!r}, but there are: {', '.join(forecasts)}")
    for forecast in forecasts.values():
        check_shapes(y_true, forecast, mask)
    series, n = layout.series, layout.n_series
    if len(series) and not 0 <= series.min() <= series.max() < n:
        raise ValueError(f"series must lie in 0 to {n - 1}, but reach from {series.min()} to {series.max()}")


def _error_sums(y: np.ndarray, p: np.ndarray, epsilon: np.ndarray, weight: np.ndarray, layout: Layout) -> Parts:
    error = p - y
    size = np.abs(error)
    terms = (
        error,
        size,
        np.square(error),
        absolute_ratio(y, p, epsilon),
        symmetric_ratio(y, p),
        size * weight,
    )
    sums = [layout.sums(term) for term in terms]
    return Parts(
        step=np.stack([term.step for term in sums]),
        series=np.stack([term.series for term in sums]),
        hour=np.stack([term.hour for term in sums]),
    )


def _truth_sums(y: np.ndarray, mask: np.ndarray, scaled: np.ndarray, layout: Layout) -> Parts:
    count, usable, total = layout.sums(mask), layout.sums(scaled), layout.sums(y)
    mean = _each(lambda total, count: total / np.maximum(count, 1), total, count)
    centred = _each(lambda centre: np.where(mask, y - centre, 0.0) ** 2, layout.spread(mean))
    spread = Parts(
        step=layout.sums(centred.step).step,
        series=layout.sums(centred.series).series,
        hour=layout.sums(centred.hour).hour,
    )
    return _each(TruthSums, count, usable, mean, spread)


def _each(function: Callable[..., Any], *parts: Parts) -> Parts:
    """`function` of the steps, of the series and of the hours."""
    return Parts(
        step=function(*(part.step for part in parts)),
        series=function(*(part.series for part in parts)),
        hour=function(*(part.hour for part in parts)),
    )


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
        truth=_each(_merge_truth, first.truth, second.truth),
        errors={name: mine + second.errors[name] for name, mine in first.errors.items()},
    )


def _merge_truth(first: TruthSums, second: TruthSums) -> TruthSums:
    # Mean and spread are merged as in Chan, Golub and LeVeque (1983), The American Statistician 37,
    # 242-247: sums of squares less the squared mean would lose all digits where values lie far from 0.
    total = first.count + second.count
    share = second.count / np.maximum(total, 1)
    step = second.mean - first.mean
    return TruthSums(
        count=total,
        scaled=first.scaled + second.scaled,
        mean=first.mean + step * share,
        spread=first.spread + second.spread + step**2 * first.count * share,
    )
