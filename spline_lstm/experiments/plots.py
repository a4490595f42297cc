"""The figure of a comparison: accuracy against latency and size, and RMSE by step."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.results import nan_last, number
from spline_lstm.experiments.winners import Candidate
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.reporting.style import GREY, house_style

MARKERS = {"univariate": "o", "multivariate": "s"}
# Share of a step by which the points of the first and the last candidate are moved aside.
DODGE = 0.25
DASHED = {"univariate": "-", "multivariate": (0, (4, 2))}


@house_style()
def comparison_figure(result: Comparison) -> Figure:
    """RMSE against latency, against size, and by step relative to the best baseline."""
    figure = Figure(figsize=(13.0, 4.6))
    latency, size, steps = figure.subplots(1, 3)
    _accuracy_against(latency, result, "p95(ms)", "95th percentile of the latency (ms)")
    _accuracy_against(size, result, "model_size(MB)", "size of the exported file (MB)")
    size.sharey(latency)
    _by_step(steps, result)
    figure.legend(
        *latency.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=max(3, len(result.candidates) // 2 + 1),
    )
    return figure


def _accuracy_against(axes: Axes, result: Comparison, column: str, label: str) -> None:
    for candidate in result.candidates:
        axes.scatter(
            [number(record.cells[column]) for record in candidate.records],
            [record.rmse for record in candidate.records],
            s=46,
            alpha=0.85,
            color=_colour(candidate),
            marker=_marker(candidate),
            label=f"{candidate.name}, a point per seed",
        )
    name, baseline = min(
        (record.best_baseline for record in result.records), key=lambda found: nan_last(found[1])
    )
    if not math.isnan(baseline):
        axes.axhline(baseline, color=GREY, linestyle=":", label=f"best baseline: {name}")
    measured = [
        value for record in result.records if not math.isnan(value := number(record.cells[column]))
    ]
    axes.set_xlim(0.0, 1.08 * max(measured, default=1.0))
    axes.set_xlabel(label)
    measure = result.measure
    axes.set_ylabel(f"{measure} (data units)" if measure == "RMSE" else measure)
    axes.set_title("Down and to the left is better")


def _by_step(axes: Axes, result: Comparison) -> None:
    """RMSE relative to the best baseline, because steps differ far more than models do."""
    ratios = {name: values / result.step_baseline for name, values in result.step_rmse.items()}
    shifts = np.linspace(-DODGE, DODGE, len(result.candidates))
    for shift, candidate in zip(shifts, result.candidates, strict=True):
        values, colour = ratios[candidate.name], _colour(candidate)
        steps = np.arange(1, values.shape[1] + 1) + shift
        line = {"color": colour, "linestyle": _dashes(candidate), "linewidth": 1.2}
        axes.plot(steps, values.mean(axis=0), **line)
        dots = {"linestyle": "", "marker": _marker(candidate), "markersize": 4, "alpha": 0.85}
        for seed in values:
            axes.plot(steps, seed, color=colour, **dots)
    axes.axhline(1.0, color=GREY, linestyle=":")
    drawn = np.concatenate([values[np.isfinite(values)] for values in ratios.values()])
    if drawn.size:
        # The limits are those of the models: including the line of the baseline, far above them,
        # would squeeze them together.
        margin = max(0.08 * float(np.ptp(drawn)), 0.005)
        axes.set_ylim(drawn.min() - margin, drawn.max() + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("RMSE / RMSE of the best baseline at the step")
    axes.set_title("Below 1: better than every baseline")


def _colour(candidate: Candidate) -> str:
    return MODEL_TYPES[candidate.records[0].run.model_type].colour


def _dashes(candidate: Candidate) -> Any:
    return DASHED[candidate.records[0].run.feature_mode]


def _marker(candidate: Candidate) -> str:
    return MARKERS[candidate.records[0].run.feature_mode]
