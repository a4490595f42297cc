"""The charts of a report: what is drawn, from the tables in plots/ and the scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.reporting.formatting import number, plain
from spline_lstm.reporting.svg import Band, Chart, Line

UNIT = "data units"


def by_step(table: pd.DataFrame) -> Chart:
    """RMSE at each step of all forecasts (plots/horizon.csv)."""
    return Chart(
        title="RMSE of the model and the baselines at each step",
        x_label="step ahead",
        y_label=f"RMSE ({UNIT})",
        lines=_lines(table, "step"),
        include=(0.0,),
    )


def by_hour(table: pd.DataFrame) -> Chart:
    """RMSE at each hour of the day of all forecasts (plots/hours.csv)."""
    return Chart(
        title="RMSE of the model and the baselines at each hour of the day",
        x_label="hour of the day (UTC)",
        y_label=f"RMSE ({UNIT})",
        lines=_lines(table, "hour"),
        include=(0.0,),
    )


def _lines(table: pd.DataFrame, x: str) -> list[Line]:
    """The model is drawn last, above the others."""
    at = table[x].to_numpy(np.float64)
    names = [str(name) for name in table.columns if name not in (x, MODEL)]
    lines = [
        Line(plain(name), f"b{k % 6}", at, table[name].to_numpy(np.float64))
        for k, name in enumerate(names)
    ]
    return [*lines, Line(MODEL, "model", at, table[MODEL].to_numpy(np.float64))]


def ratio(steps: Mapping[str, Mapping[str, Any]]) -> Chart:
    """RMSE relative to that of the best baseline at each step: below 1 the model wins."""
    x = np.array([float(step) for step in steps])
    share = np.array(
        [np.nan if row["skill"] is None else 1 - row["skill"] for row in steps.values()]
    )
    return Chart(
        title="RMSE of the model by that of the best baseline at each step; below 1 the model wins",
        x_label="step ahead",
        y_label="RMSE / RMSE of the best baseline",
        lines=[
            Line("as good as the best baseline", "b5", x[[0, -1]], np.ones(2)),
            Line(MODEL, "model", x, share),
        ],
        include=(0.0, 1.05),
    )


def examples(table: pd.DataFrame, target: str) -> list[Chart]:
    """One chart for each example of plots/forecast.csv."""
    return [
        _example(str(label), part, target) for label, part in table.groupby("example", sort=False)
    ]


def _example(label: str, table: pd.DataFrame, target: str) -> Chart:
    step = table["step"].to_numpy(np.float64)
    ahead = step > 0
    rmse = np.sqrt(((table["y_pred"] - table["y_true"]) ** 2).mean())
    levels = [
        str(name).removeprefix("lower_") for name in table.columns if str(name).startswith("lower_")
    ]
    bands = [
        Band(
            f"{level} % interval",
            style,
            step[ahead],
            *(_column(table, f"{side}_{level}")[ahead] for side in SIDES),
        )
        for level, style in zip(reversed(levels), ["outer", *["inner"] * len(levels)], strict=False)
    ]
    series = table["series"].iloc[0]
    where = f"series {series}, " if isinstance(series, str) and series else ""
    return Chart(
        title=f"{label.capitalize()} window, {where}origin {table['origin'].iloc[0]}, RMSE {number(float(rmse))}",
        x_label="step ahead",
        y_label=f"{target} ({UNIT})",
        bands=bands,
        lines=[
            Line("history", "history", step[~ahead], _column(table, "history")[~ahead]),
            Line("naive", "b0", step[ahead], _column(table, "naive")[ahead]),
            Line("observed", "truth", step[ahead], _column(table, "y_true")[ahead]),
            Line("forecast", "model", step[ahead], _column(table, "y_pred")[ahead]),
        ],
    )


SIDES = ("lower", "upper")


def _column(table: pd.DataFrame, name: str) -> np.ndarray:
    return table[name].to_numpy(np.float64)


def coverage(records: Sequence[Mapping[str, Any]]) -> Chart:
    """Coverage of each interval by step, beside its level."""
    lines = []
    for index, row in enumerate(records):
        x = np.array([float(item["step"]) for item in row["steps"]])
        y = np.array(
            [np.nan if item["coverage"] is None else item["coverage"] for item in row["steps"]]
        )
        level = float(row["interval"])
        lines.append(Line(f"level {row['interval']} %", "b5", x[[0, -1]], np.array([level, level])))
        lines.append(
            Line(f"{row['interval']} % intervals", "model" if index == 0 else f"b{index}", x, y)
        )
    return Chart(
        title="Share of the observed test values inside the intervals at each step",
        x_label="step ahead",
        y_label="coverage (%)",
        lines=lines,
        include=(100.0,),
    )


def residuals(table: pd.DataFrame) -> Chart:
    """Histogram of the residuals (plots/residuals.csv)."""
    return Chart(
        title="Histogram of the residuals of the first target, central 99 %",
        x_label=f"forecast - observed ({UNIT})",
        y_label="number of forecasts",
        bars=(_column(table, "residual"), _column(table, "count")),
        include=(0.0,),
        whole=False,
    )


def training(curve: pd.DataFrame, loss: str) -> Chart:
    """Loss by epoch (plots/training.csv)."""
    epoch = _column(curve, "epoch")
    return Chart(
        title="Training and validation loss by epoch",
        x_label="epoch",
        y_label=f"{loss} of z-scores",
        lines=[
            Line("training", "history", epoch, _column(curve, "train_loss")),
            Line("validation", "model", epoch, _column(curve, "validation_loss")),
        ],
    )
