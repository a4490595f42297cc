"""How the model does on the test split: one pass over its windows, in batches, with baselines."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import write_atomically
from spline_lstm.core.params import EvaluateParams
from spline_lstm.evaluation.batch_sums import BatchCollector, Judge, Marks
from spline_lstm.evaluation.clean_labels import clean_content
from spline_lstm.evaluation.coverage import CoverageSums, coverage_content
from spline_lstm.evaluation.error_sums import ScoreSums
from spline_lstm.evaluation.example_windows import Example, pick
from spline_lstm.evaluation.forecast_batches import TestBatch, TestForecasts, season_rows
from spline_lstm.evaluation.interval_sums import IntervalSums
from spline_lstm.evaluation.metrics import undefined_scale
from spline_lstm.evaluation.predictions_file import PredictionsWriter, prediction_rows
from spline_lstm.evaluation.scales import (
    error_scales,
    percentage_floor,
    training_of_series,
    training_std_of,
)
from spline_lstm.evaluation.scores import deciding, finish
from spline_lstm.evaluation.tables import residual_summary
from spline_lstm.inference.intervals import Intervals
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.windows import SPLITS, Windows


def undefined_mase(
    sums: ScoreSums, windows: Windows, season: int, names: Sequence[str] | None
) -> dict[str, str]:
    """Series -> why its MASE is empty, for those whose MASE is; without `names` only of the one."""
    found: dict[str, str] = {}
    names = [""] * (len(windows.arrays.series_offsets) - 1) if names is None else names
    truth = sums.truth.series
    scored, scaled = truth.count.sum(axis=1), truth.scaled.sum(axis=1)
    for index in np.flatnonzero(scaled == 0).tolist():
        values, counted = training_of_series(windows, index)
        columns = zip(values.T, counted.T, strict=True)
        reasons = [undefined_scale(column, seen, season) for column, seen in columns]
        unscored = "none of its values was observed in the test split"
        found[names[index]] = "; ".join(dict.fromkeys(reasons)) if scored[index] > 0 else unscored
    return found


@dataclass(frozen=True)
class Assessment:
    """What is kept of the test split.

    Attributes
    ----------
    sums : ScoreSums
        Sums over all windows, for the metrics.
    common : ScoreSums
        The same over the windows in whose lookback nothing is missing; None without such windows.
    clean : ScoreSums
        The same without the labels that were outliers and replaced; None if none can be.
    coverage : CoverageSums
        The same for the prediction intervals.
    intervals : Intervals
        How they were made.
    examples : list of Example
        The best, the median and the worst window (first target).
    residuals : [windows, horizon, targets] float32
        Forecast - observed, NaN if not observed; evenly spaced windows of a large test split.
    season : rows in the season of MASE
    training_std : [targets] see `training_std_of`
    """

    sums: ScoreSums
    common: ScoreSums | None
    clean: ScoreSums | None
    coverage: CoverageSums
    intervals: Intervals
    examples: list[Example]
    residuals: Float[np.ndarray, "windows horizon targets"]
    season: int
    training_std: Float[np.ndarray, " targets"]


def assess(
    model: SavedModel,
    windows: Windows,
    params: EvaluateParams,
    intervals: Intervals,
    *,
    predictions: Path,
    series_names: Sequence[str],
    on_batch: Callable[[TestBatch], None] = lambda batch: None,
) -> Assessment:
    """Score the model on the test split and write every forecast to the file `predictions`.

    `on_batch` is called with each batch of forecasts, in order.
    """
    judged = IntervalSums.of(windows, intervals, model.config.quantiles)
    judge = Judge.make(windows, params, judged, percentage_floor(windows))
    marks, collected = Marks.of(windows), BatchCollector(len(series_names))
    forecasts = TestForecasts.fit(model, windows, params, intervals, series_names)

    def pass_over_windows(path: Path) -> None:
        with closing(PredictionsWriter(path)) as writer:
            seen = 0
            # Summing and writing take half as long as forecasting: together they use two cores.
            for batch in forecasts.ahead():
                writer.write(prediction_rows(batch, series_names))
                end = seen + len(batch.y_true)
                collected.add(judge.of(batch, marks.part(seen, end)))
                on_batch(batch)
                seen = end
                # Its memory is for the next one.
                del batch

    write_atomically(predictions, pass_over_windows)
    return assessment_of(collected, forecasts, params)


def assessment_of(
    collected: BatchCollector, forecasts: TestForecasts, params: EvaluateParams
) -> Assessment:
    """What is kept of all batches, with the windows that are shown."""
    windows, totals = forecasts.windows, collected.totals
    chosen = pick(np.concatenate(collected.errors), np.concatenate(collected.complete))
    return Assessment(
        totals.sums,
        totals.common,
        totals.clean,
        totals.coverage,
        forecasts.intervals,
        [_example(label, forecasts.window(index)) for label, index in chosen.items()],
        np.concatenate(collected.residuals),
        season_rows(windows, params),
        training_std_of(windows),
    )


def evaluation_content(
    result: Assessment, windows: Windows, series: Sequence[str] | None
) -> dict[str, Any]:
    """Scores, coverage of the intervals, residuals and splits: for metrics/evaluate.json.

    `series` names the series if there are several.
    """
    scale = error_scales(windows)
    scores = finish(
        result.sums,
        targets=windows.target_names,
        scale=scale,
        training_std=result.training_std,
        series=series,
    )
    undefined = undefined_mase(result.sums, windows, result.season, series)
    if series is not None:
        for name, row in scores["series"].items():
            row["mase_undefined"] = undefined.get(name, "")
        scores["scored_series"] = int(result.sums.truth.series.count.any(axis=1).sum())
        scores["mase_series"] = len(series) - len(undefined)
        scores["known_series"] = len(series)
        scores["scaled_per_series"] = len(scale) > 1
    elif "" in undefined:
        scores["mase_undefined"] = undefined[""]
    return {
        **scores,
        **coverage_content(result.coverage, result.intervals, windows.target_names, series),
        "residuals": residual_summary(result.residuals, windows.target_names),
        "missing_inputs": float(windows.missing_inputs("test").mean()),
        "common_windows": _common_content(result, windows, scale),
        **clean_content(
            result.clean,
            result.sums,
            scores,
            targets=windows.target_names,
            scale=scale,
            training_std=result.training_std,
        ),
        "splits": split_records(windows),
    }


def _common_content(
    result: Assessment, windows: Windows, scale: Float[np.ndarray, "rows targets"]
) -> dict[str, Any]:
    """The deciding RMSE of all on the windows that would exist without missing inputs."""
    if result.common is None:
        return {"n_windows": 0}
    names = windows.target_names
    scores = finish(result.common, targets=names, scale=scale, training_std=result.training_std)
    key = deciding(len(names) > 1)
    return {
        "n_windows": scores["n_windows"],
        key: scores[key],
        "skill": scores["skill"],
        "baselines": {name: row[key] for name, row in scores["baselines"].items()},
    }


def split_records(windows: Windows) -> list[dict[str, Any]]:
    """Windows of each split, and its first and last labelled row (see `Clock.text_of`)."""
    records = []
    for name in SPLITS:
        origins = windows.splits[name]
        first, last = (windows.clock.text_of(instant) for instant in windows.labelled_span(origins))
        records.append({"split": name, "windows": len(origins), "first": first, "last": last})
    return records


def _example(label: str, batch: TestBatch) -> Example:
    forecast = batch.forecast
    # Levels first, as Example has them.
    lower, upper = forecast.lower[0, :, 0].T, forecast.upper[0, :, 0].T
    return Example(
        label=label,
        series=forecast.series[0],
        origin_time=int(forecast.timestamps[0, 0]),
        history=batch.history[0, :, 0],
        y_true=batch.y_true[0, :, 0],
        y_pred=forecast.point[0, :, 0],
        naive=next(iter(batch.baselines.values()))[0, :, 0],
        levels=forecast.levels,
        bounds=np.stack([lower, upper], axis=1),
    )
