"""Forecasts of the test windows by the model and the baselines, data units.

Windows are processed in batches, so memory is bounded by the batch, not by the number of windows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.parallel import made_ahead
from spline_lstm.core.params import EvaluateParams
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.core.time_zones import HOUR_NS, local_times
from spline_lstm.evaluation.baselines import drift, moving_average, naive, seasonal_naive
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.probability_baselines import Baseline, make_probability_baselines
from spline_lstm.evaluation.ridge import Ridge, Sample, fit_ridge
from spline_lstm.inference.forecast import Forecast, ModelInputs, forecast_windows
from spline_lstm.inference.intervals import Intervals, Values
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.windows import Batch, Windows

WINDOWS_PER_BATCH = 8192
# Ridge has few weights: it gains nothing from more windows, which would only take memory.
RIDGE_WINDOWS = 50_000


@dataclass(frozen=True)
class TestBatch:
    """Forecasts and truth of some test windows, data units.

    Attributes
    ----------
    forecast : Forecast
        By the model.
    baselines : name -> [windows, horizon, targets]
    history : [windows, lookback, targets] as known before the origin
    y_true : [windows, horizon, targets] NaN if not observed
    counted : [windows, horizon, targets] observed, and no outlier that was replaced
    series : [windows] int64, index of the series
    clock : Clock
        Whose rows are forecast.
    """

    __test__ = False

    forecast: Forecast
    baselines: Mapping[str, Values]
    history: Float[np.ndarray, "windows lookback targets"]
    y_true: Values
    counted: Bool[np.ndarray, "windows horizon targets"]
    series: Int[np.ndarray, " windows"]
    clock: Clock

    @property
    def forecasts(self) -> dict[str, Values]:
        """Point forecasts by name; the model's under `MODEL`, first."""
        return {MODEL: self.forecast.point, **self.baselines}

    @property
    def mask(self) -> Bool[np.ndarray, "windows horizon targets"]:
        """True if the truth was observed."""
        return ~np.isnan(self.y_true)

    @property
    def hour(self) -> Int[np.ndarray, "windows horizon"]:
        """Hour of the day, in the zone of the clock, of each forecast row; 0 on an index."""
        timestamps = self.forecast.timestamps
        if self.clock.kind == "index":
            return np.zeros_like(timestamps)
        walls = local_times(timestamps.reshape(-1), self.clock.zone)
        return walls.reshape(timestamps.shape) // HOUR_NS % 24


@dataclass(frozen=True)
class TestForecasts:
    """The model, the baselines and the test windows that they forecast.

    Attributes
    ----------
    model : SavedModel
    windows : Windows
    intervals : Intervals
    baselines : name -> function of a batch and its history
    series_names : by index of the series
    """

    __test__ = False

    model: SavedModel
    windows: Windows
    intervals: Intervals
    baselines: Mapping[str, Baseline]
    series_names: Sequence[str]

    @classmethod
    def fit(
        cls,
        model: SavedModel,
        windows: Windows,
        params: EvaluateParams,
        intervals: Intervals,
        series_names: Sequence[str],
    ) -> Self:
        """With the baselines of `params`, fitted on the training windows."""
        if model.config.output == "probability":
            baselines = make_probability_baselines(windows)
        else:
            baselines = make_baselines(windows, params)
        return cls(model, windows, intervals, baselines, series_names)

    def __iter__(self) -> Iterator[TestBatch]:
        """All test windows in batches, in the order of the origins."""
        return self.part(0, len(self.windows.splits["test"]))

    def part(self, start: int, end: int) -> Iterator[TestBatch]:
        """The test windows from one position to another in batches."""
        return map(self._forecast, self._origins(start, end))

    def ahead(self) -> Iterator[TestBatch]:
        """All test windows in batches; a thread forecasts the next one while the caller has one."""
        # A second thread would have a third batch in memory: 162 MB for a million windows, not 118.
        every = self._origins(0, len(self.windows.splits["test"]))
        return made_ahead(self._forecast, every, ahead=1)

    def window(self, index: int) -> TestBatch:
        """A batch of one: the test window at this position."""
        return self._forecast(self.windows.splits["test"][index : index + 1])

    def _origins(self, start: int, end: int) -> Iterator[Int[np.ndarray, " windows"]]:
        """Origins of the test windows from one position to another, batch by batch."""
        origins = self.windows.splits["test"][start:end]
        for first in range(0, len(origins), WINDOWS_PER_BATCH):
            yield origins[first : first + WINDOWS_PER_BATCH]

    def _forecast(self, origins: Int[np.ndarray, " windows"]) -> TestBatch:
        windows, batch = self.windows, self.windows.gather_origins(origins)
        history = windows.history(batch)
        names = tuple(map(self.series_names.__getitem__, batch.series.tolist()))
        rows = batch.origin[:, None] + np.arange(windows.horizon)
        inputs = ModelInputs(
            batch.X,
            batch.X_future,
            batch.X_static,
            windows.arrays.timestamps[rows],
            names,
            batch.series,
            history,
        )
        y_true = windows.labels(batch)
        return TestBatch(
            forecast=forecast_windows(
                self.model, inputs, windows.target_scaler, self.intervals, windows.limits
            ),
            baselines={name: baseline(batch, history) for name, baseline in self.baselines.items()},
            history=history,
            y_true=y_true,
            counted=batch.mask.reshape(y_true.shape),
            series=batch.series,
            clock=windows.clock,
        )


@dataclass(frozen=True)
class FittedBaselines:
    """Constants of the baselines of values; the baselines themselves are functions of windows.

    Attributes
    ----------
    season, average_over : rows
    ridge : Ridge
    """

    season: int
    average_over: int
    ridge: Ridge

    @classmethod
    def fit(cls, windows: Windows, params: EvaluateParams) -> Self:
        """Fit ridge on the training windows; its penalty is chosen on the validation split."""
        train, validation = (_sample(windows, split) for split in ("train", "validation"))
        average_over = min(params.moving_average, windows.lookback)
        return cls(season_rows(windows, params), average_over, fit_ridge(train, validation))

    def of(self, windows: Windows) -> dict[str, Baseline]:
        """Baselines by name."""
        horizon = windows.horizon
        return {
            "naive": lambda batch, history: naive(history, horizon),
            "seasonal_naive": lambda batch, history: last_season(
                windows, batch, history, self.season
            ),
            "moving_average": lambda batch, history: moving_average(
                history, horizon, self.average_over
            ),
            "drift": lambda batch, history: drift(history, horizon),
            "ridge": lambda batch, history: self.ridge.predict(history),
        }


def make_baselines(windows: Windows, params: EvaluateParams) -> dict[str, Baseline]:
    """Baselines by name, fitted on the training windows."""
    return FittedBaselines.fit(windows, params).of(windows)


def season_rows(windows: Windows, params: EvaluateParams) -> int:
    """Rows in one season: of the params, or the shortest one of the clock."""
    return params.season or windows.clock.season


def last_season(
    windows: Windows,
    batch: Batch,
    history: Float[np.ndarray, "windows lookback targets"],
    season: int,
) -> Values:
    """Seasonal naive forecast from the as-of series, which reaches further back than the lookback.

    The rows one season before those to forecast lie before the origin; a value in a gap is the one
    that was known at the origin. If such a row lies before the start of its series, or after a gap
    longer than the limit, the forecast is the last value, as in the naive forecast.
    """
    if season <= windows.lookback:
        return seasonal_naive(history, windows.horizon, season)
    arrays = windows.arrays
    back = np.arange(min(season, windows.horizon)) - season
    rows = batch.origin[:, None] + back
    start = arrays.series_offsets[batch.series][:, None]
    known = (rows >= start) & arrays.valid[np.maximum(rows, start)]
    rows = np.maximum(rows, start)
    values = np.where(
        arrays.known_at[rows[:, :, None], arrays.target_indices] < batch.origin[:, None, None],
        arrays.filled_target[rows],
        arrays.causal_target[rows],
    )
    season_values = np.where(known[:, :, None], values, history[:, -1:])
    return season_values[:, np.arange(windows.horizon) % season]


def _sample(windows: Windows, split: str) -> Sample:
    origins = windows.splits[split]
    batch = windows.gather_origins(origins[evenly_spaced(len(origins), RIDGE_WINDOWS)])
    truth = windows.counted_labels(batch)
    return Sample(windows.history(batch), np.nan_to_num(truth), ~np.isnan(truth))
