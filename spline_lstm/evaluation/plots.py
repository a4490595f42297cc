"""The pictures of an evaluation, as PNG files whose bytes depend on the data alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.example_windows import Example
from spline_lstm.evaluation.tables import residual_histogram
from spline_lstm.reporting.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    ORANGE,
    house_style,
    save_png,
)

BASELINE_COLOURS = (ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9", GREY)
# Length of one step, in ns, from which on the time axis counts in this unit.
TIME_UNITS = (
    (86_400_000_000_000, "days"),
    (3_600_000_000_000, "hours"),
    (60_000_000_000, "minutes"),
    (10**9, "seconds"),
)


def plot_forecasts(
    path: Path,
    examples: Sequence[Example],
    *,
    target: str,
    frequency_ns: int,
    unit: str = "data units",
) -> None:
    """Draw each example in a panel: history, truth, forecast and naive forecast.

    The history is cut to four horizons (at least 24 rows), so that the forecast stays visible.

    Parameters
    ----------
    path : Path
        PNG file.
    examples : sequence of Example
        One or more, all of one target.
    target, unit : str
        Name and unit on the axis.
    frequency_ns : int
        Length of one step.
    """
    columns = min(len(examples), 3)
    rows = -(-len(examples) // columns)
    with house_style():
        figure = Figure(figsize=(4.3 * columns, 3.3 * rows + 0.6))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, example in zip(axes, examples, strict=False):
            _draw_example(axis, example, frequency_ns)
        for axis in axes[len(examples) :]:
            axis.set_visible(False)
        for axis in axes[::columns]:
            axis.set_ylabel(f"{target} ({unit})")
        figure.suptitle(f"Forecasts of {target}")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        save_png(figure, path)


def _draw_example(axis: Axes, example: Example, frequency_ns: int) -> None:
    horizon = len(example.y_pred)
    history = example.shown_history
    size, name = next((each for each in TIME_UNITS if frequency_ns >= each[0]), (1, "ns"))
    step = frequency_ns / size
    past, ahead = np.arange(-len(history), 0) * step, np.arange(horizon) * step
    axis.axvspan(-step / 2, (horizon - 0.5) * step, color="#f3f6f9", zorder=0, linewidth=0)
    for level, (low, high) in zip(reversed(example.levels), example.bounds[::-1], strict=True):
        axis.fill_between(
            ahead, low, high, color=BLUE, alpha=0.15, linewidth=0, label=f"{level:g} % interval"
        )
    axis.plot(past, history, color=GREY, linewidth=1.4, label="history (as known at the origin)")
    axis.plot(ahead, example.naive, color=ORANGE, linewidth=1.4, dashes=DASHES[0], label="naive")
    axis.plot(
        ahead,
        example.y_true,
        color=INK,
        linewidth=1.2,
        marker="o",
        markersize=3.5,
        label="observed",
    )
    axis.plot(
        ahead,
        example.y_pred,
        color=BLUE,
        linewidth=2.2,
        marker="o",
        markersize=3.5,
        label="forecast",
    )
    axis.margins(x=0.01)
    axis.set_xlabel(f"time from the forecast origin ({name})")
    axis.set_title(_example_title(example))


def _example_title(example: Example) -> str:
    error = example.y_pred - example.y_true
    error = error[np.isfinite(error)]
    rmse = f", RMSE {np.sqrt(np.mean(error**2)):.3g}" if len(error) else ""
    timestamp = pd.Timestamp(example.origin_time, unit="ns").strftime("%Y-%m-%d %H:%M")
    series = f"series {example.series}, " if example.series else ""
    return f"{example.label.capitalize()} window{rmse}\n{series}origin {timestamp} UTC"


def plot_residuals(
    path: Path,
    residuals: Float[np.ndarray, "windows horizon"],
    *,
    target: str,
    unit: str = "data units",
) -> None:
    """Draw the histogram of the residuals, and their spread at each step.

    Parameters
    ----------
    path : Path
        PNG file.
    residuals : np.ndarray
        [windows, horizon] forecast - observed, NaN where not observed.
    target, unit : str
        Name and unit on the axes.
    """
    label = f"forecast - observed ({unit})"
    with house_style():
        figure = Figure(figsize=(10.5, 4.1))
        left, right = figure.subplots(1, 2)
        _draw_histogram(left, residuals)
        left.set(title="All steps, central 99 %", xlabel=label, ylabel="number of forecasts")
        _draw_spread(right, residuals)
        right.set(title="By step", xlabel="step ahead", ylabel=label)
        figure.suptitle(f"Residuals of {target}")
        save_png(figure, path)


def _draw_histogram(axis: Axes, residuals: np.ndarray) -> None:
    table = residual_histogram(residuals)
    centres, counts = table["residual"].to_numpy(), table["count"].to_numpy()
    width = centres[1] - centres[0] if len(centres) > 1 else 1.0
    axis.bar(centres, counts, width=width, color=BLUE, alpha=0.75, linewidth=0)
    axis.axvline(0.0, color=INK, linewidth=1.0)
    axis.grid(visible=False, axis="x")
    if len(centres):
        mean = float(residuals[np.isfinite(residuals)].mean())
        axis.axvline(mean, color=ORANGE, linewidth=1.6, dashes=DASHES[0], label=f"bias {mean:.3g}")
        axis.legend(loc="upper right")


def _draw_spread(axis: Axes, residuals: np.ndarray) -> None:
    steps = np.arange(1, residuals.shape[1] + 1)
    columns = (column[np.isfinite(column)] for column in residuals.T)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    quantiles = np.array(
        [np.quantile(column, levels) if len(column) else [np.nan] * 5 for column in columns]
    ).T
    low, quarter, median, three_quarters, high = quantiles
    axis.bar(
        steps, high - low, bottom=low, width=0.8, color="#cfe3f1", linewidth=0, label="5 to 95 %"
    )
    axis.bar(
        steps,
        three_quarters - quarter,
        bottom=quarter,
        width=0.8,
        color="#7fb8dd",
        linewidth=0,
        label="25 to 75 %",
    )
    axis.plot(steps, median, color=BLUE, linewidth=1.6, marker="o", markersize=4, label="median")
    axis.axhline(0.0, color=INK, linewidth=1.0)
    axis.grid(visible=False, axis="x")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="upper left", ncols=3)
    # Bars stick to their lower end unless told not to: the margin below would be cut off.
    axis.use_sticky_edges = False
    axis.margins(y=0.15)


def plot_horizon(
    path: Path,
    step_rmse: Mapping[str, Float[np.ndarray, " horizon"]],
    *,
    title: str,
    unit: str = "data units",
) -> None:
    """Draw the RMSE at each step, the model against the baselines.

    Parameters
    ----------
    path : Path
        PNG file.
    step_rmse : mapping
        Name -> [horizon] RMSE (`scores.rmse_by_step`); the model under `scores.MODEL`.
    title, unit : str
        What was forecast, and the unit of the RMSE.
    """
    with house_style():
        figure = Figure(figsize=(7.5, 4.3))
        axis = figure.subplots()
        _draw_curve(axis, step_rmse[MODEL], label=MODEL, color=BLUE, linewidth=2.6, zorder=3)
        for index, name in enumerate(name for name in step_rmse if name != MODEL):
            colour, dashes = (
                BASELINE_COLOURS[index % len(BASELINE_COLOURS)],
                DASHES[index % len(DASHES)],
            )
            _draw_curve(
                axis,
                step_rmse[name],
                label=name.replace("_", " "),
                color=colour,
                dashes=dashes,
                linewidth=1.5,
            )
        axis.set(xlabel="step ahead", ylabel=f"RMSE ({unit})")
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(loc="upper left")
        figure.suptitle(title)
        save_png(figure, path)


def _draw_curve(axis: Axes, values: np.ndarray, **style: Any) -> None:
    # Markers show where the steps are, but melt into a band when there are many.
    marker = "o" if len(values) <= 30 else ""
    axis.plot(np.arange(1, len(values) + 1), values, marker=marker, markersize=4, **style)


def plot_training(
    path: Path,
    epoch: Sequence[int] | np.ndarray,
    train_loss: Sequence[float] | np.ndarray,
    validation_loss: Sequence[float] | np.ndarray,
    *,
    loss: str,
) -> None:
    """Draw training and validation loss by epoch, with the best epoch marked.

    Parameters
    ----------
    path : Path
        PNG file.
    epoch, train_loss, validation_loss : sequences
        The columns of plots/training.csv.
    loss : str
        Name of the loss with its unit, as it stands on the axis.
    """
    epochs, validation = np.asarray(epoch), np.asarray(validation_loss, dtype=np.float64)
    with house_style():
        figure = Figure(figsize=(7.5, 4.3))
        axis = figure.subplots()
        axis.plot(
            epochs,
            train_loss,
            color=GREY,
            linewidth=1.8,
            marker="o",
            markersize=3,
            label="training",
        )
        axis.plot(
            epochs,
            validation,
            color=BLUE,
            linewidth=2.2,
            marker="o",
            markersize=4,
            label="validation",
        )
        if np.isfinite(validation).any():
            best = int(np.nanargmin(validation))
            label = f"best epoch {epochs[best]:g}: {validation[best]:.4g}"
            axis.plot(
                epochs[best],
                validation[best],
                "o",
                markersize=11,
                markerfacecolor="none",
                color=ORANGE,
                label=label,
            )
        axis.set(xlabel="epoch", ylabel=loss)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(loc="upper right")
        figure.suptitle("Training and validation loss")
        save_png(figure, path)
