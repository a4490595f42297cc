"""One fold of a backtest: fit, calibrate, score; see `backtest`."""

import shutil
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.evaluation.adaptive import AdaptiveSums, Stream, adaptive_sums
from spline_lstm.evaluation.coverage import CoverageSums
from spline_lstm.evaluation.error_sums import ScoreSums, merge, sum_errors
from spline_lstm.evaluation.fold_data import FoldJob, FoldResult
from spline_lstm.evaluation.forecast_batches import TestForecasts, season_rows
from spline_lstm.evaluation.interval_sums import IntervalSums
from spline_lstm.evaluation.scales import (
    error_scales,
    percentage_floor,
    season_scales,
    training_std_of,
)
from spline_lstm.inference.calibration import Calibration, calibration_of
from spline_lstm.inference.intervals import CONFORMAL
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.series.preprocess_partitions import Panel, preprocess_panel
from spline_lstm.training.fit import fit_table, fit_windows
from spline_lstm.training.loop import Trained, steps_of
from spline_lstm.windows.windows import Windows, make_windows


def run_fold(job: FoldJob) -> FoldResult:
    """Fit on the fold's own training split, and score its test split; runs in its own process.

    Raises
    ------
    DataContractError, TooLittleDataError, DivergedError
        As `fit_table`.
    """
    configure_threads(1)
    configure_compilation_cache(job.cache)
    try:
        return _result(_fitted(job), job)
    finally:
        if isinstance(job.source, Panel):
            shutil.rmtree(job.source.building, ignore_errors=True)


@dataclass(frozen=True)
class FoldFit:
    """The fit of a fold: windows, the history, the model, and names of its series."""

    windows: Windows
    trained: Trained
    model: SavedModel
    series: tuple[str, ...]


def _fitted(job: FoldJob) -> FoldFit:
    instants = np.array([job.fold.validation, job.fold.test], dtype=np.int64)
    if isinstance(job.source, Panel):
        done = preprocess_panel(job.source, job.params, job.clock, instants)
        fitted = done.preprocessor
        windows = make_windows(done.arrays, fitted.scaler, fitted.clock, job.params.window)
        return FoldFit(windows, *fit_windows(windows, fitted, job.params), fitted.series)
    fit = fit_table(
        job.source,
        job.schema,
        job.params,
        where="its rows",
        clock=job.clock,
        instants=instants,
    )
    return FoldFit(fit.windows, fit.trained, fit.model, fit.preprocessed.table.series_names)


def _result(fit: FoldFit, job: FoldJob) -> FoldResult:
    calibration = calibration_of(fit.model, fit.windows, job.params.evaluate)
    sums, coverage, adaptive = _score(fit, calibration, job)
    return FoldResult(
        fold=job.fold,
        clock=job.clock,
        sums=sums,
        coverage=coverage,
        adaptive=adaptive,
        intervals=calibration.intervals,
        scale=_of_all_series(error_scales(fit.windows), fit, job),
        training_std=training_std_of(fit.windows),
        windows={name: len(origins) for name, origins in fit.windows.splits.items()},
        missing_inputs=float(fit.windows.missing_inputs("test").mean()),
        best_step=fit.trained.best_losses.step,
        steps=steps_of(fit.trained.history),
    )


def _score(
    fit: FoldFit, calibration: Calibration, job: FoldJob
) -> tuple[ScoreSums, CoverageSums, AdaptiveSums | None]:
    windows, params, intervals = fit.windows, job.params.evaluate, calibration.intervals
    rate = job.params.backtest.adaptive_intervals
    # A series may be absent from a fold, or too short in it; sums are laid out for those of the
    # whole table.
    numbers = _numbers_of(fit, job)
    scales = np.full((len(job.series), len(windows.target_names)), np.nan)
    scales[numbers] = season_scales(windows, season_rows(windows, params))
    floors = _of_all_series(percentage_floor(windows), fit, job)
    sums: ScoreSums | None = None
    coverage, streams = [], []
    judged = IntervalSums.of(windows, intervals, fit.model.config.quantiles)
    forecasts = TestForecasts.fit(fit.model, windows, params, intervals, fit.series)
    for batch in forecasts:
        series = numbers[batch.series]
        batch_sums = sum_errors(
            batch.y_true,
            batch.mask,
            batch.forecasts,
            epsilon=floors,
            season_scale=scales,
            series=series,
            hour=batch.hour,
        )
        # At once: a list of them would grow with windows and series.
        sums = batch_sums if sums is None else merge(sums, batch_sums)
        coverage.append(judged.of_batch(batch, series, len(job.series)))
        if rate is not None and intervals.method == CONFORMAL:
            streams.append(Stream.of(batch, intervals, windows.limits))
    adaptive = None
    if streams and rate is not None:
        origins, stream = windows.splits["test"], reduce(add, streams)
        adaptive = adaptive_sums(stream, origins, calibration, windows.limits, rate)
    assert sums is not None
    return sums, reduce(add, coverage), adaptive


def _numbers_of(fit: FoldFit, job: FoldJob) -> Int[np.ndarray, " series"]:
    """Where the series of a fold are among those of the whole table."""
    number_of = {name: number for number, name in enumerate(job.series)}
    return np.array([number_of[name] for name in fit.series])


def _of_all_series(
    values: Float[np.ndarray, "rows targets"], fit: FoldFit, job: FoldJob
) -> Float[np.ndarray, "rows targets"]:
    """A row for each series of the whole table, if there is one for each series of the fold.

    Series that the fold does not have get the row of the middle one; nothing of them is scored.
    """
    numbers = _numbers_of(fit, job)
    if len(values) == 1 and len(numbers) > 1:
        return values
    rows = np.tile(np.median(values, axis=0), (len(job.series), 1))
    rows[numbers] = values
    return rows
