"""Raw table and constants to as-of arrays: cleaning, fills, encoding, scaling. Nothing is fitted.

Every series is treated on its own, so its rows and the preprocessor are all that its arrays depend
on: applied to one series, to some or to all, they are the same in every bit.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from spline_lstm.core.params_data import OutliersParams, PreprocessParams
from spline_lstm.core.schema import Schema
from spline_lstm.series.blocks import fill_in_blocks
from spline_lstm.series.calendar import calendar_features
from spline_lstm.series.features import (
    Feature,
    apply_delay,
    apply_policy,
    calendar_names,
    category_ids,
    feature_column,
    is_cleaned,
    plan_features,
    used_columns,
)
from spline_lstm.series.fills import fill_seasonal
from spline_lstm.series.grid import Column, Layout, lay_out, on_grid
from spline_lstm.series.outliers import hampel
from spline_lstm.series.panel import alive, has_target
from spline_lstm.series.quality import UNBOUNDED, ColumnQuality, assess_column
from spline_lstm.series.smoothing import filter_level
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor

# One value per row of a table, in contrast to one per row of the grid.
TableColumn = Float[np.ndarray, " table_rows"]
# Column -> its outliers, one flag per row of a table.
Flags = Mapping[str, Bool[np.ndarray, " table_rows"]]


@dataclass(frozen=True)
class Applied:
    """Arrays of all series of a table, and what was found in each of its columns, if asked."""

    arrays: AsOfArrays
    columns: Mapping[str, ColumnQuality]


@dataclass(frozen=True)
class ColumnForms:
    """One column of a table on the grid.

    Attributes
    ----------
    raw : [rows] float64, observations before any cleaning, NaN if there is none
    main : Column, of the cleaned observations
    smooth : Column, of the smoothed ones; the same as `main` without a channel of its own
    outliers : [series] int64, flagged observations
    replaced : [rows] bool, observations that `main` does not have, as outliers
    """

    raw: Float[np.ndarray, " rows"]
    main: Column
    smooth: Column
    outliers: Int[np.ndarray, " series"]
    replaced: Bool[np.ndarray, " rows"]


def apply(
    table: RawTable,
    preprocessor: Preprocessor,
    *,
    layout: Layout | None = None,
    until: int | None = None,
    outliers: Flags | None = None,
    assess: bool = False,
) -> Applied:
    """Build the as-of arrays of the series of a table.

    Parameters
    ----------
    table : RawTable
        Any number of series; one that the preprocessor does not know is scaled as all together.
    preprocessor : Preprocessor
    layout : Layout
        The table on its grid, if it is already there.
    until : int, ns
        Without `layout`: the grid ends no earlier than with the last row before this instant.
    outliers : column -> [table_rows] bool
        Result of `find_outliers`, if it is already there.
    assess : bool
        Find gaps, outliers and values outside of the bounds of each column.
    """
    layout = layout or layout_of(table, preprocessor, until)
    if outliers is None:
        outliers = find_outliers(table, preprocessor.table_schema, preprocessor.params)
    features = plan_features(
        preprocessor.columns,
        preprocessor.table_schema,
        preprocessor.params,
        preprocessor.categories,
        preprocessor.options,
    )
    channels = _Channels.empty(layout.rows, len(features))
    valid = np.ones(layout.rows, dtype=bool)
    assessed = _assessment(table, preprocessor, layout) if assess else None
    targets: list[ColumnForms] = []
    found: dict[str, ColumnQuality] = {}
    # One column at a time, so that memory contains the intermediate forms of one.
    for name in preprocessor.columns:
        forms = column_forms(table, preprocessor, layout, name, outliers.get(name))
        for index, feature in enumerate(features):
            if feature.source == name and feature.kind != "calendar":
                _write(channels, index, feature, forms, table, preprocessor, layout)
        if name in preprocessor.targets:
            targets.append(forms)
            valid &= forms.main.valid
        if assessed is not None:
            found[name] = assessed(name, forms)
    _write_calendar(channels, preprocessor, layout)
    return Applied(
        _arrays(table, preprocessor, layout, features, channels, valid, targets),
        found,
    )


def _assessment(
    table: RawTable, preprocessor: Preprocessor, layout: Layout
) -> Callable[[str, ColumnForms], ColumnQuality]:
    """What assesses each column of a table, by its name and forms."""
    training = layout.timestamps < preprocessor.split_instants[0]
    targets_alive = alive(layout, has_target(table, preprocessor.targets))
    bounds = dict(zip(preprocessor.targets, preprocessor.limits.bounds, strict=True))

    def assessed(name: str, forms: ColumnForms) -> ColumnQuality:
        return assess_column(
            forms.raw,
            forms.main,
            forms.outliers,
            layout,
            training,
            preprocessor.params.max_gap,
            targets_alive,
            bounds.get(name, UNBOUNDED),
        )

    return assessed


def layout_of(table: RawTable, preprocessor: Preprocessor, until: int | None = None) -> Layout:
    """The grid of a table by the clock of a preprocessor; `until` as in `apply`.

    Dates that an observed clock has not seen yet become rows.
    """
    clock = preprocessor.clock.extended(table.timestamps)
    return lay_out(table, clock, preprocessor.params.snap, until=until)


def column_forms(
    table: RawTable,
    preprocessor: Preprocessor,
    layout: Layout,
    name: str,
    flags: Bool[np.ndarray, " table_rows"] | None,
) -> ColumnForms:
    """Clean, fill and smooth one column; `flags` are its outliers."""
    params = preprocessor.params
    values = column_values(table, name, preprocessor.categories)
    cleaned = without_outliers(values, flags, params.outliers)
    method = params.smoothing.method if is_cleaned(preprocessor.table_schema, name) else "off"
    main = smoothed = None
    if method != "replace":
        main = smoothed = _fill(preprocessor, layout, name, cleaned)
    if method != "off":
        strengths = strengths_of(table.series_names, preprocessor.strengths[name])
        level = smooth(grid_times(table, layout), cleaned, table.series_offsets, strengths)
        smoothed = _fill(preprocessor, layout, name, level)
    assert smoothed is not None
    # A filled column has the observations that it was made of.
    raw = main.raw if main is not None and cleaned is values else observed(values, layout)
    flagged = np.zeros(0, dtype=np.int64) if flags is None else table.series[flags]
    outliers = np.bincount(flagged, minlength=len(table.series_names))
    kept = raw if cleaned is values else observed(cleaned, layout)
    # Another observation near the row may stand for it in place of the outlier.
    replaced = ~np.isnan(raw) & (raw != kept)
    return ColumnForms(raw, main or smoothed, smoothed, outliers, replaced)


def column_values(
    table: RawTable, name: str, categories: Mapping[str, tuple[str, ...]]
) -> TableColumn:
    """Numbers of a column, or the ids of its categories; NaN if missing."""
    values = table.values[:, table.columns.index(name)]
    if name in categories:
        return category_ids(values, table.categories[name], categories[name])
    return values


def observed(values: TableColumn, layout: Layout) -> Float[np.ndarray, " rows"]:
    """The observation of each grid row, NaN if there is none."""
    return on_grid(*layout.place(values), layout.rows)


def find_outliers(
    table: RawTable, schema: Schema, params: PreprocessParams
) -> dict[str, Bool[np.ndarray, " table_rows"]]:
    """Flags of the causal Hampel rule in each column it applies to, each series on its own.

    They follow from the table and the options only, so they are found once, before `fit`.
    """
    rule = params.outliers
    if rule.method == "off":
        return {}
    return {
        name: np.concatenate(
            [
                hampel(
                    table.values[start:end, table.columns.index(name)],
                    window=rule.window,
                    threshold=rule.threshold,
                )
                for start, end in itertools.pairwise(table.series_offsets)
            ]
        )
        for name in used_columns(table.columns, schema, params)
        if is_cleaned(schema, name)
    }


def without_outliers(
    values: TableColumn, flags: Bool[np.ndarray, " table_rows"] | None, rule: OutliersParams
) -> TableColumn:
    """The values of a column, NaN at outliers if these are replaced."""
    if flags is None or rule.method != "replace":
        return values
    return np.where(flags, np.nan, values)


def grid_times(table: RawTable, layout: Layout) -> TableColumn:
    """Steps from row 0 of the clock to each row of the table."""
    return layout.clock.rows_of(table.timestamps)


def smooth(
    times: TableColumn,
    values: TableColumn,
    series_offsets: Int[np.ndarray, " bounds"],
    strengths: Sequence[float],
) -> TableColumn:
    """Filtered level at every observation; missing values stay missing, to be filled as any gap."""
    levels = []
    bounds = itertools.pairwise(series_offsets)
    for (start, end), strength in zip(bounds, strengths, strict=True):
        level = filter_level(times[start:end], values[start:end], strength=strength)
        levels.append(np.where(np.isnan(values[start:end]), np.nan, level))
    return np.concatenate(levels)


def strengths_of(series: Sequence[str], fitted: Mapping[str, float]) -> list[float]:
    """Strengths in the order of `series`; an unknown series gets the median of the others."""
    median = float(np.median(list(fitted.values())))
    return [fitted.get(name, median) for name in series]


def _fill(preprocessor: Preprocessor, layout: Layout, name: str, values: TableColumn) -> Column:
    params, schema = preprocessor.params, preprocessor.table_schema
    rows, offsets, max_gap = layout.rows, layout.row_offsets, params.max_gap
    placed, present = layout.place(values)
    season = preprocessor.seasons.get(name)
    if season is not None:
        column = fill_seasonal(
            placed, present, rows, season=season, max_gap=max_gap, row_offsets=offsets
        )
        return apply_delay(column, schema, name, offsets)
    method = "pchip" if params.fill == "seasonal" else params.fill
    column = fill_in_blocks(placed, present, offsets, method=method, max_gap=max_gap)
    column = apply_policy(column, schema, name, offsets)
    return apply_delay(column, schema, name, offsets)


@dataclass(frozen=True)
class _Channels:
    """The features of X as `AsOfArrays` has them, written one by one."""

    scaled: Float[np.ndarray, "rows features"]
    causal: Float[np.ndarray, "rows features"]
    known_at: Int[np.ndarray, "rows features"]

    @classmethod
    def empty(cls, rows: int, features: int) -> "_Channels":
        shape = (rows, features)
        scaled, causal = np.empty(shape, np.float32), np.empty(shape, np.float32)
        return cls(scaled, causal, np.empty(shape, np.int32))


def _write(
    channels: _Channels,
    index: int,
    feature: Feature,
    forms: ColumnForms,
    table: RawTable,
    preprocessor: Preprocessor,
    layout: Layout,
) -> None:
    column = feature_column(forms.smooth if feature.kind == "smooth" else forms.main, feature)
    center, scale = _scaling(preprocessor, index, table, layout)
    filled, causal = column.filled, column.causal
    if (power := preprocessor.scaler.power) is not None:
        filled, causal = power.of_column(index, filled), power.of_column(index, causal)
    channels.scaled[:, index] = (filled - center) / scale
    causal = (causal - center) / scale
    if feature.source not in preprocessor.targets:
        # A covariate silent for longer than the gap limit says nothing any more: its training mean
        # replaces it.
        causal[~column.valid] = preprocessor.neutral[index]
        if feature.known_future:
            channels.scaled[~column.valid, index] = preprocessor.neutral[index]
    channels.causal[:, index] = causal
    channels.known_at[:, index] = column.known_at


def _scaling(
    preprocessor: Preprocessor, index: int, table: RawTable, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale of a feature: of all rows, or of each."""
    scaler = preprocessor.scaler
    center, scale = scaler.center[..., index], scaler.scale[..., index]
    if not scaler.per_series:
        return center, scale
    rows = preprocessor.scaler_rows(table.series_names)
    lengths = np.diff(layout.row_offsets)
    return np.repeat(center[rows], lengths), np.repeat(scale[rows], lengths)


def _write_calendar(channels: _Channels, preprocessor: Preprocessor, layout: Layout) -> None:
    calendar = preprocessor.table_schema.calendar_features
    names = calendar_names(preprocessor.table_schema, preprocessor.params)
    if names:
        first = channels.scaled.shape[1] - len(names)
        values = calendar_features(
            layout.timestamps, names, calendar.country, calendar.subdivision, layout.clock.zone
        )
        channels.scaled[:, first:] = channels.causal[:, first:] = values
        channels.known_at[:, first:] = np.arange(layout.rows)[:, None]


def _static_ids(table: RawTable, preprocessor: Preprocessor) -> Int[np.ndarray, "series statics"]:
    """Ids of the static covariates of each series; 0 is the unknown token."""
    known = preprocessor.statics
    ids = np.zeros((len(table.series_names), len(known)), dtype=np.int32)
    for column, (name, texts) in enumerate(known.items()):
        of_text = {text: index for index, text in enumerate(texts, start=1)}
        ids[:, column] = [of_text.get(text or "", 0) for text in table.statics[name]]
    return ids


def _arrays(
    table: RawTable,
    preprocessor: Preprocessor,
    layout: Layout,
    features: Sequence[Feature],
    channels: _Channels,
    valid: Bool[np.ndarray, " rows"],
    targets: Sequence[ColumnForms],
) -> AsOfArrays:
    raw_target = np.column_stack([forms.raw for forms in targets])
    replaced = np.column_stack([forms.replaced for forms in targets])
    if preprocessor.params.outliers.method != "replace":
        replaced = replaced[:0, :0]
    limits = preprocessor.limits
    calendar = np.flatnonzero([item.kind == "calendar" for item in features]).astype(np.int32)
    return AsOfArrays(
        scaled=channels.scaled,
        causal=channels.causal,
        known_at=channels.known_at,
        valid=valid,
        raw_target=raw_target,
        filled_target=np.column_stack([forms.main.filled for forms in targets]),
        causal_target=np.column_stack([forms.main.causal for forms in targets]),
        observed=~np.isnan(raw_target),
        timestamps=layout.timestamps,
        series_offsets=layout.row_offsets,
        static_ids=_static_ids(table, preprocessor),
        feature_names=np.array([item.name for item in features]),
        target_indices=preprocessor.target_indices,
        split_instants=preprocessor.split_instants,
        future_indices=preprocessor.future_indices,
        calendar_indices=calendar,
        target_bounds=limits.bounds,
        constants=limits.constants[preprocessor.scaler_rows(table.series_names)],
        replaced=replaced,
    )
