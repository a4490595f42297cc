"""A model that forecasts probabilities, and its baselines, on the test split.

Parts of a task (see `tasks.task`): what the stages evaluate and backtest write for labels 0 and 1.
The Brier score decides. Labels and probabilities of the whole test split are in memory, 4 bytes per
value and forecast, because ranks need them all.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.formatting import listed, number, plain
from spline_lstm.core.log_loss import log_loss
from spline_lstm.core.params import EvaluateParams, Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.assess import assess, split_records
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.forecast_batches import TestBatch
from spline_lstm.evaluation.forecast_scores import ForecastScores
from spline_lstm.evaluation.probability_metrics import (
    auc,
    brier,
    calibration_error,
    reliability,
)
from spline_lstm.inference.intervals import no_intervals
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows

Values = Float[np.ndarray, "windows horizon targets"]


@dataclass(frozen=True)
class ProbabilityForecasts:
    """Labels and forecast probabilities of test windows.

    Attributes
    ----------
    labels : [windows, horizon, targets] 0 or 1, NaN if not observed
    forecasts : name -> the same shape; the model under `MODEL`, the rest are baselines
    series : [windows] index of the series
    """

    labels: Values
    forecasts: Mapping[str, Values]
    series: Int[np.ndarray, " windows"]


def score_probabilities(
    folder: Path, model: SavedModel, windows: Windows, params: Params
) -> ForecastScores:
    """Score the model of a pipeline folder: `probability_scores`, by the names of its series."""
    pipeline = Pipeline(folder)
    return probability_scores(
        model,
        windows,
        params.evaluate,
        predictions=pipeline.predictions,
        series_names=Preprocessor.load(pipeline.preprocessor).series,
    )


def probability_scores(
    model: SavedModel,
    windows: Windows,
    params: EvaluateParams,
    *,
    predictions: Path,
    series_names: Sequence[str],
) -> ForecastScores:
    """Score the test split and write its forecasts to `predictions`; there are no intervals."""
    intervals = no_intervals(windows.horizon, len(windows.target_names))
    batches: list[ProbabilityForecasts] = []
    result = assess(
        model,
        windows,
        params,
        intervals,
        predictions=predictions,
        series_names=series_names,
        on_batch=lambda batch: batches.append(_slim(batch)),
    )
    several = series_names if len(series_names) > 1 else None
    content = {
        **probability_content(_joined(batches), windows.target_names, several),
        "interval_method": intervals.method,
        "intervals": [],
        "missing_inputs": float(windows.missing_inputs("test").mean()),
        "splits": split_records(windows),
    }
    # Probabilities have no unit: the tables of the plots have the root of the Brier score.
    plain_units = replace(result, training_std=np.ones(len(windows.target_names)))
    return ForecastScores(content, intervals.to_json(), plain_units, windows.clock)


def _slim(batch: TestBatch) -> ProbabilityForecasts:
    forecasts = {name: p.astype(np.float32) for name, p in batch.forecasts.items()}
    return ProbabilityForecasts(batch.y_true.astype(np.float32), forecasts, batch.series)


def _joined(parts: Sequence[ProbabilityForecasts]) -> ProbabilityForecasts:
    return ProbabilityForecasts(
        np.concatenate([part.labels for part in parts]),
        {
            name: np.concatenate([part.forecasts[name] for part in parts])
            for name in parts[0].forecasts
        },
        np.concatenate([part.series for part in parts]),
    )


def probability_content(
    scored: ProbabilityForecasts, targets: Sequence[str], series: Sequence[str] | None = None
) -> dict[str, Any]:
    """Content of metrics/evaluate.json, details as mappings; NaN if nothing counts.

    Parameters
    ----------
    scored : ProbabilityForecasts
    targets : sequence of str
        [targets] names.
    series : sequence of str, optional
        [series] names; with it the content has the key `series`.

    Returns
    -------
    dict
        The metrics of the model (`probability_metrics.NAMES`), `calibration_error`,
        `positive_share` (of the labels), `skill` = 1 - Brier score / that of the best baseline,
        `best_baseline`, `beats_baselines`, `loses_to`, `n_windows`, the table `calibration`, and
        nested `horizon` (step from 1), `targets`, `baselines` and `series`.
    """
    seen = ~np.isnan(scored.labels)
    total = _group(scored, seen)
    table = reliability(scored.labels[seen], scored.forecasts[MODEL][seen])
    content = {
        **{key: value for key, value in total.items() if key != "baselines"},
        "calibration_error": calibration_error(table),
        "n_windows": len(scored.labels),
        "horizon": {
            str(step + 1): _detail(scored, seen, np.s_[:, step]) for step in range(seen.shape[1])
        },
        "targets": {
            name: _detail(scored, seen, np.s_[..., index]) for index, name in enumerate(targets)
        },
        "baselines": total["baselines"],
        "calibration": [asdict(row) for row in table],
    }
    if series is not None:
        content["series"] = {
            name: _detail(scored, seen, scored.series == index) for index, name in enumerate(series)
        }
    return content


def _detail(
    scored: ProbabilityForecasts, seen: Bool[np.ndarray, "windows horizon targets"], index: Any
) -> dict[str, Any]:
    """Scores of a step, target or series."""
    chosen = np.zeros_like(seen)
    chosen[index] = seen[index]
    found = _group(scored, chosen)
    dropped = {"baselines", "beats_baselines", "loses_to"}
    return {key: value for key, value in found.items() if key not in dropped}


def _group(
    scored: ProbabilityForecasts, chosen: Bool[np.ndarray, "windows horizon targets"]
) -> dict[str, Any]:
    labels = scored.labels[chosen]
    metrics = {name: _metrics(labels, p[chosen]) for name, p in scored.forecasts.items()}
    model = metrics.pop(MODEL)
    share = float(labels.mean(dtype=np.float64)) if len(labels) else math.nan
    return {**model, "positive_share": share, **judged(model, metrics), "baselines": metrics}


def _metrics(labels: np.ndarray, p: np.ndarray) -> dict[str, float]:
    score = brier(labels, p)
    return {
        "auc": auc(labels, p),
        "log_loss": log_loss(labels, p),
        "brier": score,
        "root_brier": math.sqrt(score),
    }


def judged(
    model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """`skill`, `best_baseline`, `beats_baselines` and `loses_to` by the Brier score."""
    scored = {name: row["brier"] for name, row in baselines.items() if not math.isnan(row["brier"])}
    best = min(scored, key=lambda name: scored[name]) if scored else None
    lowest = math.nan if best is None else scored[best]
    return {
        "skill": 1 - model["brier"] / lowest if lowest > 0 else math.nan,
        "best_baseline": best,
        "beats_baselines": model["brier"] < lowest,
        "loses_to": [name for name, value in scored.items() if not model["brier"] < value],
    }


def probability_verdict(scores: Mapping[str, Any]) -> str:
    """One clause on the model and the baselines; `scores` as `probability_content` gives them."""
    best = scores["best_baseline"]
    if best is None:
        return "nothing was scored: no label of the test split was observed"
    lowest, score = number(scores["baselines"][best]["brier"]), number(scores["brier"])
    if not scores["beats_baselines"]:
        losers = listed([plain(name) for name in scores["loses_to"]])
        return (
            f"the model LOSES TO {losers}: Brier score {score} against {lowest} of the best "
            f"baseline, {plain(best)}"
        )
    return (
        f"the model beats all {len(scores['baselines'])} baselines: Brier score {score}, "
        f"{100 * scores['skill']:.1f} % below that of the best, {plain(best)} ({lowest})"
    )
