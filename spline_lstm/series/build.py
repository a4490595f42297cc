"""Raw table to as-of arrays: grid, cleaning, fills, encoding, scaling.

With the constants that an earlier run fitted, raw history becomes the same features again.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.schema import Schema
from spline_lstm.core.timestamps import parse_frequency
from spline_lstm.series.calendar import calendar_features
from spline_lstm.series.cleaning import find_outliers, fit_strengths, smooth, strengths_of
from spline_lstm.series.features import (
    Feature,
    apply_policy,
    calendar_names,
    category_ids,
    feature_column,
    is_cleaned,
    plan_features,
    used_columns,
)
from spline_lstm.series.fills import fill_seasonal
from spline_lstm.series.fitted import Fitted
from spline_lstm.series.grid import Column, fill_column, on_grid
from spline_lstm.series.layout import Layout, lay_out, split_instants
from spline_lstm.series.quality import ColumnQuality, assess_column
from spline_lstm.series.seasonal import detect_season
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler, center_and_scale

DAY_NS = 86_400_000_000_000
# Days in the seasons that are looked for.
SEASON_DAYS = (1, 7)


@dataclass(frozen=True)
class Built:
    """Arrays, the constants behind them, and what was found in each column of the raw table."""

    arrays: AsOfArrays
    fitted: Fitted
    columns: dict[str, ColumnQuality]


def build(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    *,
    layout: Layout | None = None,
    fitted: Fitted | None = None,
    instants: Int[np.ndarray, " two_or_three"] | None = None,
    until: int | None = None,
) -> Built:
    """Build the as-of arrays of all series.

    Parameters
    ----------
    table, schema, params
    layout : Layout
        The table on its grid, if that is there already.
    fitted : Fitted
        Constants of an earlier run; by default they are fitted on the training part of this table.
    instants : [2 or 3] int64, ns
        Begin of the validation and of the test part, and its end; by default as `params.split` says.
    until : int, ns
        The grid ends no earlier than before this instant.
    """
    if layout is None:
        anchor = fitted.anchor_ns if fitted else None
        layout = lay_out(
            table, parse_frequency(params.frequency), params.snap, anchor=anchor, until=until
        )
    if fitted:
        instants = fitted.split_instants
    elif instants is None:
        instants = split_instants(layout, params.split)
    return _Builder(table, schema, params, layout, instants, fitted).run()


class _Builder:
    """Column by column from the raw table into the arrays, so that memory holds one column at a time.

    It also gathers what is learned on the way: the training part of a column gives the constants
    with which that column is written.
    """

    def __init__(
        self,
        table: RawTable,
        schema: Schema,
        params: PreprocessParams,
        layout: Layout,
        instants: np.ndarray,
        fitted: Fitted | None,
    ) -> None:
        self.table, self.schema, self.params, self.layout = table, schema, params, layout
        self.instants, self.fitted = instants, fitted
        self.columns = used_columns(table.columns, schema, params)
        self.training = layout.timestamps < instants[0]
        self.training_rows = table.timestamps < instants[0]
        self.categories = dict(fitted.categories) if fitted else self._fit_categories()
        self.features = plan_features(self.columns, schema, params, self.categories)
        self.scaled, self.causal = (
            np.empty((layout.rows, len(self.features)), np.float32) for _ in range(2)
        )
        self.known_at = np.empty((layout.rows, len(self.features)), np.int32)
        self.valid = np.ones(layout.rows, dtype=bool)
        groups = len(table.series_names) + 1 if params.scaler_scope == "per_series" else 1
        self.center, self.scale = (
            np.zeros((groups, len(self.features))),
            np.ones((groups, len(self.features))),
        )
        self.neutral = np.zeros(len(self.features))
        self.seasons: dict[str, int | None] = {}
        self.strengths: dict[str, dict[str, float]] = {}
        self.found: dict[str, ColumnQuality] = {}
        if fitted:
            self._take_over(fitted)

    def run(self) -> Built:
        targets = []
        for name in self.columns:
            raw = self._add_column(name)
            if name in self.schema.target_cols:
                targets.append(raw)
        self._add_calendar()
        scaler = self._scaler()
        statics, static_ids = self._statics()
        fitted = self.fitted or Fitted(
            anchor_ns=self.layout.anchor,
            split_instants=self.instants,
            series=self.table.series_names,
            seasons=self.seasons,
            strengths=self.strengths,
            categories=self.categories,
            statics=statics,
            scaler=scaler,
            neutral=tuple(self.neutral.tolist()),
        )
        raw_target = np.column_stack(targets)
        is_target = [
            item.kind == "value" and item.source in self.schema.target_cols
            for item in self.features
        ]
        arrays = AsOfArrays(
            scaled=self.scaled,
            causal=self.causal,
            known_at=self.known_at,
            valid=self.valid,
            raw_target=raw_target,
            observed=~np.isnan(raw_target),
            timestamps=self.layout.timestamps,
            series_offsets=self.layout.row_offsets,
            static_ids=static_ids,
            feature_names=np.array([item.name for item in self.features]),
            target_indices=np.flatnonzero(is_target).astype(np.int32),
            split_instants=self.instants,
            future_indices=np.flatnonzero([item.known_future for item in self.features]).astype(
                np.int32
            ),
            calendar_indices=np.flatnonzero(
                [item.kind == "calendar" for item in self.features]
            ).astype(np.int32),
        )
        return Built(arrays, fitted, self.found)

    def _fit_categories(self) -> dict[str, tuple[str, ...]]:
        fitted = {}
        for name in (item for item in self.columns if item in self.table.categories):
            seen = self.table.values[self.training_rows, self.table.columns.index(name)]
            codes = np.unique(seen[~np.isnan(seen)]).astype(np.int64)
            fitted[name] = tuple(self.table.categories[name][code] for code in codes)
        return fitted

    def _take_over(self, fitted: Fitted) -> None:
        """Constants of an earlier run; series that it did not know get those of all series together."""
        self.seasons, self.strengths = dict(fitted.seasons), dict(fitted.strengths)
        self.neutral[:] = fitted.neutral
        index = {name: row for row, name in enumerate(fitted.series)}
        if fitted.scaler.per_series:
            rows = [index.get(name, -1) for name in self.table.series_names]
            self.center, self.scale = (
                c[[*rows, -1]] for c in (fitted.scaler.center, fitted.scaler.scale)
            )
        else:
            self.center, self.scale = fitted.scaler.center[None], fitted.scaler.scale[None]

    def _add_column(self, name: str) -> Float[np.ndarray, " rows"]:
        """Write all features of a column; returns its observations on the grid, before any cleaning."""
        values = self.table.values[:, self.table.columns.index(name)]
        if name in self.categories:
            values = category_ids(values, self.table.categories[name], self.categories[name])
        outliers, cleaned = self._replace_outliers(name, values)
        smoothing = self.params.smoothing.method if is_cleaned(self.schema, name) else "off"
        filled = None if smoothing == "replace" else self._fill(name, cleaned)
        observed = self._observed(cleaned) if filled is None else filled.raw
        raw = observed if cleaned is values else self._observed(values)
        smoothed = None if smoothing == "off" else self._fill(name, self._smooth(name, cleaned))
        main = smoothed if filled is None else filled
        assert main is not None
        if name in self.schema.target_cols:
            self.valid &= main.valid
        for index, feature in enumerate(self.features):
            if feature.source == name and feature.kind != "calendar":
                source = smoothed if feature.kind == "smooth" and smoothed is not None else main
                self._write(index, feature, feature_column(source, feature), observed)
        self.found[name] = assess_column(
            raw, main, self._per_series(outliers), self.layout, self.training, self.params.max_gap
        )
        return raw

    def _observed(self, values: np.ndarray) -> Float[np.ndarray, " rows"]:
        return on_grid(*self.layout.place(values), self.layout.rows)

    def _replace_outliers(self, name: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rule = self.params.outliers
        if rule.method == "off" or not is_cleaned(self.schema, name):
            return np.zeros(len(values), dtype=bool), values
        flags = find_outliers(
            values, self.table.series_offsets, window=rule.window, threshold=rule.threshold
        )
        return flags, np.where(flags, np.nan, values) if rule.method == "replace" else values

    def _per_series(self, flags: np.ndarray) -> Int[np.ndarray, " series"]:
        return np.bincount(self.table.series[flags], minlength=len(self.table.series_names))

    def _smooth(self, name: str, values: np.ndarray) -> np.ndarray:
        offsets, series = self.table.series_offsets, self.table.series_names
        times = (self.table.timestamps - self.layout.anchor) / self.layout.step
        if name not in self.strengths:
            given = self.params.smoothing.strength
            fitted = (
                [given] * len(series)
                if given
                else fit_strengths(times, values, offsets, self.training_rows)
            )
            self.strengths[name] = dict(zip(series, fitted, strict=True))
        return smooth(times, values, offsets, strengths_of(series, self.strengths[name]))

    def _fill(self, name: str, values: np.ndarray) -> Column:
        rows, offsets, max_gap = self.layout.rows, self.layout.row_offsets, self.params.max_gap
        method = self.params.fill
        placed, present = self.layout.place(values)
        if method == "seasonal" and is_cleaned(self.schema, name):
            season = self._season(name, values)
            if season is not None:
                return fill_seasonal(
                    placed, present, rows, season=season, max_gap=max_gap, row_offsets=offsets
                )
        method = "pchip" if method == "seasonal" else method
        column = fill_column(
            placed, present, rows, method=method, max_gap=max_gap, row_offsets=offsets
        )
        return apply_policy(column, self.schema, name, offsets)

    def _season(self, name: str, values: np.ndarray) -> int | None:
        """Season in rows: given, or found in the training part of the series with most observations."""
        if name not in self.seasons:
            self.seasons[name] = self.params.season or self._find_season(values)
        return self.seasons[name]

    def _find_season(self, values: np.ndarray) -> int | None:
        raw = self._observed(values)
        offsets = self.layout.row_offsets
        counts = np.add.reduceat((~np.isnan(raw) & self.training).astype(np.int64), offsets[:-1])
        longest = int(np.argmax(counts))
        rows = slice(offsets[longest], offsets[longest + 1])
        part = raw[rows][self.training[rows]]
        candidates = [days * DAY_NS // self.layout.step for days in SEASON_DAYS]
        return detect_season(part, ~np.isnan(part), candidates)

    def _write(self, index: int, feature: Feature, column: Column, observed: np.ndarray) -> None:
        if self.fitted is None:
            self._fit_scaling(index, feature, observed)
        center, scale = self.center[:, index], self.scale[:, index]
        if len(center) > 1:
            lengths = np.diff(self.layout.row_offsets)
            center, scale = np.repeat(center[:-1], lengths), np.repeat(scale[:-1], lengths)
        self.scaled[:, index] = (column.filled - center) / scale
        causal = (column.causal - center) / scale
        if feature.source not in self.schema.target_cols:
            # A covariate silent for longer than the gap limit says nothing any more: it stands at its training mean.
            causal[~column.valid] = self.neutral[index]
            if feature.known_future:
                self.scaled[~column.valid, index] = self.neutral[index]
        self.causal[:, index] = causal
        self.known_at[:, index] = column.known_at

    def _fit_scaling(self, index: int, feature: Feature, observed: np.ndarray) -> None:
        kind = self.params.scaler if feature.scaled else "none"
        seen = self.training & ~np.isnan(observed)
        values = observed[seen]
        center, scale = center_and_scale(values, kind)
        self.center[:, index], self.scale[:, index] = center, scale
        if feature.kind == "value" and kind != "standard" and len(values):
            self.neutral[index] = (values.mean() - center) / scale
        if len(self.center) > 1 and feature.scaled:
            bounds = zip(self.layout.row_offsets[:-1], self.layout.row_offsets[1:], strict=True)
            for series, (begin, end) in enumerate(bounds):
                own = observed[begin:end][seen[begin:end]]
                if len(own):
                    self.center[series, index], self.scale[series, index] = center_and_scale(
                        own, kind
                    )

    def _add_calendar(self) -> None:
        calendar = self.schema.calendar_features
        names = calendar_names(self.schema, self.params)
        if names:
            first = len(self.features) - len(names)
            values = calendar_features(
                self.layout.timestamps, names, calendar.country, calendar.subdivision
            )
            self.scaled[:, first:] = self.causal[:, first:] = values
            self.known_at[:, first:] = np.arange(self.layout.rows)[:, None]

    def _scaler(self) -> Scaler:
        if self.params.scaler_scope == "per_series":
            return Scaler(self.params.scaler, self.center, self.scale)
        return Scaler(self.params.scaler, self.center[0], self.scale[0])

    def _statics(self) -> tuple[dict[str, tuple[str, ...]], Int[np.ndarray, "series statics"]]:
        """Texts of each static covariate in the training part, and ids per series; 0 is the unknown token."""
        names = [n for n in self.table.statics if self.params.feature_mode == "multivariate"]
        if self.fitted:
            known = self.fitted.statics
        else:
            trained = np.unique(self.table.series[self.training_rows])
            texts = {
                name: [self.table.statics[name][series] for series in trained] for name in names
            }
            known = {
                name: tuple(sorted({text for text in seen if text is not None}))
                for name, seen in texts.items()
            }
        ids = np.zeros((len(self.table.series_names), len(known)), dtype=np.int32)
        for column, (name, texts) in enumerate(known.items()):
            of_text = {text: index for index, text in enumerate(texts, start=1)}
            ids[:, column] = [of_text.get(text or "", 0) for text in self.table.statics[name]]
        return dict(known), ids
