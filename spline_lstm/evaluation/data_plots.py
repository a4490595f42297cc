"""The figures of what was done to the data, drawn from the tables of preprocess and backtest."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from spline_lstm.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    YELLOW,
    house_style,
)

SPLIT_COLOURS = {"train": GREY, "validation": YELLOW, "test": GREEN, "none": SKY}
MAX_COLUMNS = 30


@house_style()
def course_figure(course: pd.DataFrame) -> Figure:
    """Each target over time: observed, filled, replaced and smoothed, on the colours of its split.

    Parameters
    ----------
    course : pd.DataFrame
        plots/course.csv, see `spline_lstm.series.course`.
    """
    targets = course["target"].unique()
    figure = Figure(figsize=(10.5, 1.2 + 2.6 * len(targets)))
    axes = figure.subplots(len(targets), 1, sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, targets, strict=True):
        _draw_course(axis, course[course["target"] == name].reset_index(drop=True))
        axis.set_ylabel(name)
    labels = {
        text: handle
        for axis in axes
        for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4)
    figure.suptitle("What was observed, and what was made of it")
    return figure


def _draw_course(axis: Axes, table: pd.DataFrame) -> None:
    times = _times(table["timestamp"])
    step = times[1] - times[0] if len(times) > 1 else 1
    for name, part in table.groupby("split", sort=False):
        span = {"color": SPLIT_COLOURS[str(name)], "alpha": 0.12, "linewidth": 0, "zorder": 0}
        begin, end = float(times[part.index[0]]), float(times[part.index[-1]] + step)
        axis.axvspan(begin, end, label=str(name), **span)
    axis.fill_between(times, table["low"], table["high"], color=GREY, alpha=0.3, linewidth=0)
    axis.plot(times, table["observed"], color=BLUE, linewidth=1.2, label="observed (raw)")
    dots = {"linestyle": "", "marker": "o", "markersize": 3.0}
    for column, colour, label in (
        ("filled", ORANGE, "filled"),
        ("replaced", PURPLE, "outlier, replaced in the inputs"),
    ):
        if table[column].notna().any():
            axis.plot(times, table[column], color=colour, label=label, **dots)
    if table["smoothed"].notna().any():
        line = {"color": GREEN, "linewidth": 1.2, "label": "smoothed, from the past only"}
        axis.plot(times, table["smoothed"], **line)
    lost = table["missing"].to_numpy() > 0
    if lost.any():
        at = axis.get_xaxis_transform()
        ticks = {"color": INK, "linestyle": "", "marker": "|", "markersize": 6}
        axis.plot(times[lost], np.zeros(lost.sum()), transform=at, label="left missing", **ticks)
    _time_axis(axis, table["timestamp"])


@house_style()
def missing_figure(missing: pd.DataFrame) -> Figure:
    """Share of the grid rows without a value, a band per column (plots/missing.csv)."""
    wide = missing.pivot_table(index="column", columns="timestamp", values="missing", sort=False)
    wide = wide.loc[wide.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    wide = wide.iloc[:MAX_COLUMNS]
    times = _times(pd.Series(wide.columns))
    step = times[-1] - times[-2] if len(times) > 1 else 1
    figure = Figure(figsize=(10.5, 1.7 + 0.34 * len(wide)))
    axis = figure.subplots()
    edges = np.append(times, times[-1] + step)
    rows = np.arange(len(wide) + 1)
    mesh = axis.pcolormesh(edges, rows, wide.to_numpy(), cmap="Blues", vmin=0, vmax=1)
    axis.set_yticks(rows[:-1] + 0.5, labels=[str(name) for name in wide.index])
    axis.invert_yaxis()
    axis.grid(visible=False)
    _time_axis(axis, pd.Series(wide.columns))
    figure.colorbar(mesh, ax=axis, label="share missing", format=PercentFormatter(1.0, decimals=0))
    figure.suptitle("Missing cells over time")
    return figure


@house_style()
def folds_figure(folds: Sequence[Mapping[str, Any]]) -> Figure:
    """The splits of each fold of the backtest over time (`folds` of metrics/backtest.json)."""
    figure = Figure(figsize=(10.5, 1.6 + 0.4 * len(folds)))
    axis = figure.subplots()
    keys = ("train_start", "validation_start", "test_start", "test_end")
    bounds = pd.DataFrame([[fold[key] for key in keys] for fold in folds], columns=list(keys))
    for split, begin, end in zip(SPLIT_COLOURS, keys[:-1], keys[1:], strict=False):
        left, right = _times(bounds[begin]), _times(bounds[end])
        style = {"color": SPLIT_COLOURS[split], "height": 0.6, "label": split}
        axis.barh(np.arange(len(folds)), right - left, left=left, **style)
    axis.set_yticks(np.arange(len(folds)), labels=[f"fold {fold['fold']}" for fold in folds])
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    _time_axis(axis, bounds["test_end"])
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("Folds of the backtest")
    return figure


def _times(texts: pd.Series) -> np.ndarray:
    """Positions on the axis: days since 1970 on the wall clock, or numbers of an index."""
    if pd.api.types.is_numeric_dtype(texts):
        return texts.to_numpy(np.float64)
    # The wall clock without its offset, as people of the zone read it.
    clock = pd.to_datetime(texts.astype(str).str.slice(0, 19), format="ISO8601")
    return clock.to_numpy("datetime64[us]").astype(np.float64) / 86_400e6


def _time_axis(axis: Axes, texts: pd.Series) -> None:
    axis.margins(x=0.01)
    if not pd.api.types.is_numeric_dtype(texts):
        locator = AutoDateLocator(minticks=3, maxticks=8)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
