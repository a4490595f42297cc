"""The small tidy tables that plots are drawn from, as CSV files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.clock import Clock
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.evaluation.error_sums import ScoreSums
from spline_lstm.evaluation.example_windows import Example
from spline_lstm.evaluation.metrics import PERCENTILES
from spline_lstm.evaluation.scores import rmse_by_hour, rmse_by_step
from spline_lstm.inference.intervals import interval_columns

COLUMNS = (
    "example",
    "series",
    "origin",
    "step",
    "timestamp",
    "history",
    "y_true",
    "y_pred",
    "naive",
)
# The lines of an example.
LINES = ("history", "y_true", "y_pred", "naive")
CENTRAL = (0.005, 0.995)
# Rows as they are numbered.
ROWS = Clock("index", step=1)


def write_tables(
    folder: Path,
    *,
    examples: Sequence[Example],
    residuals: Float[np.ndarray, "windows horizon targets"],
    sums: ScoreSums,
    training_std: Float[np.ndarray, " targets"],
    clock: Clock,
) -> None:
    """Write examples, forecast, residuals, residual_steps, horizon and hours as CSV files."""
    tables = {
        "examples.csv": example_table(examples),
        "residuals.csv": residual_histogram(residuals[..., 0]),
        "residual_steps.csv": residual_step_table(residuals[..., 0]),
        "horizon.csv": horizon_table(rmse_by_step(sums, training_std)),
        "hours.csv": hour_table(rmse_by_hour(sums, training_std)),
    }
    for name, table in tables.items():
        write_plot_table(folder / name, table)
    # DVC does not draw this one: a missing value is an empty cell.
    forecasts = forecast_table(examples, clock)
    text = forecasts.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(folder / "forecast.csv", text)


def forecast_table(examples: Sequence[Example], clock: Clock) -> pd.DataFrame:
    """One row per example and step, data units, timestamps as texts (see `Clock.text_of`).

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, then the lower and upper bound of each level of the intervals;
        `timestamp` is that of row ``step - 1`` after the origin. Steps up to 0 have the `history`
        as it was known at the origin, steps from 1 everything else; `y_true` is NaN if not
        observed.
    """
    tables = [_example_rows(example, clock) for example in examples]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def example_table(examples: Sequence[Example]) -> pd.DataFrame:
    """The same examples side by side, so that each column is one line for `dvc plots`.

    Returns
    -------
    pd.DataFrame
        Columns step (as in `forecast_table`) and, for each example, ``best_history``,
        ``best_y_true``, ``best_y_pred``, ``best_naive``; data units, NaN if a line has no value.
    """
    rows = forecast_table(examples, ROWS).pivot(index="step", columns="example", values=list(LINES))
    return pd.DataFrame(
        {
            f"{example.label}_{line}": rows[line, example.label]
            for example in examples
            for line in LINES
        }
    ).reset_index()


def _example_rows(example: Example, clock: Clock) -> pd.DataFrame:
    history, horizon = example.shown_history, len(example.y_pred)
    steps = np.arange(1 - len(history), horizon + 1)
    origin = clock.locate(np.array([example.origin_time], dtype=np.int64))[0]

    def ahead(values: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(len(history), np.nan), values])

    content = (
        example.label,
        example.series,
        clock.text_of(example.origin_time),
        steps,
        clock.texts_of(clock.timestamps_of(origin + steps - 1)),
        np.concatenate([history, np.full(horizon, np.nan)]),
        ahead(example.y_true),
        ahead(example.y_pred),
        ahead(example.naive),
    )
    table = pd.DataFrame(dict(zip(COLUMNS, content, strict=True)))
    bounds = example.bounds.reshape(2 * len(example.levels), horizon)
    for name, values in zip(interval_columns(example.levels), bounds, strict=True):
        table[name] = ahead(values)
    return table


def residual_histogram(residuals: Float[np.ndarray, "..."], bins: int = 60) -> pd.DataFrame:
    """Counts of residuals (forecast - observed) in bins of equal width; NaN is skipped.

    The bins cover the central 99 % of the residuals, so that one outlier does not flatten the
    histogram; the others are not counted.

    Returns
    -------
    pd.DataFrame
        Columns residual (bin centre, data units) and count; empty if nothing was observed.
    """
    values = residuals[np.isfinite(residuals)].astype(np.float64)
    if not len(values):
        return pd.DataFrame({"residual": np.empty(0), "count": np.empty(0, dtype=np.int64)})
    low, high = (float(limit) for limit in np.quantile(values, CENTRAL))
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    return pd.DataFrame({"residual": (edges[:-1] + edges[1:]) / 2, "count": counts})


def horizon_table(step_rmse: Mapping[str, Float[np.ndarray, " horizon"]]) -> pd.DataFrame:
    """RMSE at each step, data units; of several targets, the scaled one.

    Parameters
    ----------
    step_rmse : mapping
        Forecast -> [horizon] RMSE (`scores.rmse_by_step`).

    Returns
    -------
    pd.DataFrame
        Columns step (from 1) and one per forecast.
    """
    table = pd.DataFrame(
        {name: np.asarray(values, dtype=np.float64) for name, values in step_rmse.items()}
    )
    table.insert(0, "step", np.arange(1, len(table) + 1))
    return table


def hour_table(hour_rmse: Mapping[str, Float[np.ndarray, "24"]]) -> pd.DataFrame:
    """RMSE at each hour of the day that occurs: columns hour and one per forecast."""
    table = pd.DataFrame(
        {name: np.asarray(values, dtype=np.float64) for name, values in hour_rmse.items()}
    )
    table.insert(0, "hour", np.arange(len(table)))
    return table[table.notna().all(axis=1)]


def residual_step_table(residuals: Float[np.ndarray, "windows horizon"]) -> pd.DataFrame:
    """Percentiles of the residuals (forecast - observed) at each step, data units.

    Returns
    -------
    pd.DataFrame
        Columns step (from 1), p5, p25, p50, p75, p95; NaN if nothing was observed at the step.
    """
    percentiles = [_percentiles(column[np.isfinite(column)]) for column in residuals.T]
    names = [f"p{level}" for level in PERCENTILES]
    table = pd.DataFrame(np.reshape(percentiles, (-1, len(names))), columns=names)
    table.insert(0, "step", np.arange(1, len(table) + 1))
    return table


def residual_summary(
    residuals: Float[np.ndarray, "windows horizon targets"], targets: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean, standard deviation and percentiles of the residuals of each target, data units.

    Residuals are forecast - observed.

    Returns
    -------
    list of dict
        `target`, `n`, `mean`, `std`, `p5`, `p25`, `p50`, `p75`, `p95`; NaN if nothing was observed.
    """
    return [_summary(name, residuals[..., k]) for k, name in enumerate(targets)]


def _summary(target: str, residuals: np.ndarray) -> dict[str, Any]:
    values = residuals[np.isfinite(residuals)].astype(np.float64)
    names = [f"p{level}" for level in PERCENTILES]
    return {
        "target": target,
        "n": len(values),
        "mean": float(values.mean()) if len(values) else math.nan,
        "std": float(values.std()) if len(values) else math.nan,
        **dict(zip(names, _percentiles(values).tolist(), strict=True)),
    }


def _percentiles(values: np.ndarray) -> np.ndarray:
    """`PERCENTILES` of the values; NaN without values."""
    if not len(values):
        return np.full(len(PERCENTILES), np.nan)
    return np.percentile(values.astype(np.float64), PERCENTILES)
