"""Constants of preprocessing, fitted on the training split of a raw table.

Categories, seasons, smoothing strengths and the scaler: everything that `apply` needs besides the
options. No row at or after the start of the validation split has any influence, nor has how many
series begin only there.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.reading import AS_WRITTEN, Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.series.apply import (
    Flags,
    TableColumn,
    column_values,
    find_outliers,
    grid_times,
    observed,
    smooth,
    without_outliers,
)
from spline_lstm.series.features import (
    is_cleaned,
    plan_features,
    scaler_kind,
    used_columns,
)
from spline_lstm.series.grid import Layout
from spline_lstm.series.powers import TargetPower, fit_power, power_of
from spline_lstm.series.scalings import Scaling, difference_of_series, fit_scaling, scaler_of
from spline_lstm.series.seasonal import detect_season
from spline_lstm.series.smoothing import MIN_FITTED, fit_strength
from spline_lstm.series.splits import split_instants
from spline_lstm.series.training_split import TrainingSplit, training_groups
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor


def fit(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    layout: Layout,
    *,
    instants: Int[np.ndarray, " two_or_three"] | None = None,
    outliers: Flags | None = None,
    reading: Reading = AS_WRITTEN,
    options: TargetOptions = PLAIN,
) -> Preprocessor:
    """Fit all constants of preprocessing.

    Parameters
    ----------
    table, schema, params
    layout : Layout
        The table on its grid.
    instants : [2 or 3] int64, ns
        Starts of the validation and the test split, and the end of the test split if it has one;
        by default as `params.split` says.
    outliers : column -> [table_rows] bool
        Result of `find_outliers`, if it is already there.
    reading : Reading
        How the table was read, so that serving reads history the same way.
    options : TargetOptions

    Raises
    ------
    DataContractError
        A target has training values that its transform does not go with.
    TooLittleDataError
        Smoothing strengths are to be fitted, but no series has enough training observations.
    """
    instants = split_instants(layout, params.split) if instants is None else instants
    outliers = find_outliers(table, schema, params) if outliers is None else outliers
    split = TrainingSplit.before(int(instants[0]), table, layout)
    columns = used_columns(table.columns, schema, params)
    splits = {name: split.known_at_end(schema.delay(name)) for name in columns}
    categories = {
        name: fit_categories(splits[name], name) for name in columns if name in table.categories
    }
    features = plan_features(columns, schema, params, categories, options)
    seasons, strengths = dict[str, int | None](), dict[str, dict[str, float]]()
    constants: dict[str, dict[str, float]] = {}
    groups = 1 if params.scaler_scope == "global" else len(table.series_names) + 1
    reasons, powers = list[str](), dict[str, TargetPower]()
    scalings = [Scaling(np.zeros(groups), np.ones(groups), 0.0)] * len(features)
    # One column at a time, so that memory contains the intermediate forms of one.
    for name in columns:
        own, values = splits[name], column_values(table, name, categories)
        cleaned = without_outliers(values, outliers.get(name), params.outliers)
        on_grid = observed(cleaned, layout)
        if name in schema.target_cols:
            raw = on_grid if cleaned is values else observed(values, layout)
            constants[name] = fit_constants(own, raw)
            reasons += difference_of_series(own, on_grid, name, params.scaler_scope_ratio)
        if is_cleaned(schema, name) and params.smoothing.method != "off":
            strengths[name] = fit_strengths(own, cleaned, params.smoothing.strength)
        if is_cleaned(schema, name) and params.fill == "seasonal":
            filled = on_grid
            if params.smoothing.method == "replace":
                filled = observed(_smoothed(own, cleaned, strengths[name]), layout)
            seasons[name] = params.season or find_season(own, filled)
        if name in schema.target_cols and options.transform != "none":
            powers[name] = fit_power(
                training_groups(own, on_grid, groups), options, params.scaler, name
            )
            on_grid = powers[name].power().of_column(0, on_grid)
        kind = scaler_kind(schema, name, params, options)
        for index, feature in enumerate(features):
            if feature.source == name and feature.kind != "calendar":
                scalings[index] = fit_scaling(own, on_grid, feature, kind, groups)
    scaler = scaler_of(params, scalings, reasons)
    return Preprocessor(
        table_schema=schema,
        params=params,
        columns=columns,
        features=tuple(item.name for item in features),
        target_indices=positions(
            item.kind == "value" and item.source in schema.target_cols for item in features
        ),
        future_indices=positions(item.known_future for item in features),
        clock=layout.clock,
        split_instants=instants,
        series=table.series_names,
        seasons=seasons,
        strengths=strengths,
        categories=categories,
        statics=fit_statics(split, params),
        scaler=replace(scaler, power=power_of(features, powers, scaler)),
        neutral=tuple(item.neutral for item in scalings),
        constants=constants,
        reading=reading,
        options=options,
    ).identified()


def fit_categories(split: TrainingSplit, name: str) -> tuple[str, ...]:
    """Texts of a categorical column in the training split, in sorted order."""
    table = split.table
    seen = table.values[split.table_rows, table.columns.index(name)]
    codes = np.unique(seen[~np.isnan(seen)]).astype(np.int64)
    return tuple(table.categories[name][code] for code in codes)


def fit_statics(split: TrainingSplit, params: PreprocessParams) -> dict[str, tuple[str, ...]]:
    """Texts of each static covariate of the series with training rows, in sorted order."""
    if params.feature_mode != "multivariate":
        return {}
    table = split.table
    trained = np.unique(table.series[split.table_rows])
    seen = {name: {texts[series] for series in trained} for name, texts in table.statics.items()}
    return {
        name: tuple(sorted(text for text in texts if text is not None))
        for name, texts in seen.items()
    }


def fit_constants(split: TrainingSplit, raw: Float[np.ndarray, " rows"]) -> dict[str, float]:
    """The value of each series, one of several, that was constant in the training split.

    One observation tells nothing: there must be two. `raw` are the observations on the grid.
    """
    return constant_series(split, raw) if len(split.table.series_names) > 1 else {}


def constant_series(split: TrainingSplit, raw: Float[np.ndarray, " rows"]) -> dict[str, float]:
    """As `fit_constants`, however many series there are."""
    names, found = split.table.series_names, {}
    for name, (start, end) in zip(names, itertools.pairwise(split.layout.row_offsets), strict=True):
        seen = raw[start:end][split.grid_rows[start:end]]
        seen = seen[~np.isnan(seen)]
        if len(seen) > 1 and seen.min() == seen.max():
            found[name] = float(seen[0])
    return found


def fit_strengths(
    split: TrainingSplit, values: TableColumn, given: float | None
) -> dict[str, float]:
    """Smoothing strength of each series: the given one, or fitted on its training observations.

    A series with fewer than 10 of them gets the median strength of the others.

    Raises
    ------
    TooLittleDataError
        No series has 10 training observations.
    """
    table = split.table
    if given:
        return dict.fromkeys(table.series_names, given)
    times = grid_times(table, split.layout)
    known = split.table_rows & ~np.isnan(values)
    strengths = []
    for start, end in itertools.pairwise(table.series_offsets):
        rows = start + np.flatnonzero(known[start:end])
        enough = len(rows) >= MIN_FITTED
        strengths.append(fit_strength(times[rows], values[rows]) if enough else np.nan)
    if np.isnan(strengths).all():
        raise TooLittleDataError(
            f"smoothing: no series has {MIN_FITTED} observed training values; lengthen the "
            "training split or give preprocess.smoothing.strength as a number"
        )
    filled = np.where(np.isnan(strengths), np.nanmedian(strengths), strengths).tolist()
    return dict(zip(table.series_names, filled, strict=True))


def _smoothed(
    split: TrainingSplit, values: TableColumn, strengths: Mapping[str, float]
) -> TableColumn:
    times, offsets = grid_times(split.table, split.layout), split.table.series_offsets
    return smooth(times, values, offsets, list(strengths.values()))


def find_season(split: TrainingSplit, raw: Float[np.ndarray, " rows"]) -> int | None:
    """Season in rows of the series with most training observations; None if it has none.

    Parameters
    ----------
    split : TrainingSplit
    raw : [rows] float64
        Observations on the grid, NaN if missing.
    """
    offsets, training = split.layout.row_offsets, split.grid_rows
    counts = np.add.reduceat((~np.isnan(raw) & training).astype(np.int64), offsets[:-1])
    longest = int(np.argmax(counts))
    rows = slice(offsets[longest], offsets[longest + 1])
    values = raw[rows][training[rows]]
    candidates = split.layout.clock.seasons().values()
    return detect_season(values, ~np.isnan(values), [*candidates])


def positions(flags: Iterable[bool]) -> Int[np.ndarray, " chosen"]:
    """Indices of the flags that are set."""
    return np.flatnonzero(list(flags)).astype(np.int32)
