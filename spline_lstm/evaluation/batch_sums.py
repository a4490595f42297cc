"""What is kept of the test split: sums of its batches, added up in their order.

A batch is judged by what no other batch changes (`Judge.of`), so batches may be judged anywhere;
`BatchCollector` adds them up in the order of the windows, which gives the same bits everywhere.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from spline_lstm.core.params import EvaluateParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.coverage import CoverageSums
from spline_lstm.evaluation.error_sums import ScoreSums, sum_errors
from spline_lstm.evaluation.example_windows import window_rmse
from spline_lstm.evaluation.forecast_batches import TestBatch, season_rows
from spline_lstm.evaluation.interval_sums import IntervalSums
from spline_lstm.evaluation.scales import season_scales
from spline_lstm.evaluation.totals import CoverageTotal, ScoreTotal, SeriesRange, Totals
from spline_lstm.windows.windows import Windows

# Windows whose residuals are kept for their distribution: evenly spaced if there are more.
RESIDUAL_WINDOWS = 50_000

PerSeries = Float[np.ndarray, "series targets"]


@dataclass(frozen=True)
class Marks:
    """What is known of each test window before it is forecast.

    Attributes
    ----------
    chosen : [windows] bool, its residuals are kept
    whole : [windows] bool, nothing is missing in its lookback
    """

    chosen: Bool[np.ndarray, " windows"]
    whole: Bool[np.ndarray, " windows"]

    @classmethod
    def of(cls, windows: Windows) -> "Marks":
        """Of all test windows."""
        chosen = np.zeros(len(windows.splits["test"]), dtype=bool)
        chosen[evenly_spaced(len(chosen), RESIDUAL_WINDOWS)] = True
        return cls(chosen, windows.missing_inputs("test") == 0.0)

    def part(self, start: int, end: int) -> "Marks":
        """Those of some windows."""
        return Marks(self.chosen[start:end], self.whole[start:end])


@dataclass(frozen=True)
class BatchSums:
    """What is kept of a batch.

    Attributes
    ----------
    series : SeriesRange
        Of the sums.
    all : ScoreSums
    clean : ScoreSums
        Without outliers that were replaced; None if none can be.
    common : ScoreSums
        Of the windows without missing inputs; None without such windows.
    coverage : CoverageSums
    errors, complete : [windows] float32 and bool
        RMSE of each window, and whether all its labels were observed: examples are picked by both.
    residuals : [windows, horizon, targets] float32
        Of the windows whose residuals are kept.
    """

    series: SeriesRange
    all: ScoreSums
    clean: ScoreSums | None
    common: ScoreSums | None
    coverage: CoverageSums
    errors: Float[np.ndarray, " windows"]
    complete: Bool[np.ndarray, " windows"]
    residuals: Float[np.ndarray, "kept horizon targets"]


@dataclass(frozen=True)
class Judge:
    """What batches are judged by.

    Attributes
    ----------
    intervals : IntervalSums
    scale : [targets] data units per z-score of all series together
    can_replace : bool
        Outliers are replaced, so that some labels may not count.
    series : SeriesRange
        Of the batches.
    epsilon : [series, targets] floor of the robust MAPE, data units
    season_scale : [series, targets] scale of MASE, see `scales.season_scales`
    """

    intervals: IntervalSums
    scale: Float[np.ndarray, " targets"]
    can_replace: bool
    series: SeriesRange
    epsilon: PerSeries
    season_scale: PerSeries

    @classmethod
    def make(
        cls,
        windows: Windows,
        params: EvaluateParams,
        intervals: IntervalSums,
        floors: PerSeries,
        series: SeriesRange | None = None,
    ) -> "Judge":
        """Of windows, for some of their series or for all; `floors` are those of all."""
        series = series or SeriesRange(0, len(floors))
        own = range(series.first, series.end)
        return cls(
            intervals,
            # One scale for all series, even if each has its own: their errors must be comparable.
            windows.target_scaler.plain.overall.scale,
            bool(windows.arrays.replaced.size),
            series,
            floors[series.rows],
            season_scales(windows, season_rows(windows, params), own),
        )

    def of(self, batch: TestBatch, marks: Marks) -> BatchSums:
        """Judge a batch, whose windows have these marks."""
        mask, forecast, every = batch.mask, batch.forecast, slice(None)
        series, whole = SeriesRange.of(batch.series), marks.whole
        rows = slice(series.first - self.series.first, series.end - self.series.first)
        hour, forecasts = batch.hour, batch.forecasts

        def summed(chosen: np.ndarray | slice, counted: np.ndarray) -> ScoreSums:
            """Errors of some windows; the series are those from first to last of the batch."""
            return sum_errors(
                batch.y_true[chosen],
                counted[chosen],
                {name: values[chosen] for name, values in forecasts.items()},
                epsilon=self.epsilon[rows],
                season_scale=self.season_scale[rows],
                series=batch.series[chosen] - series.first,
                hour=hour[chosen],
            )

        sums = summed(every, mask)
        common = sums if whole.all() else summed(whole, mask) if whole.any() else None
        kept = forecast.point[marks.chosen] - batch.y_true[marks.chosen]
        return BatchSums(
            series,
            sums,
            summed(every, batch.counted) if self.can_replace else None,
            common,
            self.intervals.of_batch(batch, batch.series - series.first, series.end - series.first),
            window_rmse(batch.y_true, forecast.point, mask, self.scale).astype(np.float32),
            np.all(mask, axis=(1, 2)),
            kept.astype(np.float32),
        )


class BatchCollector:
    """Adds up the batches of the test split, which come in the order of its windows.

    Attributes
    ----------
    errors, complete, residuals : list
        Those of the batches, see `BatchSums`.
    """

    def __init__(self, n_series: int) -> None:
        self._all, self._common, self._clean = (ScoreTotal(n_series) for _ in range(3))
        self._coverage = CoverageTotal(n_series)
        self.errors: list[np.ndarray] = []
        self.complete: list[np.ndarray] = []
        self.residuals: list[np.ndarray] = []

    def add(self, batch: BatchSums) -> None:
        """Take in the next batch."""
        self._all.add(batch.all, batch.series)
        if batch.clean is not None:
            self._clean.add(batch.clean, batch.series)
        if batch.common is not None:
            self._common.add(batch.common, batch.series)
        self._coverage.add(batch.coverage, batch.series)
        self.errors.append(batch.errors)
        self.complete.append(batch.complete)
        self.residuals.append(batch.residuals)

    @property
    def totals(self) -> Totals:
        """The sums of all batches; ValueError if there was none."""
        if self._all.sums is None or self._coverage.sums is None:
            raise ValueError("no batch was added; the test split has no window")
        return Totals(self._all.sums, self._coverage.sums, self._common.sums, self._clean.sums)
