"""Which features X has, in which order, and how the values of a column become them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.covariates import DynamicCovariate
from spline_lstm.core.errors import SchemaError
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.schema import Schema
from spline_lstm.core.target_options import PLAIN, TargetOptions
from spline_lstm.series import fills
from spline_lstm.series.grid import Column

# Channels of every target if rows of a lookback may be missing.
CHANNELS_OF_MISSING = ("mask", "age")
# Kinds of features that have the name of their column.
AS_IT_IS = ("value", "id")
# Rows beyond which it no longer matters how old an observation is.
OLDEST = 1023


@dataclass(frozen=True)
class Feature:
    """One column of X.

    Attributes
    ----------
    name : str
    source : str
        Column of the raw table, or the calendar feature.
    kind : str
        ``value`` (as it is), ``smooth``, ``missing`` (1 if nothing was observed), ``mask`` (1 if
        an observation was made since the row before), ``age`` (of the last one, see `scaled_age`),
        ``category`` (1 if the id is `category`), ``id``, ``calendar``.
    scaled : bool
        The scaler applies; other features keep their values.
    known_future : bool
        Known in the future, at any forecast origin.
    category : int
        Id of a one-hot feature.
    """

    name: str
    source: str
    kind: str
    scaled: bool = False
    known_future: bool = False
    category: int = -1


def used_columns(
    columns: Sequence[str], schema: Schema, params: PreprocessParams
) -> tuple[str, ...]:
    """Columns of the raw table that become features: all, or only the targets."""
    return tuple(columns) if params.feature_mode == "multivariate" else tuple(schema.target_cols)


def is_cleaned(schema: Schema, name: str) -> bool:
    """The outlier rule and smoothing apply: targets, and numbers not known in the future."""
    covariate = schema.covariate(name)
    return covariate is None or (covariate.coding == "scaled" and not covariate.known_future)


def plan_features(
    columns: Sequence[str],
    schema: Schema,
    params: PreprocessParams,
    categories: Mapping[str, tuple[str, ...]],
    options: TargetOptions = PLAIN,
) -> tuple[Feature, ...]:
    """Targets, dynamic covariates, added channels, calendar features.

    Parameters
    ----------
    columns : the used columns, targets first
    schema, params
    categories : categorical column -> the texts seen in the training split; the first has id 1
    options : TargetOptions

    Raises
    ------
    SchemaError
        A column has the name of a channel that is made of another column.
    """
    features = [feature for name in columns for feature in _of_column(name, schema, categories)]
    if params.smoothing.method == "channel":
        features += [
            Feature(f"{name}_smooth", name, "smooth", scaled=True)
            for name in columns
            if is_cleaned(schema, name)
        ]
    if params.was_missing:
        features += [Feature(f"{name}_was_missing", name, "missing") for name in schema.target_cols]
    if options.has_channels:
        features += [
            Feature(f"{name}_{kind}", name, kind)
            for name in schema.target_cols
            for kind in CHANNELS_OF_MISSING
        ]
    features += [
        Feature(name, name, "calendar", known_future=True)
        for name in calendar_names(schema, params)
    ]
    _check_names(features)
    return tuple(features)


def check_names(schema: Schema, params: PreprocessParams, options: TargetOptions) -> None:
    """Raise SchemaError as `plan_features`, as far as the categories do not matter."""
    dynamic = schema.dynamic_covariates
    columns = (*schema.target_cols, *(item.name for item in dynamic))
    unseen = {item.name: () for item in dynamic if item.dtype == "categorical"}
    plan_features(used_columns(columns, schema, params), schema, params, unseen, options)


def _check_names(features: Sequence[Feature]) -> None:
    """Raise SchemaError if two features have one name: a column and a channel of another one."""
    first: dict[str, Feature] = {}
    for feature in features:
        other = first.setdefault(feature.name, feature)
        if other is not feature:
            made = feature if feature.kind not in AS_IT_IS else other
            source = "the timestamp" if made.kind == "calendar" else f"{made.source!r}"
            raise SchemaError(
                f"the column {feature.name!r} has the name of a feature that is made of {source} "
                f"({made.kind}); rename the column in the table and in the schema"
            )


def scaler_kind(schema: Schema, name: str, params: PreprocessParams, options: TargetOptions) -> str:
    """How the numbers of a column are scaled: as its covariate says, not at all, or as all are."""
    if name in schema.target_cols and not options.scaled:
        return "none"
    covariate = schema.covariate(name)
    return (covariate and covariate.scaler) or params.scaler


def calendar_names(schema: Schema, params: PreprocessParams) -> tuple[str, ...]:
    """Calendar features in use."""
    calendar = schema.calendar_features
    return calendar.features if calendar.enabled and params.feature_mode == "multivariate" else ()


def _of_column(
    name: str, schema: Schema, categories: Mapping[str, tuple[str, ...]]
) -> list[Feature]:
    covariate = schema.covariate(name)
    if covariate is None:
        return [Feature(name, name, "value", scaled=True)]
    known = covariate.known_future
    if covariate.coding == "one_hot":
        return [
            Feature(f"{name}={text}", name, "category", known_future=known, category=index)
            for index, text in enumerate(categories[name], start=1)
        ]
    if covariate.coding == "embedding":
        return [Feature(name, name, "id", known_future=known)]
    return [Feature(name, name, "value", scaled=covariate.coding == "scaled", known_future=known)]


def category_ids(codes: np.ndarray, texts: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Positions in `texts` to ids: 1 for the first of `known`, 0 for others; NaN stays."""
    table = np.array(
        [known.index(text) + 1 if text in known else 0 for text in texts], dtype=np.float64
    )
    missing = np.isnan(codes)
    return np.where(
        missing, np.nan, np.append(table, np.nan)[np.where(missing, 0, codes).astype(np.int64)]
    )


def apply_policy(column: Column, schema: Schema, name: str, row_offsets: np.ndarray) -> Column:
    """Replace missing values of a covariate as the schema says; targets stay as filled."""
    covariate = schema.covariate(name)
    if covariate is None:
        return column
    policy = missing_policy(covariate, schema)
    if policy == "interpolate":
        filled = column
    elif policy == "zero":
        filled = fills.zero(column)
    elif policy == "ffill_bfill_then_zero":
        filled = fills.hold_then_zero(column)
    else:
        filled = fills.hold(column)
    return fills.known_future(filled, row_offsets) if covariate.known_future else filled


def apply_delay(column: Column, schema: Schema, name: str, row_offsets: np.ndarray) -> Column:
    """A filled column as it becomes known: `delay` rows late, if the schema says so."""
    covariate = schema.covariate(name)
    if covariate is None or not covariate.delay:
        return column
    means_zero = missing_policy(covariate, schema) in ("zero", "ffill_bfill_then_zero")
    return fills.delayed(column, covariate.delay, row_offsets, 0.0 if means_zero else np.nan)


def missing_policy(covariate: DynamicCovariate, schema: Schema) -> str:
    """What replaces a missing value: interpolate, zero, ffill_bfill_then_zero or ffill."""
    policy = covariate.missing or schema.missing_policy.dynamic_covariates
    if policy == "interpolate" and covariate.coding == "scaled":
        return policy
    if policy == "zero" or (policy == "unknown_token" and covariate.dtype == "categorical"):
        return "zero"
    if policy == "ffill_bfill_then_zero" and not covariate.known_future:
        return policy
    return "ffill"


def feature_column(column: Column, feature: Feature) -> Column:
    """The channel that a feature takes from its filled column."""
    if feature.kind in OF_OBSERVATION:
        values = OF_OBSERVATION[feature.kind](column)
        rows = np.arange(len(values), dtype=np.int32)
        return replace(
            column,
            raw=values,
            filled=values,
            causal=values,
            known_at=rows,
            valid=np.ones(len(values), dtype=bool),
        )
    if feature.kind == "category":
        filled, causal = (
            np.where(np.isnan(ids), 0.0, ids == feature.category)
            for ids in (column.filled, column.causal)
        )
        valid = np.ones(len(filled), dtype=bool)
        return replace(column, filled=filled, causal=causal, valid=valid)
    return column


def scaled_age(age: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Rows since the last observation on a logarithmic scale from 0 (now) to 1 (1,023 or more).

    >>> scaled_age(np.array([0, 1, 31, 5000])).tolist()
    [0.0, 0.1, 0.5, 1.0]
    """
    return np.log2(1.0 + np.minimum(age, OLDEST)) / np.log2(1.0 + OLDEST)


# What a row tells of observations; all known when the row has passed.
OF_OBSERVATION: dict[str, Callable[[Column], np.ndarray]] = {
    "missing": lambda column: np.isnan(column.raw).astype(np.float64),
    "mask": lambda column: (column.age == 0).astype(np.float64),
    "age": lambda column: scaled_age(column.age),
}
