"""The plots of preprocessing: fills, missing values, splits.

What is drawn as filled is the two-sided value, for people; a model sees it only where it was known
at the forecast origin, and the causal value before that.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from spline_lstm.core.clock import Clock
from spline_lstm.core.plot_tables import plot_times
from spline_lstm.core.time_zones import DAY_NS, UTC
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
from spline_lstm.series.gaps import Gap
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays

MAX_COLUMNS = 30
TIME_BINS = 100
CURVE_BINS = 600
COLOUR_LIMITS = (0.1, 0.25, 0.5, 1.0)
PART_COLOURS = {"train": "#eef1f4", "validation": "#fdf0df", "test": "#e3f0e6"}


def plot_spline(path: Path, gaps: Sequence[Gap], clock: Clock) -> None:
    """Draw each gap in a panel: raw observations, the filled series, what was known meanwhile."""
    columns = min(len(gaps), 3)
    rows = -(-len(gaps) // columns)
    with house_style():
        figure = Figure(figsize=(max(4.3 * columns, 7.5), 3.0 * rows + 0.7))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, item in zip(axes, gaps, strict=False):
            _draw_gap(axis, item, clock)
        for axis in axes[len(gaps) :]:
            axis.set_visible(False)
        figure.suptitle("The longest gaps: filled, and left missing")
        labels = {
            text: handle
            for axis in axes
            for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4)
        save_png(figure, path)


def _draw_gap(axis: Axes, item: Gap, clock: Clock) -> None:
    times = _dates(item.timestamps, clock)
    length = item.gap.stop - item.gap.start
    around = slice(max(item.gap.start - 1, 0), item.gap.stop + 1)
    if length:
        half = (times[1] - times[0]) / 2
        colour = "#f3f6f9" if item.is_filled else "#fbeee6"
        axis.axvspan(
            times[item.gap.start] - half,
            times[item.gap.stop - 1] + half,
            color=colour,
            zorder=0,
            linewidth=0,
        )
        causal = {"color": ORANGE, "linewidth": 1.5, "dashes": DASHES[0]}
        axis.plot(times[around], item.causal[around], label="known before the gap closes", **causal)
    axis.plot(times, item.filled, color=BLUE, linewidth=1.6, label="filled")
    if item.smoothed is not None:
        axis.plot(
            times, item.smoothed, color=GREEN, linewidth=1.4, label="smoothed, from the past only"
        )
    axis.plot(
        times, item.raw, color=INK, linestyle="", marker="o", markersize=2.4, label="observed"
    )
    what = f"{length} rows {'filled' if item.is_filled else 'left missing'}" if length else "no gap"
    axis.set_title(f"{item.series + ': ' if item.series else ''}{what}")
    axis.set_ylabel(item.target)
    _date_axis(axis, clock)


def missing_table(
    table: RawTable, arrays: AsOfArrays, clock: Clock, *, bins: int = TIME_BINS
) -> pd.DataFrame:
    """Share of grid rows without a value, by column and interval of time.

    Its columns: timestamp (start of the interval), day (of the same instant, since the first row;
    of an index its number since the first one), column, missing (0 to 1), rows (of the grid).
    Intervals without grid rows are left out.

    Parameters
    ----------
    table : RawTable
        What was read; its columns in their order.
    arrays : AsOfArrays
        What was made of it; its timestamps are the grid.
    clock : Clock
        Whose rows are those of the grid.
    bins : int
        At most this many intervals; each has as many grid rows, the last one perhaps fewer.
    """
    rows = clock.locate(arrays.timestamps)[0]
    first, last = int(rows.min()), int(rows.max())
    width = -(-(last - first + 1) // bins)
    count = (last - first) // width + 1
    expected = np.bincount((rows - first) // width, minlength=count)
    # Timestamps may lie half a step outside the grid.
    place = np.clip((clock.nearest(table.timestamps) - first) // width, 0, count - 1)
    begins = clock.timestamps_of(first + width * np.flatnonzero(expected))
    since = begins - int(arrays.timestamps.min())
    tables = []
    for index, name in enumerate(table.columns):
        present = np.bincount(place[~np.isnan(table.values[:, index])], minlength=count)
        share = 1 - present[expected > 0] / expected[expected > 0]
        content = {
            "timestamp": plot_times(clock, begins),
            "day": since if clock.kind == "index" else since / DAY_NS,
            "column": name,
            "missing": np.clip(share, 0.0, 1.0),
            "rows": expected[expected > 0],
        }
        tables.append(pd.DataFrame(content))
    return pd.concat(tables, ignore_index=True)


def plot_missing(path: Path, missing: pd.DataFrame) -> None:
    """Draw the table of `missing_table`, one band per column; at most those with most missing."""
    wide = missing.pivot_table(index="column", columns="timestamp", values="missing", sort=False)
    rows = missing.pivot_table(index="column", columns="timestamp", values="rows", sort=False)
    total = (wide * rows).sum(axis=1) / rows.sum(axis=1)
    kept = total.index.isin(total.sort_values(ascending=False, kind="stable").index[:MAX_COLUMNS])
    wide, total = wide[kept], total[kept]
    # The texts are on a wall clock: here it counts as UTC.
    clock = Clock("index" if pd.api.types.is_numeric_dtype(missing["timestamp"]) else "fixed")
    edges = wide.columns.to_numpy()
    if clock.kind == "fixed":
        edges = _dates(pd.to_datetime(wide.columns).as_unit("ns").astype("int64").to_numpy(), clock)
    day = 1 if clock.kind == "index" else np.timedelta64(1, "D")
    width = edges[-1] - edges[-2] if len(edges) > 1 else day
    darkest = next(limit for limit in COLOUR_LIMITS if limit >= wide.to_numpy().max())
    with house_style():
        figure = Figure(figsize=(9.5, 1.7 + 0.34 * len(wide)))
        axis = figure.subplots()
        mesh = axis.pcolormesh(
            np.append(edges, edges[-1] + width),
            np.arange(len(wide) + 1),
            wide.to_numpy(),
            cmap="Blues",
            vmin=0,
            vmax=darkest,
        )
        labels = [f"{name}  {share:.1%}" for name, share in total.items()]
        axis.set_yticks(np.arange(len(wide)) + 0.5, labels=labels)
        axis.tick_params(axis="y", length=0, labelcolor=INK)
        axis.invert_yaxis()
        axis.grid(visible=False)
        for line in range(1, len(wide)):
            axis.axhline(line, color="white", linewidth=2)
        _date_axis(axis, clock)
        bar = figure.colorbar(
            mesh, ax=axis, label="share missing", format=PercentFormatter(1.0, decimals=0), pad=0.02
        )
        bar.outline.set_visible(False)
        figure.suptitle("Missing values over time")
        save_png(figure, path)


def plot_splits(path: Path, arrays: AsOfArrays, clock: Clock) -> None:
    """Draw each target over time with its three splits; of a panel, median and range."""
    names = [str(arrays.feature_names[index]) for index in arrays.target_indices]
    with house_style():
        figure = Figure(figsize=(9.5, 1.4 + 2.1 * len(names)))
        axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for target, axis in enumerate(axes):
            _draw_splits(axis, arrays, clock, named=target == 0)
            _draw_course(axis, arrays.timestamps, arrays.raw_target[:, target], clock)
            axis.set_ylabel(names[target])
        _date_axis(axes[-1], clock)
        n_series = len(arrays.series_offsets) - 1
        figure.suptitle(
            "Training, validation and test split"
            + (f" of {n_series} series" if n_series > 1 else "")
        )
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        save_png(figure, path)


def _draw_splits(axis: Axes, arrays: AsOfArrays, clock: Clock, *, named: bool) -> None:
    timestamps = arrays.timestamps
    instants = [int(each) for each in arrays.split_instants]
    end = int(clock.next(int(timestamps.max()), 1)[0])
    bounds = [int(timestamps.min()), *instants, end][: len(PART_COLOURS) + 1]
    for (name, colour), begin, end in zip(
        PART_COLOURS.items(), bounds[:-1], bounds[1:], strict=True
    ):
        left, right = _dates(np.array([begin, end]), clock)
        axis.axvspan(left, right, color=colour, zorder=0, linewidth=0)
        if named:
            rows = int(((timestamps >= begin) & (timestamps < end)).sum())
            middle = left + (right - left) / 2
            text = f"{name}\n{rows:,} rows"
            axis.text(
                middle,
                1.02,
                text,
                transform=axis.get_xaxis_transform(),
                ha="center",
                va="bottom",
                color=INK,
            )
    axis.set_xlim(*_dates(np.array([bounds[0], bounds[-1]]), clock))


def _draw_course(
    axis: Axes,
    timestamps: Int[np.ndarray, " rows"],
    values: Float[np.ndarray, " rows"],
    clock: Clock,
) -> None:
    """Median and range of the observed values in short intervals of time."""
    observed: Bool[np.ndarray, " rows"] = ~np.isnan(values)
    if not observed.any():
        return
    first, last = int(timestamps.min()), int(timestamps.max())
    width = max(1, -(-(last - first + 1) // CURVE_BINS))
    places = (timestamps[observed] - first) // width
    bins = pd.Series(values[observed]).groupby(places).agg(["min", "median", "max"])
    bins = bins.reindex(np.arange(int(places.max()) + 1))
    # If intervals are shorter than the steps of the data, an empty one is not a gap.
    bins = bins.interpolate(
        limit=max(1, int(np.median(np.diff(np.unique(places)))) - 1) if len(places) > 1 else 1
    )
    times = _dates(first + width * bins.index.to_numpy() + width // 2, clock)
    axis.fill_between(
        times, bins["min"], bins["max"], color=GREY, alpha=0.35, linewidth=0, label="range"
    )
    axis.plot(
        times, bins["median"], color=BLUE, linewidth=1.2, label="median of the observed values"
    )


def _dates(timestamps: Int[np.ndarray, " n"], clock: Clock) -> np.ndarray:
    if clock.kind == "index":
        return timestamps
    return timestamps.astype("datetime64[ns]").astype("datetime64[us]")


def _date_axis(axis: Axes, clock: Clock) -> None:
    axis.margins(x=0.01)
    if clock.kind != "index":
        # A style does not cover the user's time zone.
        zone = pd.Timestamp(0, tz=clock.zone or UTC).tzinfo
        locator = AutoDateLocator(tz=zone, minticks=3, maxticks=6)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
