"""The model and the baselines on the test split, as the stage evaluate writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import EvaluateParams, Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.assess import Assessment, assess, evaluation_content
from spline_lstm.evaluation.parts import assess_parts, is_in_parts
from spline_lstm.evaluation.tables import write_tables
from spline_lstm.inference.calibration import calibrate
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows


@dataclass(frozen=True)
class ForecastScores:
    """Result of an evaluation.

    Attributes
    ----------
    content : mapping
        For metrics/evaluate.json, details as mappings.
    intervals : mapping
        For models/intervals.json, without the id of the model.
    assessment : Assessment
        What the tables of the plots are made from.
    clock : Clock
        Whose rows were forecast.
    """

    content: dict[str, Any]
    intervals: dict[str, Any]
    assessment: Assessment
    clock: Clock


def score_forecasts(
    folder: Path, model: SavedModel, windows: Windows, params: Params
) -> ForecastScores:
    """Score the model of a pipeline folder, by the names of its series.

    The intervals are calibrated, and all forecasts of the test split written.
    """
    pipeline = Pipeline(folder)
    names = Preprocessor.load(pipeline.preprocessor).series
    if not is_in_parts(folder, windows, params):
        return forecast_scores(
            model,
            windows,
            params.evaluate,
            predictions=pipeline.predictions,
            series_names=names,
        )
    intervals = calibrate(model, windows, params.evaluate)
    result = assess_parts(folder, model, windows, params, intervals, names)
    return _scores_of(result, windows, names)


def forecast_scores(
    model: SavedModel,
    windows: Windows,
    params: EvaluateParams,
    *,
    predictions: Path,
    series_names: Sequence[str],
) -> ForecastScores:
    """Calibrate the intervals, score the test split and write its forecasts to `predictions`."""
    intervals = calibrate(model, windows, params)
    result = assess(
        model, windows, params, intervals, predictions=predictions, series_names=series_names
    )
    return _scores_of(result, windows, series_names)


def _scores_of(result: Assessment, windows: Windows, series_names: Sequence[str]) -> ForecastScores:
    several = series_names if len(series_names) > 1 else None
    content = evaluation_content(result, windows, several)
    return ForecastScores(content, result.intervals.to_json(), result, windows.clock)


def forecast_tables(folder: Path, scores: ForecastScores) -> None:
    """Write the CSV files that the plots of the evaluation are drawn from into `folder`."""
    result = scores.assessment
    write_tables(
        folder,
        examples=result.examples,
        residuals=result.residuals,
        sums=result.sums,
        training_std=result.training_std,
        clock=scores.clock,
    )
