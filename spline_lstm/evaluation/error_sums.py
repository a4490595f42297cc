"""Sums of errors over windows, chunk by chunk: all that is kept of the windows to score them.

Windows come in chunks. `sum_errors` turns a chunk into sums and `merge` adds sums up: a chunk can
be forgotten as soon as it is summed. `scores.finish` turns the sums into metrics.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.evaluation.metrics import check_epsilon, check_shapes, usable_scale

MODEL = "model"
HOURS = 24
# Values that are summed at once: few enough for the cache of a core, which halves the time.
BLOCK_VALUES = 50_000
TINY = np.finfo(np.float64).tiny

Values = Float[np.ndarray, "windows horizon targets"]
PerTarget = Float[np.ndarray, " targets"]
Sums = TypeVar("Sums")


@dataclass(frozen=True)
class Grouped(Generic[Sums]):
    """The same sums over each step, each series and each hour of the day.

    Attributes
    ----------
    step : [..., horizon, targets]
    series : [..., series, targets]
    hour : [..., 24, targets]
    """

    step: Sums
    series: Sums
    hour: Sums


@dataclass(frozen=True)
class TruthSums:
    """What is known of the counted true values, in each group (step, series or hour).

    Attributes
    ----------
    count : [groups, targets] float64, how many count
    scaled : [groups, targets] float64, how many count for MASE: those whose series has a scale
    mean : [groups, targets] float64, data units
    deviation : [groups, targets] float64, sum of squared deviations from `mean`
    """

    count: Float[np.ndarray, "groups targets"]
    scaled: Float[np.ndarray, "groups targets"]
    mean: Float[np.ndarray, "groups targets"]
    deviation: Float[np.ndarray, "groups targets"]

    def __getitem__(self, index: Any) -> "TruthSums":
        return TruthSums(*(term[index] for term in vars(self).values()))


@dataclass(frozen=True)
class ErrorSums:
    """Sums over the counted errors of one forecast, in each group (step, series or hour).

    Attributes
    ----------
    error : [groups, targets] float64, forecast - truth
    absolute : [groups, targets] float64, its absolute value
    squared : [groups, targets] float64, its square
    percent : [groups, targets] float64, its ratio in the robust MAPE
    symmetric : [groups, targets] float64, its ratio in the sMAPE
    scaled : [groups, targets] float64, its ratio to the scale of MASE
    """

    error: Float[np.ndarray, "groups targets"]
    absolute: Float[np.ndarray, "groups targets"]
    squared: Float[np.ndarray, "groups targets"]
    percent: Float[np.ndarray, "groups targets"]
    symmetric: Float[np.ndarray, "groups targets"]
    scaled: Float[np.ndarray, "groups targets"]

    def __getitem__(self, index: Any) -> "ErrorSums":
        return ErrorSums(*(term[index] for term in vars(self).values()))

    def __add__(self, other: "ErrorSums") -> "ErrorSums":
        return ErrorSums(*map(add, vars(self).values(), vars(other).values()))

    @classmethod
    def only_squared(cls, squared: Float[np.ndarray, "groups targets"]) -> "ErrorSums":
        """Sums of which only the squares are known; the others are NaN."""
        unknown = np.full(squared.shape, np.nan)
        return cls(unknown, unknown, squared, unknown, unknown, unknown)


@dataclass(frozen=True)
class ScoreSums:
    """Sums over the windows seen so far.

    Attributes
    ----------
    windows : int
    truth : Grouped of TruthSums
    errors : dict of name -> Grouped of ErrorSums
        The model under `MODEL`, the rest are baselines, of which `hour` has only the squares.
    """

    windows: int
    truth: Grouped[TruthSums]
    errors: dict[str, Grouped[ErrorSums]]


@dataclass(frozen=True)
class Layout:
    """Which step, series and hour each value belongs to, and the sums over them.

    Attributes
    ----------
    series : [windows] int, 0 to `n_series` - 1
    n_series : int
    hour : [windows, horizon] int, 0 to 23
    """

    series: Int[np.ndarray, " windows"]
    n_series: int
    hour: Int[np.ndarray, "windows horizon"]

    @cached_property
    def runs(self) -> Int[np.ndarray, " runs"]:
        """The first window of each run of windows of one series."""
        return np.flatnonzero(np.diff(self.series, prepend=-1))

    def sums(self, values: Values) -> Grouped[np.ndarray]:
        """Sums over the windows, [groups, targets] float64."""
        return Grouped(*self.step_and_series(self.by_run(values)), self.by_hour(values))

    def by_run(self, values: Values) -> Float[np.ndarray, "runs horizon targets"]:
        """Sums over each run of windows of one series: windows come series by series."""
        return (
            np.add.reduceat(values, self.runs, axis=0, dtype=np.float64) if len(values) else values
        )

    def step_and_series(
        self, by_run: Float[np.ndarray, "runs horizon targets"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums over the windows of each step, and of each series."""
        of_run = self.series[self.runs]
        return by_run.sum(axis=0), _grouped(by_run.sum(axis=1), of_run, self.n_series)

    def by_hour(self, values: Values) -> np.ndarray:
        """Sums over the windows of each hour of the day."""
        return _grouped(values.reshape(-1, values.shape[2]), self.hour.reshape(-1), HOURS)

    def at_windows(self, grouped: Grouped[np.ndarray]) -> Grouped[np.ndarray]:
        """The value of its group for each value of the windows.

        All broadcast to [windows, horizon, targets].
        """
        return Grouped(
            step=grouped.step,
            series=grouped.series[self.series][:, None],
            hour=grouped.hour[self.hour],
        )


def _grouped(
    values: Float[np.ndarray, "n targets"], group: Int[np.ndarray, " n"], groups: int
) -> np.ndarray:
    """Sums over each group, [groups, targets] float64."""
    columns = [np.bincount(group, weights=column, minlength=groups) for column in values.T]
    # bincount of an empty chunk is int.
    return np.stack(columns, axis=-1).astype(np.float64)


def sum_errors(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    forecasts: Mapping[str, np.ndarray],
    *,
    epsilon: Float[np.ndarray, "series targets"],
    season_scale: Float[np.ndarray, "series targets"],
    series: Int[np.ndarray, " windows"] | None = None,
    hour: Int[np.ndarray, "windows horizon"] | None = None,
) -> ScoreSums:
    """Sum the errors of one chunk of windows.

    Parameters
    ----------
    y_true : np.ndarray
        [windows, horizon, targets] data units; anything, also NaN, where `mask` is False.
    mask : np.ndarray
        Same shape, bool, True where a value counts.
    forecasts : mapping
        Name -> forecast of the same shape; the model under `MODEL`.
    epsilon : np.ndarray
        [series, targets] floor of the robust MAPE, data units.
    season_scale : np.ndarray
        [series, targets] scale of MASE (`metrics.seasonal_naive_scale`), one row for each series
        of all chunks.
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
    of_window = np.zeros(len(y_true), dtype=np.int64) if series is None else series
    of_value = np.zeros(y_true.shape[:2], dtype=np.int64) if hour is None else hour
    _check(y_true, mask, forecasts, of_window, len(season_scale))
    check_epsilon(epsilon)
    size = max(1, BLOCK_VALUES // max(1, y_true[:1].size))
    blocks = (slice(start, start + size) for start in range(0, max(1, len(y_true)), size))
    return reduce(
        merge,
        (
            _sum_block(
                np.where(mask[rows], y_true[rows], 0.0).astype(np.float64),
                mask[rows],
                {name: forecast[rows] for name, forecast in forecasts.items()},
                Layout(of_window[rows], len(season_scale), of_value[rows]),
                epsilon,
                season_scale,
            )
            for rows in blocks
        ),
    )


def _sum_block(
    truth: np.ndarray,
    mask: np.ndarray,
    forecasts: Mapping[str, np.ndarray],
    layout: Layout,
    epsilon: np.ndarray,
    season_scale: np.ndarray,
) -> ScoreSums:
    usable = usable_scale(season_scale)
    size = np.abs(truth)
    # A multiplication is cheaper than a division, and 0 leaves out what has no scale.
    weight = np.divide(1.0, season_scale, out=np.zeros(season_scale.shape), where=usable)
    known = _Truth(truth, size, 1.0 / np.maximum(size, epsilon[layout.series][:, None]), weight)
    return ScoreSums(
        windows=len(truth),
        truth=_truth_sums(truth, mask, mask & usable[layout.series][:, None], layout),
        errors={
            name: _error_sums(known, np.where(mask, forecast, 0.0), layout, all_hours=name == MODEL)
            for name, forecast in forecasts.items()
        },
    )


def _check(
    y_true: np.ndarray,
    mask: np.ndarray,
    forecasts: Mapping[str, np.ndarray],
    series: np.ndarray,
    n: int,
) -> None:
    if MODEL not in forecasts:
        raise ValueError(
            f"one forecast must be named {MODEL!r}, but there are: {', '.join(forecasts)}"
        )
    for forecast in forecasts.values():
        check_shapes(y_true, forecast, mask)
    if len(series) and not 0 <= series.min() <= series.max() < n:
        raise ValueError(
            f"series must lie in 0 to {n - 1}, but reach from {series.min()} to {series.max()}"
        )


@dataclass(frozen=True)
class _Truth:
    """What all forecasts of a chunk are compared with, and the weights of their errors.

    Attributes
    ----------
    y : 0 if it does not count
    size : ``|y|``
    inverse : 1 / floored size, of the robust MAPE
    weight : [series, targets] 1 / scale of MASE, 0 without a scale
    """

    y: Values
    size: Values
    inverse: Values
    weight: np.ndarray


def _error_sums(
    truth: _Truth, p: np.ndarray, layout: Layout, *, all_hours: bool
) -> Grouped[ErrorSums]:
    error = p - truth.y
    size = np.abs(error)
    both = np.abs(p)
    both += truth.size
    # A pair of zeros counts 0, like the numerator.
    np.maximum(both, TINY, out=both)
    terms = (
        error,
        size,
        np.square(error),
        size * truth.inverse,
        np.divide(2 * size, both, out=both),
    )
    by_run = [layout.by_run(term) for term in terms]
    # All values of a series have the same scale of MASE.
    by_run.append(by_run[1] * truth.weight[layout.series[layout.runs]][:, None])
    step, series = zip(*(layout.step_and_series(term) for term in by_run), strict=True)
    # Sums by hour cost more than all others, and of a baseline only the RMSE is shown.
    if all_hours:
        weighted = (*terms, size * truth.weight[layout.series][:, None])
        hour = ErrorSums(*(layout.by_hour(term) for term in weighted))
    else:
        hour = ErrorSums.only_squared(layout.by_hour(terms[2]))
    return Grouped(ErrorSums(*step), ErrorSums(*series), hour)


def _truth_sums(
    y: np.ndarray, mask: np.ndarray, scaled: np.ndarray, layout: Layout
) -> Grouped[TruthSums]:
    count, usable, total = layout.sums(mask), layout.sums(scaled), layout.sums(y)
    mean = _each(lambda total, count: total / np.maximum(count, 1), total, count)
    centred = _each(lambda centre: np.where(mask, y - centre, 0.0) ** 2, layout.at_windows(mean))
    deviation = Grouped(
        step=centred.step.sum(axis=0),
        series=layout.step_and_series(layout.by_run(centred.series))[1],
        hour=layout.by_hour(centred.hour),
    )
    return _each(TruthSums, count, usable, mean, deviation)


def _each(function: Callable[..., Sums], *grouped: Grouped[Any]) -> Grouped[Sums]:
    """`function` of the steps, of the series and of the hours."""
    return Grouped(
        step=function(*(each.step for each in grouped)),
        series=function(*(each.series for each in grouped)),
        hour=function(*(each.hour for each in grouped)),
    )


def merge(first: ScoreSums, second: ScoreSums) -> ScoreSums:
    """Sums over the windows of both.

    Raises
    ------
    ValueError
        They are of different forecasts.
    """
    if list(first.errors) != list(second.errors):
        raise ValueError(
            f"forecasts differ: {', '.join(first.errors)} and {', '.join(second.errors)}"
        )
    return ScoreSums(
        windows=first.windows + second.windows,
        truth=_each(_merge_truth, first.truth, second.truth),
        errors={name: _each(add, mine, second.errors[name]) for name, mine in first.errors.items()},
    )


def _merge_truth(first: TruthSums, second: TruthSums) -> TruthSums:
    # Mean and deviation are merged as in Chan, Golub and LeVeque (1983), The American Statistician
    # 37, 242-247: sums of squares less the squared mean would lose all digits of values far from 0.
    total = first.count + second.count
    share = second.count / np.maximum(total, 1)
    step = second.mean - first.mean
    return TruthSums(
        count=total,
        scaled=first.scaled + second.scaled,
        mean=first.mean + step * share,
        deviation=first.deviation + second.deviation + step**2 * first.count * share,
    )
