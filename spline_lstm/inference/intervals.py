"""Prediction intervals: split-conformal half widths, quantiles of the network, and how often they cover.

Split conformal (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-Free Predictive Inference
for Regression", Journal of the American Statistical Association 113, 1094-1111): of n absolute residuals of
windows that the training did not fit, the half width at level a is the one of rank ``ceil((n + 1) a)``, for
each step and target by itself. A new value of the same distribution then lies in ``p -+ half width`` with a
probability of at least a. The promise holds where validation and test part are exchangeable: a drift breaks
it, which is why the coverage on the test part is measured and reported.

Series are not exchangeable where one is harder than another: of several, residuals count in units of the mean
absolute error that each had in training, and half widths are multiplied by it (ibid., section 5.2).

Levels are in percent everywhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.errors import ArtifactError

CONFORMAL, QUANTILES, NONE = "split conformal", "quantiles", "none"

# Lower and upper bound of each level, data units.
Bounds = Float[np.ndarray, "levels two windows horizon targets"]
Values = Float[np.ndarray, "windows horizon targets"]


@dataclass(frozen=True)
class Intervals:
    """How prediction intervals are made.

    Attributes
    ----------
    method : str
        ``split conformal`` (forecast -+ half width), ``quantiles`` (of the network) or ``none``.
    levels : tuple of float
        Percent, increasing.
    half_widths : [levels, horizon, targets] float64, data units, or multiples of `scales`
        inf where there are too few residuals for the level; no levels but with split conformal.
    count : [horizon, targets] int64
        Residuals that the half widths come from.
    scales : [series + 1, targets] float64, data units
        What half widths are multiplied by, series in the order of preprocessor.json; the last row is for a series
        that was not there. None: half widths are in data units.
    """

    method: str
    levels: tuple[float, ...]
    half_widths: Float[np.ndarray, "levels horizon targets"]
    count: Int[np.ndarray, "horizon targets"]
    scales: Float[np.ndarray, "rows targets"] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain content for models/intervals.json.

        `half_widths` [level][step][target], null where infinite; `scales` [series][target] where there are any.
        """
        widths = self.half_widths.astype(object)
        widths[~np.isfinite(self.half_widths)] = None
        content = {
            "method": self.method,
            "levels": list(self.levels),
            "half_widths": widths.tolist(),
            "n": self.count.tolist(),
        }
        return content if self.scales is None else {**content, "scales": self.scales.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Intervals":
        """Read what `to_json` gave; ArtifactError where a key is missing."""
        try:
            widths = np.array(content["half_widths"], dtype=np.float64)
            return cls(
                method=content["method"],
                levels=tuple(float(level) for level in content["levels"]),
                half_widths=np.where(np.isnan(widths), np.inf, widths),
                count=np.array(content["n"], dtype=np.int64),
                scales=np.array(content["scales"], dtype=np.float64)
                if "scales" in content
                else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"models/intervals.json lacks or holds a wrong {error}; run `dvc repro`"
            ) from None


def conformal_intervals(residuals: Values, levels: Sequence[float]) -> Intervals:
    """Half widths for each level, step and target.

    Parameters
    ----------
    residuals : np.ndarray
        [windows, horizon, targets] forecast - observed on windows that the training did not fit, data
        units, NaN where not observed.
    levels : sequence of float
        Percent, above 0 and below 100.

    >>> residuals = np.arange(1.0, 10.0).reshape(9, 1, 1)
    >>> conformal_intervals(residuals, [50, 90, 95]).half_widths.ravel().tolist()
    [5.0, 9.0, inf]
    """
    # NaN is sorted behind all numbers.
    size = np.sort(np.abs(residuals), axis=0)
    count = np.isfinite(residuals).sum(axis=0)
    width = np.full((len(levels), *count.shape), np.inf)
    for index, level in enumerate(levels):
        for cell in np.ndindex(*count.shape):
            rank = conformal_rank(int(count[cell]), level)
            if rank <= count[cell]:
                width[(index, *cell)] = size[(rank - 1, *cell)]
    return Intervals(CONFORMAL, tuple(float(level) for level in levels), width, count)


def conformal_rank(count: int, level: float) -> int:
    """Rank ``ceil((n + 1) level)`` of the residual that is the half width; above n where it is infinite.

    >>> [conformal_rank(n, 80) for n in (3, 4, 9, 99)]
    [4, 4, 8, 80]
    """
    # As a fraction: 0.1 x 30 as a float is above 3, and its ceiling 4.
    return math.ceil(Fraction(str(level)) * (count + 1) / 100)


def no_intervals(horizon: int, targets: int) -> Intervals:
    """Of a network that forecasts a probability, whose residuals say nothing about a band around it."""
    return Intervals(
        NONE, (), np.empty((0, horizon, targets)), np.zeros((horizon, targets), dtype=np.int64)
    )


def quantile_intervals(quantiles: Sequence[float], horizon: int, targets: int) -> Intervals:
    """The levels that a network's quantiles give: those of each pair that lies evenly around 0.5."""
    levels = tuple(level for _, _, level in quantile_pairs(quantiles))
    return Intervals(
        QUANTILES,
        levels,
        np.empty((0, horizon, targets)),
        np.zeros((horizon, targets), dtype=np.int64),
    )


def quantile_pairs(quantiles: Sequence[float]) -> list[tuple[int, int, float]]:
    """Positions of the lower and the upper quantile of each interval, and its level in percent.

    >>> quantile_pairs([0.025, 0.1, 0.5, 0.9, 0.975])
    [(1, 3, 80.0), (0, 4, 95.0)]
    """
    pairs = [
        (low, high, round(100 * (quantiles[high] - quantiles[low]), 6))
        for low in range(len(quantiles))
        for high in range(low + 1, len(quantiles))
        if math.isclose(quantiles[low] + quantiles[high], 1.0, abs_tol=1e-9)
    ]
    return sorted(pairs, key=lambda pair: pair[2])


def conformal_bounds(
    forecast: Values, intervals: Intervals, series: Int[np.ndarray, " windows"]
) -> Bounds:
    """``forecast -+ half width``, data units; `series` is the row of each window in `Intervals.scales`."""
    width = intervals.half_widths[:, None]
    if intervals.scales is not None:
        width = width * intervals.scales[series][:, None]
    return np.stack([forecast - width, forecast + width], axis=1)


def quantile_bounds(
    quantiles: Float[np.ndarray, "windows horizon targets all"], levels: Sequence[float]
) -> Bounds:
    """The pairs of quantiles of a network as bounds; `levels` are those of `config.quantiles`."""
    pairs = [(low, high) for low, high, _ in quantile_pairs(levels)]
    chosen = [np.stack([quantiles[..., low], quantiles[..., high]]) for low, high in pairs]
    return np.stack(chosen) if chosen else np.empty((0, 2, *quantiles.shape[:3]))


def level_name(level: float) -> str:
    """A level as it stands in names of columns and metrics.

    >>> [level_name(level) for level in (80.0, 97.5)]
    ['80', '97.5']
    """
    return f"{level:g}"


def interval_columns(levels: Sequence[float]) -> list[str]:
    """Names of the columns of the bounds.

    >>> interval_columns([80, 97.5])
    ['lower_80', 'upper_80', 'lower_97.5', 'upper_97.5']
    """
    return [f"{side}_{level_name(level)}" for level in levels for side in ("lower", "upper")]


@dataclass(frozen=True)
class CoverageSums:
    """Of the windows seen so far: how many values count, lie inside, and how wide the intervals are.

    Attributes
    ----------
    count : [horizon, targets] float64
    inside, width : [levels, horizon, targets] float64
    series_count : [series] float64
    series_inside : [levels, series] float64
    """

    count: Float[np.ndarray, "horizon targets"]
    inside: Float[np.ndarray, "levels horizon targets"]
    width: Float[np.ndarray, "levels horizon targets"]
    series_count: Float[np.ndarray, " series"]
    series_inside: Float[np.ndarray, "levels series"]

    def __add__(self, other: "CoverageSums") -> "CoverageSums":
        return CoverageSums(
            self.count + other.count,
            self.inside + other.inside,
            self.width + other.width,
            self.series_count + other.series_count,
            self.series_inside + other.series_inside,
        )


def sum_coverage(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    bounds: Bounds,
    series: Int[np.ndarray, " windows"],
    n_series: int,
) -> CoverageSums:
    """Count the values inside the intervals, bounds included; only values where `mask` is True count."""
    inside = (bounds[:, 0] <= y_true) & (y_true <= bounds[:, 1]) & mask
    return CoverageSums(
        count=mask.sum(axis=0).astype(np.float64),
        inside=inside.sum(axis=1).astype(np.float64),
        width=np.where(mask, bounds[:, 1] - bounds[:, 0], 0.0).sum(axis=1),
        series_count=np.bincount(series, weights=mask.sum(axis=(1, 2)), minlength=n_series),
        series_inside=np.array(
            [
                np.bincount(series, weights=level.sum(axis=(1, 2)), minlength=n_series)
                for level in inside
            ]
        ).reshape(len(bounds), n_series),
    )


def coverage_content(
    sums: CoverageSums,
    intervals: Intervals,
    targets: Sequence[str],
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Coverage (percent of the observed values inside) and mean width (data units) for metrics/evaluate.json.

    Returns
    -------
    dict
        `interval_method`, `coverage_80` and `width_80` for each level, and `intervals`: one record per level
        with `interval` (the level), `coverage`, `width`, and lists of the same by step, target and, with
        names, series (coverage alone); `n` counts the observed values of a step or series.
    """
    content: dict[str, Any] = {"interval_method": intervals.method}
    records = []
    for index, level in enumerate(intervals.levels):
        inside, width = sums.inside[index], sums.width[index]
        overall = _coverage(inside, width, sums.count)
        content |= {f"{key}_{level_name(level)}": value for key, value in overall.items()}
        record: dict[str, Any] = {"interval": level_name(level), **overall}
        record["steps"] = [
            {
                "step": str(step + 1),
                "n": int(count.sum()),
                **_coverage(inside[step], width[step], count),
            }
            for step, count in enumerate(sums.count)
        ]
        record["targets"] = [
            {"target": name, **_coverage(inside[:, k], width[:, k], sums.count[:, k])}
            for k, name in enumerate(targets)
        ]
        if series is not None:
            record["series"] = [
                {
                    "series": name,
                    "n": int(sums.series_count[k]),
                    "coverage": _share(sums.series_inside[index, k], sums.series_count[k]),
                }
                for k, name in enumerate(series)
            ]
        records.append(record)
    return content | {"intervals": records}


def _coverage(inside: np.ndarray, width: np.ndarray, count: np.ndarray) -> dict[str, float]:
    total = float(count.sum())
    return {
        "coverage": _share(float(inside.sum()), total),
        "width": float(width.sum()) / total if total else math.nan,
    }


def _share(inside: float, count: float) -> float:
    return 100 * float(inside) / float(count) if count else math.nan
