"""Sums of errors over windows, chunk by chunk: all that is kept of the windows to score them.

Windows come in chunks. `sum_errors` turns a chunk into sums and `merge` adds sums up: a chunk can
be forgotten as soon as it is summed. `scores.finish` turns the sums into metrics.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.evaluation.metrics import check_epsilon, check_shapes, usable_scale
from spline_lstm.evaluation.window_groups import Block, Grouped, Layout, OfGroups, Order, Values

MODEL = "model"
# What is summed of each error; of the symmetric ratio only half, ``|e| / (|p| + |y|)``.
TERMS = ("error", "absolute", "squared", "percent", "half symmetric")
# Values that are summed at once: few enough for the cache of a core.
BLOCK_VALUES = 12_000
PerTarget = Float[np.ndarray, " targets"]
TINY = np.finfo(np.float64).tiny

Sums = TypeVar("Sums")


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
    # Of arrays in another layout each block would copy the whole.
    y_true, mask = np.ascontiguousarray(y_true), np.ascontiguousarray(mask)
    forecasts = {name: np.ascontiguousarray(values) for name, values in forecasts.items()}
    order = Order.of(of_window, len(season_scale), of_value)
    size = max(1, BLOCK_VALUES // max(1, math.prod(y_true.shape[1:])))
    return reduce(
        merge,
        (
            _sum_part(_Known(y_true, mask, part, size, epsilon), forecasts, season_scale)
            for part in order.parts()
        ),
    )


@dataclass(frozen=True)
class _Known:
    """What forecasts of some windows are compared with.

    Attributes
    ----------
    y_true, mask : of all windows, see `sum_errors`
    order : Order, of the windows to sum
    size : int, windows of a block
    epsilon : [series, targets]
    """

    y_true: Values
    mask: Bool[np.ndarray, "windows horizon targets"]
    order: Order
    size: int
    epsilon: Float[np.ndarray, "series targets"]

    def zeros(self, *terms: int) -> Float[np.ndarray, "... groups horizon targets"]:
        """Sums before the first block, for some terms or a single one."""
        return np.zeros((*terms, len(self.order.layout.series), *self.y_true.shape[1:]))

    def counted(self) -> Iterator["_Counted"]:
        """The true values that count, in blocks."""
        for block in self.order.blocks(self.size):
            # Those that do not are few: to overwrite them takes less than to choose each value.
            missing = np.flatnonzero(~block.take(self.mask))
            y = block.take(self.y_true).astype(np.float64, copy=False)
            yield _Counted(block, _without(missing, y), missing)

    def truth(self, counted: "_Counted") -> "_Truth":
        """What the forecasts of a block are compared with."""
        size = np.abs(counted.y)
        floor = self.epsilon[self.order.layout.series[counted.block.group]]
        inverse = np.maximum(size, floor[:, None])
        size += TINY
        return _Truth(counted, size, np.divide(1.0, inverse, out=inverse))


def _sum_part(
    known: _Known, forecasts: Mapping[str, np.ndarray], season_scale: np.ndarray
) -> ScoreSums:
    """Sums over the windows of a part, a block at a time, which stays in the cache of a core."""
    layout, count, total = known.order.layout, known.zeros(), known.zeros()
    blocks = list(known.counted())
    for each in blocks:
        each.block.add_to(total, each.y)
        each.block.add_to(count, _without(each.missing, np.ones_like(each.y)))
    mean, deviation = total / np.maximum(count, 1), known.zeros()
    sums = {name: known.zeros(len(TERMS)) for name in forecasts}
    # One place for the terms of all blocks and forecasts: new ones would be new in the cache too.
    place = np.empty((len(TERMS), min(known.size, len(known.order.rows)), *known.y_true.shape[1:]))
    for each in blocks:
        block, truth = each.block, known.truth(each)
        block.add_to(deviation, each.squared_deviations(mean))
        terms = place[:, : len(block.rows)]
        for name, forecast in forecasts.items():
            truth.put_terms(block.take(forecast).astype(np.float64, copy=False), terms)
            block.add_to(sums[name], terms)
    usable = usable_scale(season_scale)
    # A multiplication is cheaper than a division, and 0 leaves out what has no scale.
    weight = np.divide(1.0, season_scale, out=np.zeros(season_scale.shape), where=usable)
    return ScoreSums(
        windows=len(known.order.rows),
        truth=_truth_sums(count, mean, deviation, usable[layout.series][:, None], layout),
        errors={
            name: _error_sums(each, weight[layout.series][:, None], layout, of_model=name == MODEL)
            for name, each in sums.items()
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
class _Counted:
    """The true values of a block.

    Attributes
    ----------
    block : Block
    y : 0 if it does not count
    missing : int, flat positions of values that do not count
    """

    block: Block
    y: Values
    missing: Int[np.ndarray, " n"]

    def squared_deviations(self, mean: OfGroups) -> Values:
        """From the means of the groups; 0 where nothing counts."""
        deviation = np.take(mean, self.block.group, axis=0)
        np.subtract(self.y, deviation, out=deviation)
        return np.square(_without(self.missing, deviation), out=deviation)


@dataclass(frozen=True)
class _Truth:
    """What all forecasts of a block are compared with.

    Attributes
    ----------
    counted : _Counted
    size : ``|y|``, and so little more that no pair of zeros is divided by 0
    inverse : 1 / floored ``|y|``, of the robust MAPE
    """

    counted: _Counted
    size: Values
    inverse: Values

    def put_terms(
        self, p: Values, terms: Float[np.ndarray, "terms windows horizon targets"]
    ) -> None:
        """Put the `TERMS` of a forecast, which is overwritten, in their place."""
        error, size, squared, percent, half_symmetric = terms
        _without(self.counted.missing, p)
        np.subtract(p, self.counted.y, out=error)
        np.abs(error, out=size)
        np.square(error, out=squared)
        np.multiply(size, self.inverse, out=percent)
        both = np.abs(p, out=p)
        both += self.size
        np.divide(size, both, out=half_symmetric)


def _without(missing: Int[np.ndarray, " n"], values: Values) -> Values:
    """The values, of which those at some flat positions are overwritten by 0."""
    values.reshape(-1)[missing] = 0.0
    return values


def _error_sums(
    terms: Float[np.ndarray, "terms groups horizon targets"],
    weight: OfGroups,
    layout: Layout,
    *,
    of_model: bool,
) -> Grouped[ErrorSums]:
    """Sums of the `TERMS` of a forecast; `weight` is 1 / scale of MASE of each group."""
    error, absolute, squared, percent, half_symmetric = terms
    # All values of a group have the same scale of MASE.
    every = (error, absolute, squared, percent, 2.0 * half_symmetric, absolute * weight)
    step, series = zip(*(layout.step_and_series(each) for each in every), strict=True)
    # Of a baseline only the RMSE by hour is shown.
    if of_model:
        hour = ErrorSums(*(layout.by_hour(each) for each in every))
    else:
        hour = ErrorSums.only_squared(layout.by_hour(squared))
    return Grouped(ErrorSums(*step), ErrorSums(*series), hour)


def _truth_sums(
    count: OfGroups, mean: OfGroups, deviation: OfGroups, usable: np.ndarray, layout: Layout
) -> Grouped[TruthSums]:
    counted, scaled, total = (layout.sums(each) for each in (count, count * usable, count * mean))
    centre = _each(lambda total, count: total / np.maximum(count, 1), total, counted)
    # Deviations from the mean of more groups, as in `_merge_truth`.
    around = _each(
        lambda centre: deviation + count * np.square(mean - centre), layout.at_groups(centre)
    )
    squares = Grouped(
        step=around.step.sum(axis=0),
        series=layout.by_series(around.series),
        hour=layout.by_hour(around.hour),
    )
    return _each(TruthSums, counted, scaled, centre, squares)


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
