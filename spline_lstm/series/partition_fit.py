"""Constants of preprocessing from partitions: each is summarised by itself, then all are combined.

`summarise` reads one partition and keeps a summary of its training split, `combine` makes the
preprocessor of all of them, in their order. Of one partition they give what `fit` gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ParamsError
from spline_lstm.core.formatting import listed
from spline_lstm.core.params import Params
from spline_lstm.core.params_data import PreprocessParams
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.apply import column_values, find_outliers, observed, without_outliers
from spline_lstm.series.features import (
    Feature,
    is_cleaned,
    plan_features,
    scaler_kind,
    used_columns,
)
from spline_lstm.series.fit import (
    constant_series,
    fit_categories,
    fit_statics,
    positions,
)
from spline_lstm.series.grid import lay_out
from spline_lstm.series.scalings import (
    Scaling,
    SeriesScalings,
    differences,
    scaler_of,
    series_moments,
    series_scalings,
)
from spline_lstm.series.summaries import Summary
from spline_lstm.series.training_split import TrainingSplit
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor


@dataclass(frozen=True)
class PartitionSummary:
    """What is kept of the training split of a partition.

    Attributes
    ----------
    series : names, in order
    columns : that become features
    values : column -> summary of its training observations
    scalings : column -> scalings of its series; empty with one scaling for all
    moments : target -> result of `series_moments`
    constants : target -> series -> value, as in `Preprocessor`
    categories, statics : texts, as in `Preprocessor`
    """

    series: tuple[str, ...]
    columns: tuple[str, ...]
    values: Mapping[str, Summary]
    scalings: Mapping[str, SeriesScalings]
    moments: Mapping[str, tuple[list[float], list[float]]]
    constants: Mapping[str, Mapping[str, float]]
    categories: Mapping[str, tuple[str, ...]]
    statics: Mapping[str, tuple[str, ...]]


def check_supported(params: Params) -> None:
    """Raise ParamsError for options whose constants no summary of a partition gives."""
    preprocess, smoothing = params.preprocess, params.preprocess.smoothing
    wanted = {
        "target.transform to none": params.target.transform != "none",
        "preprocess.frequency to a clock other than observed": params.clock.kind == "observed",
        "preprocess.season to a number of rows": preprocess.fill == "seasonal"
        and preprocess.season is None,
        "preprocess.smoothing.strength to a number": smoothing.method != "off"
        and smoothing.strength is None,
    }
    wrong = [change for change, is_needed in wanted.items() if is_needed]
    if wrong:
        raise ParamsError(
            f"data.partition_rows: a panel in partitions needs constants that its parts give; set "
            f"{listed(wrong)}, or set data.partition_rows to null"
        )


def summarise(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    clock: Clock,
    instants: Int[np.ndarray, " two_or_three"],
    options: TargetOptions,
) -> PartitionSummary:
    """Summarise the training split of a partition; errors as in `lay_out`."""
    layout = lay_out(table, clock, params.snap)
    split = TrainingSplit.before(int(instants[0]), table, layout)
    outliers = find_outliers(table, schema, params)
    columns = used_columns(table.columns, schema, params)
    splits = {name: split.known_at_end(schema.delay(name)) for name in columns}
    categories = {
        name: fit_categories(splits[name], name) for name in columns if name in table.categories
    }
    values, scalings, moments, constants = {}, {}, {}, {}
    for name in columns:
        own, cells = splits[name], column_values(table, name, categories)
        cleaned = without_outliers(cells, outliers.get(name), params.outliers)
        on_grid = observed(cleaned, layout)
        values[name] = Summary.of(on_grid[own.grid_rows & ~np.isnan(on_grid)])
        if params.scaler_scope != "global":
            kind = scaler_kind(schema, name, params, options)
            scalings[name] = series_scalings(own, on_grid, kind)
        if name in schema.target_cols:
            raw = on_grid if cleaned is cells else observed(cells, layout)
            constants[name] = constant_series(own, raw)
            moments[name] = series_moments(own, on_grid)
    return PartitionSummary(
        table.series_names,
        columns,
        values,
        scalings,
        moments,
        constants,
        categories,
        fit_statics(split, params),
    )


def combine(
    parts: Sequence[PartitionSummary],
    schema: Schema,
    params: PreprocessParams,
    clock: Clock,
    instants: Int[np.ndarray, " two_or_three"],
    reading: Reading,
    options: TargetOptions,
) -> Preprocessor:
    """The preprocessor of all partitions, in their order."""
    columns, series = parts[0].columns, tuple(name for part in parts for name in part.series)
    categories = _united([part.categories for part in parts])
    features = plan_features(columns, schema, params, categories, options)
    values = {name: Summary.of_all([part.values[name] for part in parts]) for name in columns}
    scalings = [_scaling(feature, parts, values, schema, params, options) for feature in features]
    constants = {
        name: {key: value for part in parts for key, value in part.constants[name].items()}
        for name in schema.target_cols
    }
    return Preprocessor(
        table_schema=schema,
        params=params,
        columns=columns,
        features=tuple(item.name for item in features),
        target_indices=positions(
            item.kind == "value" and item.source in schema.target_cols for item in features
        ),
        future_indices=positions(item.known_future for item in features),
        clock=clock,
        split_instants=instants,
        series=series,
        seasons={
            name: params.season
            for name in columns
            if is_cleaned(schema, name) and params.fill == "seasonal"
        },
        strengths={
            name: dict.fromkeys(series, params.smoothing.strength)
            for name in columns
            if is_cleaned(schema, name)
            and params.smoothing.method != "off"
            and params.smoothing.strength is not None
        },
        categories=categories,
        statics=_united([part.statics for part in parts]),
        scaler=scaler_of(params, scalings, _reasons(parts, schema, params)),
        neutral=tuple(item.neutral for item in scalings),
        # One series alone tells nothing of a constant, see `fit_constants`.
        constants=constants if len(series) > 1 else {name: {} for name in constants},
        reading=reading,
        options=options,
    ).identified()


def _reasons(
    parts: Sequence[PartitionSummary], schema: Schema, params: PreprocessParams
) -> list[str]:
    found = []
    for name in schema.target_cols:
        means, stds = (
            [value for part in parts for value in part.moments[name][index]] for index in (0, 1)
        )
        found += differences(means, stds, name, params.scaler_scope_ratio)
    return found


def _united(parts: Sequence[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Texts of all partitions, sorted."""
    return {
        name: tuple(sorted({text for part in parts for text in part[name]})) for name in parts[0]
    }


def _scaling(
    feature: Feature,
    parts: Sequence[PartitionSummary],
    values: Mapping[str, Summary],
    schema: Schema,
    params: PreprocessParams,
    options: TargetOptions,
) -> Scaling:
    """As `fit_scaling`, from summaries."""
    count = sum(len(part.series) for part in parts)
    groups = 1 if params.scaler_scope == "global" else count + 1
    if feature.kind == "calendar":
        return Scaling(np.zeros(groups), np.ones(groups), 0.0)
    summary, name = values[feature.source], feature.source
    kind = scaler_kind(schema, name, params, options) if feature.scaled else "none"
    whole = summary.center_and_scale(kind)
    neutral = 0.0
    if feature.kind == "value" and kind != "standard" and summary.count:
        neutral = float((summary.mean - whole[0]) / whole[1])
    if groups == 1 or not feature.scaled:
        return Scaling(np.full(groups, whole[0]), np.full(groups, whole[1]), neutral)
    each = SeriesScalings.of_all([part.scalings[name] for part in parts])
    center, scale = each.with_all(whole)
    return Scaling(center, scale, neutral)
