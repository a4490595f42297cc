"""How good the prediction intervals are: coverage, width, interval score, and CRPS."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.inference.interval_score import interval_score
from spline_lstm.inference.intervals import Bound, Intervals, Values, level_name

OfWindows = Float[np.ndarray, "windows targets"]

# Values that are judged at once: few enough for the cache of a core.
BLOCK_VALUES = 12_000
# Thirds of the test windows by recent change, from calm to volatile.
TERCILES = ("low", "middle", "high")


@dataclass(frozen=True)
class CoverageSums:
    """Sums over windows: values that count, values inside the intervals, widths, scores.

    Attributes
    ----------
    count : [horizon, targets] float64
    inside, width, score : [levels, horizon, targets] float64
        Count, data units, and data units (`interval_score`).
    crps : [horizon, targets] float64, data units
    series_count : [series] float64
    series_inside : [levels, series] float64
    tercile_count : [terciles] float64
    tercile_inside, tercile_width, tercile_score : [levels, terciles] float64
    """

    count: Float[np.ndarray, "horizon targets"]
    inside: Float[np.ndarray, "levels horizon targets"]
    width: Float[np.ndarray, "levels horizon targets"]
    score: Float[np.ndarray, "levels horizon targets"]
    crps: Float[np.ndarray, "horizon targets"]
    series_count: Float[np.ndarray, " series"]
    series_inside: Float[np.ndarray, "levels series"]
    tercile_count: Float[np.ndarray, " terciles"]
    tercile_inside: Float[np.ndarray, "levels terciles"]
    tercile_width: Float[np.ndarray, "levels terciles"]
    tercile_score: Float[np.ndarray, "levels terciles"]

    def __add__(self, other: "CoverageSums") -> "CoverageSums":
        names = [item.name for item in fields(self)]
        return CoverageSums(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True)
class Groups:
    """Which series and which tercile of recent change each window belongs to.

    Attributes
    ----------
    series : [windows] int64, 0 to `n_series` - 1
    n_series : int
    tercile : [windows, targets] int64, index into `TERCILES`
    """

    series: Int[np.ndarray, " windows"]
    n_series: int
    tercile: Int[np.ndarray, "windows targets"]

    def by_series(self, values: OfWindows) -> Float[np.ndarray, " series"]:
        """Sums over each series."""
        return np.bincount(self.series, weights=values.sum(axis=1), minlength=self.n_series).astype(
            np.float64
        )

    def by_tercile(self, values: OfWindows) -> Float[np.ndarray, " terciles"]:
        """Sums over each tercile."""
        return np.bincount(
            self.tercile.reshape(-1), weights=values.reshape(-1), minlength=len(TERCILES)
        ).astype(np.float64)


def sum_coverage(
    y_true: Values,
    mask: Bool[np.ndarray, "windows horizon targets"],
    bounds: tuple[Bound, Bound],
    levels: Sequence[float],
    groups: Groups,
    crps: Values,
) -> CoverageSums:
    """Sum up windows; a value on a bound is inside, and only values whose `mask` is True count."""
    steps: list[np.ndarray] = []
    terciles: list[np.ndarray] = []
    by_series: list[np.ndarray] = []
    missing = np.flatnonzero(~mask)
    # One place for all levels: memory that was just returned to the system is slow to get again.
    judged = np.empty((3, *y_true.shape))
    for index, level in enumerate(levels):
        lower, upper = (bound[..., index] for bound in bounds)
        _put_judged(y_true, lower, upper, level, judged)
        for values in judged:
            values.reshape(-1)[missing] = 0.0
        of_windows = [values.sum(axis=1) for values in judged]
        steps.append(np.array([values.sum(axis=0) for values in judged]))
        terciles.append(np.array([groups.by_tercile(values) for values in of_windows]))
        by_series.append(groups.by_series(of_windows[0]))
    counts = mask.astype(np.float64)
    crps = crps.copy()
    crps.reshape(-1)[missing] = 0.0
    of_steps = np.array(steps).reshape(len(levels), 3, *mask.shape[1:])
    of_terciles = np.array(terciles).reshape(len(levels), 3, len(TERCILES))
    return CoverageSums(
        counts.sum(axis=0),
        *of_steps.swapaxes(0, 1),
        crps=crps.sum(axis=0),
        series_count=groups.by_series(counts.sum(axis=1)),
        series_inside=np.array(by_series).reshape(len(levels), groups.n_series),
        tercile_count=groups.by_tercile(counts.sum(axis=1)),
        tercile_inside=of_terciles[:, 0],
        tercile_width=of_terciles[:, 1],
        tercile_score=of_terciles[:, 2],
    )


def _put_judged(
    y_true: Values,
    lower: Values,
    upper: Values,
    level: float,
    judged: Float[np.ndarray, "three windows horizon targets"],
) -> None:
    """Put 1 inside and 0 outside, width and score of each value in their place."""
    size = max(1, BLOCK_VALUES // max(1, math.prod(y_true.shape[1:])))
    for start in range(0, len(y_true), size):
        own = slice(start, start + size)
        y, low, high = y_true[own], lower[own], upper[own]
        inside, width, score = judged[:, own]
        np.logical_and(low <= y, y <= high, out=inside)
        np.subtract(high, low, out=width)
        score[...] = interval_score(y, low, high, level)


def coverage_content(
    sums: CoverageSums,
    intervals: Intervals,
    targets: Sequence[str],
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Coverage (percent of the observed values inside), mean width and score (data units).

    Returns
    -------
    dict
        Content of metrics/evaluate.json: `interval_method`, `interval_width` (constant or scaled),
        `crps`, `coverage_80`, `width_80` and `winkler_80` for each level, and `intervals`: one
        record per level with `interval` (the level), `coverage`, `width`, `winkler`, and lists of
        the same by step, by target, by tercile of the recent change and, if `series` gives names,
        by series (only coverage); `n` counts the observed values of a step, tercile or series.
        `interval_targets` has for each target its CRPS and the exponent of the recent change.
    """
    local = intervals.local
    exponents = np.zeros(len(targets)) if local is None else local.exponents
    content: dict[str, Any] = {
        "interval_method": intervals.method,
        "interval_width": "scaled" if exponents.any() else "constant",
    }
    if intervals.levels:
        content["crps"] = _mean(sums.crps, sums.count)
    records = []
    for index, level in enumerate(intervals.levels):
        parts = sums.inside[index], sums.width[index], sums.score[index]
        overall = _numbers(parts, sums.count)
        content |= {f"{key}_{level_name(level)}": value for key, value in overall.items()}
        record: dict[str, Any] = {"interval": level_name(level), **overall}
        record["steps"] = [
            {
                "step": str(step + 1),
                "n": int(count.sum()),
                **_numbers([part[step] for part in parts], count),
            }
            for step, count in enumerate(sums.count)
        ]
        record["targets"] = [
            {"target": name, **_numbers([part[:, k] for part in parts], sums.count[:, k])}
            for k, name in enumerate(targets)
        ]
        record["terciles"] = _terciles(sums, index)
        if series is not None:
            record["series"] = [
                {
                    "series": name,
                    "n": int(sums.series_count[k]),
                    "coverage": 100 * _mean(sums.series_inside[index, k], sums.series_count[k]),
                }
                for k, name in enumerate(series)
            ]
        records.append(record)
    by_target = [
        {
            "target": name,
            "crps": _mean(sums.crps[:, k], sums.count[:, k]),
            "exponent": float(exponents[k]),
        }
        for k, name in enumerate(targets)
    ]
    return content | {"intervals": records, "interval_targets": by_target if records else []}


def _terciles(sums: CoverageSums, index: int) -> list[dict[str, Any]]:
    """Coverage, width and score of one level in each tercile of the recent change."""
    parts = sums.tercile_inside[index], sums.tercile_width[index], sums.tercile_score[index]
    return [
        {
            "tercile": name,
            "n": int(count),
            **_numbers([part[k] for part in parts], count),
        }
        for k, (name, count) in enumerate(zip(TERCILES, sums.tercile_count, strict=True))
    ]


def _numbers(parts: Sequence[np.ndarray], count: np.ndarray) -> dict[str, float]:
    """Means of the sums `inside`, `width` and `score`."""
    inside, width, score = (_mean(part, count) for part in parts)
    return {"coverage": 100 * inside, "width": width, "winkler": score}


def _mean(total: np.ndarray, count: np.ndarray) -> float:
    number = float(np.sum(count))
    return float(np.sum(total)) / number if number else math.nan
