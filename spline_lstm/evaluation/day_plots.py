"""Figures of probabilities of daily rows: the AUC by year, and what the highest ones earn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from spline_lstm.evaluation.day_content import ENSEMBLE, VOLATILITY, DayForecasts
from spline_lstm.evaluation.day_scores import shared
from spline_lstm.reporting.style import BLUE, DASHES, GREY, ORANGE, house_style

# Shares of the rows at which the lift is computed.
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))


def calibration_table(calibration: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """plots/calibration.csv: a row per bin of probabilities that is not empty."""
    columns = ["low", "high", "n", "mean_probability", "positive_share"]
    return pd.DataFrame(list(calibration), columns=columns)


def year_table(years: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """plots/years.csv: a row per calendar year, the AUC of the ensemble with its interval."""
    keys = ("auc", "auc_low", "auc_high", f"auc_{VOLATILITY}", "n_windows")
    rows = [{"year": name, **{key: row[key] for key in keys}} for name, row in years.items()]
    return pd.DataFrame(rows, columns=["year", *keys])


def lift_table(test: DayForecasts) -> pd.DataFrame:
    """plots/lift.csv: the precision of the highest probabilities relative to the share of labels 1.

    A row per share of the rows, a column for the ensemble and one for the volatility; 1 is chance.
    """
    names = (ENSEMBLE, VOLATILITY)
    return pd.DataFrame(
        {"share": TENTHS} | {name: lift(test.labels, test.forecasts[name]) for name in names}
    )


def lift(
    labels: Float[np.ndarray, " rows"], probabilities: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " shares"]:
    """Precision of the highest probabilities / share of labels 1, at each of `TENTHS`.

    Of rows with equal probabilities at the edge of a share, each counts in part.

    >>> lift(np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.9, 0.1, 0.2, 0.3]))[[2, 9]].tolist()
    [4.0, 1.0]
    """
    ordered = shared(labels, probabilities)[np.argsort(-probabilities, kind="stable")]
    counts = np.maximum(1, np.round(np.array(TENTHS) * len(labels)).astype(np.int64))
    precision = np.cumsum(ordered)[counts - 1] / counts
    return precision / labels.mean() if labels.any() else np.full(len(TENTHS), np.nan)


@house_style()
def years_figure(years: pd.DataFrame) -> Figure:
    """AUC of the ensemble in each year with its interval, beside the volatility; see `year_table`.

    0.5 is chance.
    """
    figure = Figure(figsize=(7.0, 4.0))
    axis = figure.subplots()
    position = np.arange(len(years))
    area = years["auc"].to_numpy(np.float64)
    low, high = (years[f"auc_{end}"].to_numpy(np.float64) for end in ("low", "high"))
    axis.errorbar(
        position - 0.08,
        area,
        yerr=np.nan_to_num([area - low, high - area]),
        fmt="o",
        color=BLUE,
        capsize=4,
        label="ensemble, with its 95 % interval",
    )
    other = years[f"auc_{VOLATILITY}"].to_numpy(np.float64)
    axis.plot(position + 0.08, other, "D", color=ORANGE, label="volatility only")
    axis.axhline(0.5, color=GREY, linewidth=1.5, dashes=DASHES[0], label="chance")
    axis.set(ylabel="AUC", xticks=position, xticklabels=years["year"].astype(str))
    axis.margins(x=0.15)
    axis.legend(loc="best")
    figure.suptitle("Order of the rows by calendar year")
    return figure


@house_style()
def lift_figure(table: pd.DataFrame) -> Figure:
    """Lift of the ensemble and of the volatility; see `lift_table`."""
    figure = Figure(figsize=(6.5, 4.0))
    axis = figure.subplots()
    share = 100.0 * table["share"].to_numpy(np.float64)
    axis.plot(share, table[ENSEMBLE], "o-", color=BLUE, linewidth=2.2, label="ensemble")
    axis.plot(share, table[VOLATILITY], "D-", color=ORANGE, linewidth=1.8, label="volatility only")
    axis.axhline(1.0, color=GREY, linewidth=1.5, dashes=DASHES[0], label="chance")
    axis.set(xlabel="rows with the highest probabilities (%)", ylabel="lift")
    axis.legend(loc="upper right")
    figure.suptitle("Lift: precision / share of labels 1")
    return figure
