"""How often the observed values lie inside the prediction intervals, and how wide these are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.inference.intervals import Bound, Intervals, Values, level_name


@dataclass(frozen=True)
class CoverageSums:
    """Sums over windows: values that count, values inside the intervals, widths.

    Attributes
    ----------
    count : [horizon, targets] float64
    inside, width : [levels, horizon, targets] float64, count and data units
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
    bounds: tuple[Bound, Bound],
    series: Int[np.ndarray, " windows"],
    n_series: int,
) -> CoverageSums:
    """Count the values inside the intervals, lower and upper bounds included.

    Only values whose `mask` is True count.
    """
    lower, upper = (np.moveaxis(bound, -1, 0) for bound in bounds)
    inside = (lower <= y_true) & (y_true <= upper) & mask
    return CoverageSums(
        count=mask.sum(axis=0).astype(np.float64),
        inside=inside.sum(axis=1).astype(np.float64),
        width=np.where(mask, upper - lower, 0.0).sum(axis=1),
        series_count=np.bincount(series, weights=mask.sum(axis=(1, 2)), minlength=n_series),
        series_inside=np.array(
            [
                np.bincount(series, weights=level.sum(axis=(1, 2)), minlength=n_series)
                for level in inside
            ]
        ).reshape(len(lower), n_series),
    )


def coverage_content(
    sums: CoverageSums,
    intervals: Intervals,
    targets: Sequence[str],
    series: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Coverage (percent of the observed values inside) and mean width (data units).

    Returns
    -------
    dict
        Content of metrics/evaluate.json: `interval_method`, `coverage_80` and `width_80` for each
        level, and `intervals`: one record per level with `interval` (the level), `coverage`,
        `width`, and lists of the same by step, by target and, if `series` gives names, by series
        (only coverage); `n` counts the observed values of a step or series.
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
