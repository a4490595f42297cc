"""The intervals of batches of test windows, summed for `coverage_content`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.coverage import TERCILES, CoverageSums, Groups, sum_coverage
from spline_lstm.evaluation.crps import Bounds, crps_of_intervals, crps_of_quantiles, crps_of_widths
from spline_lstm.evaluation.forecast_batches import TestBatch
from spline_lstm.inference.intervals import (
    CONFORMAL,
    DISTRIBUTION,
    Intervals,
    Values,
    window_scales,
)
from spline_lstm.inference.recent_change import RecentChange, changes_at, fit_recent_change
from spline_lstm.windows.limits import ForecastLimits
from spline_lstm.windows.windows import Windows

# The limits of the terciles need no more test windows.
TERCILE_WINDOWS = 20_000


@dataclass(frozen=True)
class IntervalSums:
    """What the intervals of test batches are judged by.

    Attributes
    ----------
    intervals : Intervals
    limits : ForecastLimits
        To which a forecast keeps.
    quantile_levels : tuple of float
        Of a quantile network, in (0, 1).
    change : RecentChange
    edges : [2, targets] float64
        Relative recent changes between the terciles of the test windows.
    """

    intervals: Intervals
    limits: ForecastLimits
    quantile_levels: tuple[float, ...]
    change: RecentChange
    edges: Float[np.ndarray, "two targets"]

    @classmethod
    def of(cls, windows: Windows, intervals: Intervals, quantile_levels: Sequence[float]) -> Self:
        """With the terciles of (at most 20,000) test windows."""
        local = intervals.local
        change = fit_recent_change(windows) if local is None else local.change
        origins = windows.splits["test"]
        origins = origins[evenly_spaced(len(origins), TERCILE_WINDOWS)]
        series = np.searchsorted(windows.arrays.series_offsets, origins, side="right") - 1
        relative = change.compare(changes_at(windows, origins, change.decay), series)
        shares = np.arange(1, len(TERCILES)) / len(TERCILES)
        edges = np.quantile(relative, shares, axis=0)
        return cls(intervals, windows.limits, tuple(quantile_levels), change, edges)

    def of_batch(
        self, batch: TestBatch, series: Int[np.ndarray, " windows"], n_series: int
    ) -> CoverageSums:
        """The sums over a batch; `series` numbers its series from 0 to `n_series` - 1."""
        relative = self.change.relative(batch.history, batch.series)
        groups = Groups(series, n_series, (relative > self.edges[:, None]).sum(axis=0))
        forecast = batch.forecast
        return sum_coverage(
            batch.y_true,
            batch.mask,
            (forecast.lower, forecast.upper),
            forecast.levels,
            groups,
            self.crps(batch),
        )

    def crps(self, batch: TestBatch) -> Values:
        """CRPS of each value, NaN if there is no distribution."""
        if self.intervals.method == CONFORMAL and self.intervals.distribution.size:
            scales = window_scales(self.intervals, batch.series, batch.history)[..., 0]
            if self.limits.are_none:
                error = np.abs(batch.y_true - batch.forecast.point)
                return crps_of_widths(error, self.intervals.distribution, scales[:, 0])
            return crps_of_intervals(batch.y_true, self._bounds(batch, scales))
        quantiles = batch.forecast.quantiles
        if quantiles is None:
            return np.full(batch.y_true.shape, np.nan)
        return crps_of_quantiles(batch.y_true, quantiles, self.quantile_levels)

    def _bounds(self, batch: TestBatch, scales: Values) -> Iterator[Bounds]:
        """Lower and upper bounds at each level of `DISTRIBUTION`."""
        point = batch.forecast.point
        for index in range(len(DISTRIBUTION)):
            width = self.intervals.distribution[index] * scales
            yield (
                self.limits.keep(point - width, batch.history, batch.series),
                self.limits.keep(point + width, batch.history, batch.series),
            )
