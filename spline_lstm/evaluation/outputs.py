"""The files of plots/: small tables for `dvc plots`, and pictures."""

from pathlib import Path

import pandas as pd

from spline_lstm.core.artifacts import write_text
from spline_lstm.evaluation.assess import Assessment
from spline_lstm.evaluation.plots import plot_forecasts, plot_horizon, plot_residuals, plot_training
from spline_lstm.evaluation.scores import rmse_by_hour, rmse_by_step
from spline_lstm.evaluation.tables import (
    example_table,
    forecast_table,
    horizon_table,
    hour_table,
    residual_histogram,
)
from spline_lstm.reporting.plot_tables import write_plot_table
from spline_lstm.windows.windows import Windows


def write_tables(folder: Path, result: Assessment, frequency_ns: int) -> None:
    """Write forecast.csv, examples.csv, residuals.csv, horizon.csv and hours.csv."""
    tables = {
        "examples.csv": example_table(result.examples),
        "residuals.csv": residual_histogram(result.residuals[..., 0]),
        "horizon.csv": horizon_table(rmse_by_step(result.sums)),
        "hours.csv": hour_table(rmse_by_hour(result.sums)),
    }
    for name, table in tables.items():
        write_plot_table(folder / name, table)
    # Not drawn by DVC, but read by people and the report: a cell without a value is empty.
    forecasts = forecast_table(result.examples, frequency_ns)
    write_text(
        folder / "forecast.csv",
        forecasts.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
    )


def write_pictures(folder: Path, result: Assessment, windows: Windows, loss: str) -> None:
    """Write forecast.png, residuals.png, horizon.png and training.png, the last one from training.csv."""
    target, step = windows.target_names[0], windows.step_ns
    curve = pd.read_csv(folder / "training.csv")
    plot_forecasts(folder / "forecast.png", result.examples, target=target, frequency_ns=step)
    plot_residuals(folder / "residuals.png", result.residuals[..., 0], target=target)
    title = f"Error of {', '.join(windows.target_names)} by step"
    plot_horizon(folder / "horizon.png", rmse_by_step(result.sums), title=title)
    plot_training(
        folder / "training.png",
        curve["epoch"].to_numpy(),
        curve["train_loss"].to_numpy(),
        curve["validation_loss"].to_numpy(),
        loss=f"{loss} of z-scores",
    )
