"""The comparison as a picture: accuracy against latency and size, and RMSE by step; a point per seed."""

import io
import math
import re
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.results import nan_last, number
from spline_lstm.experiments.winners import Cell
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.reporting.style import GREY, house_style, save_png

MARKERS = {"univariate": "o", "multivariate": "s"}
# Share of a step by which the points of the first and the last cell stand aside.
DODGE = 0.25
DASHED = {"univariate": "-", "multivariate": (0, (4, 2))}


def figure_of(result: Comparison) -> Figure:
    """Three panels side by side: accuracy against latency, against size, and by step relative to the best baseline."""
    figure = Figure(figsize=(13.0, 4.6))
    latency, size, steps = figure.subplots(1, 3)
    _accuracy_against(latency, result, "p95(ms)", "95th percentile of the latency (ms)")
    _accuracy_against(size, result, "model_size(MB)", "size of the exported file (MB)")
    size.sharey(latency)
    _by_step(steps, result)
    figure.legend(
        *latency.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=max(3, len(result.cells) // 2 + 1),
    )
    return figure


def _accuracy_against(axes: Axes, result: Comparison, column: str, label: str) -> None:
    for cell in result.cells:
        axes.scatter(
            [number(record.cells[column]) for record in cell.records],
            [record.rmse for record in cell.records],
            s=46,
            alpha=0.85,
            color=_colour(cell),
            marker=_marker(cell),
            label=f"{cell.name}, a point per seed",
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
    axes.set_ylabel("RMSE (data units)")
    axes.set_title("Down and to the left is better")


def _by_step(axes: Axes, result: Comparison) -> None:
    """RMSE relative to the best baseline: the models differ by a few percent of what the steps differ by."""
    ratios = {name: values / result.step_baseline for name, values in result.step_rmse.items()}
    for shift, cell in zip(
        np.linspace(-DODGE, DODGE, len(result.cells)), result.cells, strict=True
    ):
        values = ratios[cell.name]
        steps = np.arange(1, values.shape[1] + 1) + shift
        axes.plot(
            steps, values.mean(axis=0), color=_colour(cell), linestyle=_dashes(cell), linewidth=1.2
        )
        for seed in values:
            axes.plot(
                steps,
                seed,
                linestyle="",
                color=_colour(cell),
                marker=_marker(cell),
                markersize=4,
                alpha=0.85,
            )
    axes.axhline(1.0, color=GREY, linestyle=":")
    drawn = np.concatenate([values[np.isfinite(values)] for values in ratios.values()])
    if drawn.size:
        # The limits are those of the models: the line of the baseline, far above them, would press them together.
        margin = max(0.08 * float(np.ptp(drawn)), 0.005)
        axes.set_ylim(drawn.min() - margin, drawn.max() + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("RMSE / RMSE of the best baseline at the step")
    axes.set_title("Below 1: better than every baseline")


def _colour(cell: Cell) -> str:
    return MODEL_TYPES[cell.records[0].run.model_type].colour


def _dashes(cell: Cell) -> Any:
    return DASHED[cell.records[0].run.feature_mode]


def _marker(cell: Cell) -> str:
    return MARKERS[cell.records[0].run.feature_mode]


def write_png(result: Comparison, path: Path) -> None:
    """Write the picture to a PNG file."""
    with house_style():
        save_png(figure_of(result), path)


def svg_text(result: Comparison) -> str:
    """The picture as an SVG element to stand inside a page; equal results give equal text."""
    stream = io.StringIO()
    with (
        house_style(),
        matplotlib.rc_context({"svg.hashsalt": "comparison", "svg.fonttype": "none"}),
    ):
        figure = figure_of(result)
        FigureCanvasAgg(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return re.sub(r"^.*?(?=<svg )", "", text, flags=re.DOTALL)
