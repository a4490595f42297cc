"""The files of plots/: small tables for `dvc plots`, pictures, and the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.artifacts import write_text
from spline_lstm.evaluation.assessment import Assessment
from spline_lstm.evaluation.plots import plot_forecasts, plot_horizon, plot_residuals, plot_training
from spline_lstm.evaluation.report import Report
from spline_lstm.evaluation.tables import forecast_table, horizon_table, residual_histogram
from spline_lstm.models.forecaster import Model
from spline_lstm.params import Params
from spline_lstm.windows import Windows

PROVENANCE = ("model_type", "hidden", "dropout", "normalization")
PICTURES = {
    "Forecasts": "forecast.png",
    "Error by step": "horizon.png",
    "Residuals": "residuals.png",
    "Training": "training.png",
}

StepErrors = Mapping[str, Float[np.ndarray, " horizon"]]


def write_tables(folder: Path, result: Assessment, step_rmse: StepErrors, frequency_ns: int) -> None:
    """Write forecast.csv, residuals.csv and horizon.csv."""
    tables = {
        "forecast.csv": forecast_table(result.examples, frequency_ns),
        "residuals.csv": residual_histogram(result.residuals),
        "horizon.csv": horizon_table(step_rmse),
    }
    for name, table in tables.items():
        write_text(folder / name, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def write_pictures(folder: Path, result: Assessment, step_rmse: StepErrors, windows: Windows, loss: str) -> None:
    """Write the pictures named in `PICTURES`; the training curve is read from training.csv."""
    target, step = windows.target_names[0], windows.step_ns
    curve = pd.read_csv(folder / "training.csv")
    plot_forecasts(folder / "forecast.png", result.examples, target=target, frequency_ns=step)
    plot_residuals(folder / "residuals.png", result.residuals, target=target)
    plot_horizon(folder / "horizon.png", step_rmse, title=f"Error of {', '.join(windows.target_names)} by step")
    plot_training(folder / "training.png", *curve.to_numpy().T, loss=f"{loss} of z-scores")


def make_report(
    params: Params,
    windows: Windows,
    model: Model,
    *,
    scores: Mapping[str, Any],
    step_rmse: StepErrors,
    train: Mapping[str, Any],
    quality: Mapping[str, Any],
) -> Report:
    """Put together what plots/report.md tells.

    Parameters
    ----------
    params, windows, model
    scores, step_rmse
        Of the test part: content of metrics/evaluate.json, and the RMSE by step.
    train, quality
        Contents of metrics/train.json and metrics/data.json.
    """
    rows = f"rows of {params.preprocess.frequency}"
    return Report(
        title=f"Forecast of {', '.join(windows.target_names)}",
        forecast={
            "targets": list(windows.target_names),
            "features": list(windows.feature_names),
            "lookback": f"{windows.lookback} {rows}",
            "horizon": f"{windows.horizon} {rows}",
            **{f"{split} windows": len(origins) for split, origins in windows.splits.items()},
        },
        scores=scores,
        step_rmse=step_rmse,
        train=train,
        data_quality={key: value for key, value in quality.items() if not isinstance(value, Mapping)},
        provenance={
            "model run id": model.run_id,
            "preprocessor run id": model.preprocessor_run_id,
            **{key: value for key, value in model.config.to_json().items() if key in PROVENANCE},
            "seed": params.train.seed,
        },
        plots=PICTURES,
    )
