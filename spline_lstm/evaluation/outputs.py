"""The files of plots/: small tables for `dvc plots`, and pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.artifacts import write_text
from spline_lstm.evaluation.assessment import Assessment
from spline_lstm.evaluation.plots import plot_forecasts, plot_horizon, plot_residuals, plot_training
from spline_lstm.evaluation.tables import forecast_table, horizon_table, residual_histogram
from spline_lstm.windows import Windows

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
    """Write forecast.png, residuals.png, horizon.png and training.png, the last one from training.csv."""
    target, step = windows.target_names[0], windows.step_ns
    curve = pd.read_csv(folder / "training.csv")
    plot_forecasts(folder / "forecast.png", result.examples, target=target, frequency_ns=step)
    plot_residuals(folder / "residuals.png", result.residuals, target=target)
    plot_horizon(folder / "horizon.png", step_rmse, title=f"Error of {', '.join(windows.target_names)} by step")
    plot_training(
        folder / "training.png",
        curve["epoch"].to_numpy(),
        curve["train_loss"].to_numpy(),
        curve["validation_loss"].to_numpy(),
        loss=f"{loss} of z-scores",
    )
