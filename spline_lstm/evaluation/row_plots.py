"""The figures of an evaluation of rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.reporting.style import BLUE, DASHES, GREEN, GREY, ORANGE, PURPLE, house_style

# Features in the figure of their importance.
MOST_FEATURES = 15
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


@house_style()
def calibration_figure(table: Sequence[Mapping[str, Any]], *, axes: tuple[str, str]) -> Figure:
    """Mean truth against mean prediction, group by group.

    Parameters
    ----------
    table : sequence of mapping
        Records of `row_metrics.CalibrationBin`.
    axes : tuple of str
        Names of the axes: prediction, truth.
    """
    figure = Figure(figsize=(5.5, 4.8))
    axis = figure.subplots()
    predicted = [row["predicted"] for row in table]
    observed = [row["observed"] for row in table]
    ends = [min(predicted + observed), max(predicted + observed)]
    diagonal = {"color": GREY, "linewidth": 1.5, "dashes": DASHES[0], "label": "calibrated"}
    axis.plot(ends, ends, **diagonal)
    axis.plot(predicted, observed, "o-", color=BLUE, linewidth=2.2, markersize=5, label="model")
    axis.set(xlabel=axes[0], ylabel=axes[1])
    axis.legend(loc="upper left")
    figure.suptitle("Predictions against what was observed")
    return figure


@house_style()
def importance_figure(records: Sequence[Mapping[str, Any]], *, measure: str) -> Figure:
    """Permutation importance of the most important features, a bar per model.

    Parameters
    ----------
    records : sequence of mapping
        feature, then model -> rise of the metric, the most important feature first.
    measure : str
        Name of the metric.
    """
    shown = records[:MOST_FEATURES]
    models = [name for name in shown[0] if name != "feature" and not name.startswith("shap_")]
    models = [MODEL, *(name for name in models if name != MODEL)]
    figure = Figure(figsize=(7.5, 1.4 + 0.42 * len(shown)))
    axis = figure.subplots()
    places, height = np.arange(len(shown)), 0.8 / len(models)
    for index, name in enumerate(models):
        offset = (index - (len(models) - 1) / 2) * height
        values = [row[name] for row in shown]
        colour = COLOURS[index % len(COLOURS)]
        axis.barh(places + offset, values, height=0.9 * height, color=colour, label=name)
    axis.set_yticks(places, [row["feature"] for row in shown])
    axis.invert_yaxis()
    axis.set_xlabel(f"rise of the {measure} when the feature is permuted")
    axis.legend(loc="lower right")
    figure.suptitle("Importance of the features")
    return figure
