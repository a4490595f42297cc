"""The figures of an evaluation, each drawn from its table (`tables`) or from the scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spline_lstm.core.clock import Clock
from spline_lstm.core.formatting import number, plain
from spline_lstm.core.time_zones import UTC
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.metrics import PERCENTILES
from spline_lstm.reporting.style import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    MAX_MARKERS,
    ORANGE,
    PURPLE,
    SHADE,
    SKY,
    YELLOW,
    house_style,
)

UNIT = "data units"
BASELINE_COLOURS = (ORANGE, GREEN, PURPLE, YELLOW, SKY, GREY)
LEVEL_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# The smallest step, in ns, for which the time axis counts in this unit.
TIME_UNITS = (
    (86_400_000_000_000, "days"),
    (3_600_000_000_000, "hours"),
    (60_000_000_000, "minutes"),
    (10**9, "seconds"),
)


@house_style()
def forecasts_figure(
    table: pd.DataFrame, *, target: str, clock: Clock, unit: str = UNIT, measure: str = "RMSE"
) -> Figure:
    """Each example in a panel: history, truth, forecast with its intervals, and naive forecast.

    Parameters
    ----------
    table : pd.DataFrame
        `tables.forecast_table` of one or more examples (plots/forecast.csv).
    target, unit : str
        Name and unit on the axis.
    clock : Clock
        Whose steps the time axis counts.
    measure : str
        What the RMSE of an example is called.
    """
    examples = [example for _, example in table.groupby("example", sort=False)]
    columns = min(len(examples), 3)
    rows = -(-len(examples) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.3 * rows + 0.6))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, example in zip(axes, examples, strict=False):
        _draw_example(axis, example, clock, measure)
    for axis in axes[len(examples) :]:
        axis.set_visible(False)
    for axis in axes[::columns]:
        axis.set_ylabel(f"{target} ({unit})")
    figure.suptitle(f"Forecasts of {target}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _time_unit(clock: Clock) -> tuple[float, str]:
    """Length of one step on the time axis, and what it counts."""
    if clock.kind == "fixed":
        size, name = next((each for each in TIME_UNITS if clock.step >= each[0]), (1, "ns"))
        return clock.step / size, name
    return (clock.step if clock.kind == "index" else 1), f"step: {clock.step_name}"


def _draw_example(axis: Axes, table: pd.DataFrame, clock: Clock, measure: str) -> None:
    step, name = _time_unit(clock)
    is_ahead = table["step"].to_numpy() > 0
    time = (table["step"].to_numpy(np.float64) - 1) * step
    past, ahead = time[~is_ahead], time[is_ahead]
    values = {str(name): table[name].to_numpy() for name in table.columns}
    axis.axvspan(-step / 2, ahead[-1] + step / 2, color=SHADE, zorder=0, linewidth=0)
    levels = [name.removeprefix("lower_") for name in values if name.startswith("lower_")]
    for level in reversed(levels):
        low, high = (values[f"{side}_{level}"][is_ahead] for side in ("lower", "upper"))
        label = f"{level} % interval"
        axis.fill_between(ahead, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)
    history = {"color": GREY, "linewidth": 1.4, "label": "history (as known at the origin)"}
    axis.plot(past, values["history"][~is_ahead], **history)
    naive = {"color": ORANGE, "linewidth": 1.4, "dashes": DASHES[0], "label": "naive"}
    axis.plot(ahead, values["naive"][is_ahead], **naive)
    dots = {"marker": "o", "markersize": 3.5}
    observed = {"color": INK, "linewidth": 1.2, "label": "observed", **dots}
    axis.plot(ahead, values["y_true"][is_ahead], **observed)
    forecast = {"color": BLUE, "linewidth": 2.2, "label": "forecast", **dots}
    axis.plot(ahead, values["y_pred"][is_ahead], **forecast)
    axis.margins(x=0.01)
    axis.set_xlabel(f"time from the forecast origin ({name})")
    axis.set_title(_example_title(table, measure))


def _example_title(table: pd.DataFrame, measure: str) -> str:
    first, rmse = table.iloc[0], example_rmse(table)
    error = "" if np.isnan(rmse) else f", {measure} {rmse:.3g}"
    origin = _origin_text(first["origin"])
    # Read from a file, the name of the only series is NaN.
    named = isinstance(first["series"], str) and first["series"]
    series = f"series {first['series']}, " if named else ""
    return f"{first['example'].capitalize()} window{error}\n{series}origin {origin}"


def _origin_text(origin: Any) -> str:
    """The timestamp as `Clock.text_of` wrote it, to the minute."""
    if not isinstance(origin, str):
        return str(origin)
    return f"{origin[:16].replace('T', ' ')} {'UTC' if origin.endswith('Z') else origin[-6:]}"


def example_rmse(table: pd.DataFrame) -> float:
    """RMSE of one example of `tables.forecast_table`; NaN if nothing was observed."""
    return float(np.sqrt(((table["y_pred"] - table["y_true"]) ** 2).mean()))


@house_style()
def residuals_figure(
    histogram: pd.DataFrame,
    by_step: pd.DataFrame,
    *,
    target: str,
    bias: float | None,
    unit: str = UNIT,
) -> Figure:
    """The histogram of the residuals, and their percentiles at each step.

    Parameters
    ----------
    histogram : pd.DataFrame
        `tables.residual_histogram` (plots/residuals.csv).
    by_step : pd.DataFrame
        `tables.residual_step_table` (plots/residual_steps.csv).
    target, unit : str
        Name and unit on the axes.
    bias : float, optional
        Mean residual; None if nothing was observed.
    """
    label = f"forecast - observed ({unit})"
    figure = Figure(figsize=(10.5, 4.1))
    left, right = figure.subplots(1, 2)
    _draw_histogram(left, histogram, bias)
    left.set(title="All steps, central 99 %", xlabel=label, ylabel="number of forecasts")
    _draw_percentiles(right, by_step)
    right.set(title="By step", xlabel="step ahead", ylabel=label)
    figure.suptitle(f"Residuals of {target}")
    return figure


def _draw_histogram(axis: Axes, histogram: pd.DataFrame, bias: float | None) -> None:
    centres, counts = histogram["residual"].to_numpy(), histogram["count"].to_numpy()
    width = centres[1] - centres[0] if len(centres) > 1 else 1.0
    axis.bar(centres, counts, width=width, color=BLUE, alpha=0.75, linewidth=0)
    axis.axvline(0.0, color=INK, linewidth=1.0)
    axis.grid(visible=False, axis="x")
    if bias is not None:
        line = {"color": ORANGE, "linewidth": 1.6, "dashes": DASHES[0]}
        axis.axvline(bias, label=f"bias {bias:.3g}", **line)
        axis.legend(loc="upper right")


def _draw_percentiles(axis: Axes, by_step: pd.DataFrame) -> None:
    steps = by_step["step"].to_numpy()
    low, quarter, median, three_quarters, high = (
        by_step[f"p{level}"].to_numpy(np.float64) for level in PERCENTILES
    )
    wide = {"width": 0.8, "color": BLUE, "linewidth": 0}
    axis.bar(steps, high - low, bottom=low, alpha=0.2, label="5 to 95 %", **wide)
    middle = {"bottom": quarter, "alpha": 0.35, "label": "25 to 75 %"}
    axis.bar(steps, three_quarters - quarter, **middle, **wide)
    _draw_line(axis, steps, median, color=BLUE, linewidth=1.6, label="median")
    axis.axhline(0.0, color=INK, linewidth=1.0)
    axis.grid(visible=False, axis="x")
    axis.legend(loc="upper left", ncols=3)
    # Bars stick to their lower end unless told not to: the margin below would be cut off.
    axis.use_sticky_edges = False
    axis.margins(y=0.15)


@house_style()
def step_figure(
    table: pd.DataFrame,
    *,
    title: str,
    skill: Sequence[float | None] | None = None,
    unit: str = UNIT,
    measure: str | None = None,
) -> Figure:
    """RMSE at each step, the model against the baselines; with `skill` also as a ratio to the best.

    Parameters
    ----------
    table : pd.DataFrame
        `tables.horizon_table` (plots/horizon.csv).
    title, unit : str
        What was forecast, and the unit of the RMSE.
    skill : sequence of float, optional
        1 - RMSE / RMSE of the best baseline at each step; None if there is none.
    measure : str, optional
        Name of the score on the axis, in place of the RMSE in its unit.
    """
    panels = 1 if skill is None else 2
    figure = Figure(figsize=(7.5 if skill is None else 10.5, 4.3))
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _draw_errors(axes[0], table, "step")
    axes[0].set(xlabel="step ahead", ylabel=measure or f"RMSE ({unit})")
    if skill is not None:
        axes[0].set_title("All forecasts")
        _draw_ratio(axes[1], table["step"].to_numpy(), skill)
    figure.suptitle(title)
    return figure


def _draw_ratio(axis: Axes, steps: np.ndarray, skill: Sequence[float | None]) -> None:
    ratio = np.array([np.nan if value is None else 1 - value for value in skill])
    line = {"color": GREY, "linewidth": 1.5, "dashes": DASHES[0]}
    axis.axhline(1.0, label="as good as the best baseline", **line)
    _draw_line(axis, steps, ratio, color=BLUE, linewidth=2.6, label=MODEL)
    axis.set(xlabel="step ahead", ylabel="RMSE / RMSE of the best baseline")
    axis.set_title("Below 1: better than every baseline")
    axis.set_ylim(bottom=0)
    axis.legend(loc="lower right")


@house_style()
def hour_figure(table: pd.DataFrame, *, zone: str = UTC, unit: str = UNIT) -> Figure:
    """RMSE at each hour of the day, the model against the baselines (plots/hours.csv)."""
    figure = Figure(figsize=(7.5, 4.3))
    axis = figure.subplots()
    _draw_errors(axis, table, "hour")
    axis.set(xlabel=f"hour of the day ({zone})", ylabel=f"RMSE ({unit})")
    figure.suptitle("Error by hour of the day")
    return figure


def _draw_errors(axis: Axes, table: pd.DataFrame, x: str) -> None:
    """A line for each forecast; the model above the others."""
    at = table[x].to_numpy()
    _draw_line(axis, at, table[MODEL], label=MODEL, color=BLUE, linewidth=2.6, zorder=3)
    names = [str(name) for name in table.columns if name not in (x, MODEL)]
    for index, name in enumerate(names):
        colour = BASELINE_COLOURS[index % len(BASELINE_COLOURS)]
        dashes = DASHES[index % len(DASHES)]
        style = {"color": colour, "dashes": dashes, "linewidth": 1.5}
        _draw_line(axis, at, table[name], label=plain(name), **style)
    axis.set_ylim(bottom=0)
    axis.legend(loc="best", ncols=2)


def _draw_line(axis: Axes, x: Any, y: Any, **style: Any) -> None:
    """A line over whole numbers."""
    marker = "o" if len(x) <= MAX_MARKERS else ""
    axis.plot(x, np.asarray(y, dtype=np.float64), marker=marker, markersize=4, **style)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


@house_style()
def coverage_figure(intervals: Sequence[Mapping[str, Any]]) -> Figure:
    """Coverage of each kind of interval at each step, beside its level.

    Parameters
    ----------
    intervals : sequence of mapping
        `intervals` of metrics/evaluate.json.
    """
    figure = Figure(figsize=(7.5, 4.3))
    axis = figure.subplots()
    for index, row in enumerate(intervals):
        steps = [int(item["step"]) for item in row["steps"]]
        coverage = [item["coverage"] for item in row["steps"]]
        colour = LEVEL_COLOURS[index % len(LEVEL_COLOURS)]
        label = f"{row['interval']} % intervals"
        _draw_line(axis, steps, coverage, color=colour, linewidth=2.2, label=label)
        level = {"color": colour, "linewidth": 1.2, "dashes": DASHES[1]}
        axis.axhline(float(row["interval"]), **level)
    axis.set(xlabel="step ahead", ylabel="coverage (%)")
    axis.set_ylim(top=101)
    axis.set_title("Dotted: the level that they should have")
    axis.legend(loc="best")
    figure.suptitle("Coverage of the prediction intervals by step")
    return figure


@house_style()
def training_figure(curve: pd.DataFrame, *, loss: str) -> Figure:
    """Training and validation loss by step, with the best evaluation marked.

    Parameters
    ----------
    curve : pd.DataFrame
        plots/training.csv: columns step, train_loss, validation_loss.
    loss : str
        Name of the loss with its unit, for the axis.
    """
    steps, validation = curve["step"].to_numpy(), curve["validation_loss"].to_numpy(np.float64)
    figure = Figure(figsize=(7.5, 4.3))
    axis = figure.subplots()
    _draw_line(axis, steps, curve["train_loss"], color=GREY, linewidth=1.8, label="training")
    _draw_line(axis, steps, validation, color=BLUE, linewidth=2.2, label="validation")
    if np.isfinite(validation).any():
        best = int(np.nanargmin(validation))
        label = f"best step {steps[best]:g}: {number(float(validation[best]))}"
        ring = {"markersize": 11, "markerfacecolor": "none", "color": ORANGE, "label": label}
        axis.plot(steps[best], validation[best], "o", **ring)
    axis.set(xlabel="step", ylabel=loss)
    axis.legend(loc="upper right")
    figure.suptitle("Training and validation loss")
    return figure
