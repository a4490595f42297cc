"""The arguments of a Forecaster as the schema and the params that the pipeline works with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import Params, load_overlay, with_values
from spline_lstm.core.schema import Schema, parse_schema
from spline_lstm.core.timestamps import find_cadence, frequency_text, within_series
from spline_lstm.inference.sklearn_api import check_columns
from spline_lstm.tables.raw_table import RawTable, plain_frame, typed_table

# Up to so many texts of a column become a feature each, more of them a learned vector.
MAX_ONE_HOT = 8
MAX_DIMENSIONS = 8

# What differs for a Forecaster from the defaults of params.yaml.
DEFAULTS = Path(__file__).parent / "params.yaml"
WHERE = "the arguments of the Forecaster"


def schema_of(
    frame: pd.DataFrame,
    *,
    target: str | Sequence[str],
    timestamp: str,
    series: str | None,
    covariates: Sequence[str],
    known_future: Sequence[str],
    static: Sequence[str],
    calendar: Sequence[str],
) -> Schema:
    """The schema that the names of columns and their types in a frame stand for.

    Booleans, categories and texts are told from numbers by the types of the columns.

    Raises
    ------
    SchemaError
        A name stands twice, or a calendar feature is unknown.
    """
    content: dict[str, Any] = {
        "version": 1,
        "timestamp_col": timestamp,
        "target_cols": [target] if isinstance(target, str) else list(target),
        "dynamic_covariates": [
            *(_covariate(frame, name, known_future=False) for name in covariates),
            *(_covariate(frame, name, known_future=True) for name in known_future),
        ],
        "static_covariates": [{"name": name, "dim": _dimensions(frame, name)} for name in static],
        "calendar_features": {"enabled": bool(calendar), "features": list(calendar)},
    }
    if series is not None:
        content["series_col"] = series
    return parse_schema(json.dumps(content), WHERE)


def _covariate(frame: pd.DataFrame, name: str, *, known_future: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"name": name, "known_future": known_future}
    # A column that is not there is told of when the frame is read.
    column = frame[name] if name in frame.columns else pd.Series(dtype="float64")
    if pd.api.types.is_bool_dtype(column):
        return content | {"dtype": "boolean"}
    if pd.api.types.is_numeric_dtype(column):
        return content
    if column.nunique() <= MAX_ONE_HOT:
        return content | {"dtype": "categorical"}
    return content | {
        "dtype": "categorical",
        "encoding": "embedding",
        "dim": _dimensions(frame, name),
    }


def _dimensions(frame: pd.DataFrame, name: str) -> int:
    """Length of the learned vector: half as many numbers as there are texts, 2 to 8."""
    texts = (
        frame.index.unique(name)
        if name in frame.index.names
        else frame.get(name, pd.Series(dtype="str")).unique()
    )
    return min(MAX_DIMENSIONS, max(2, (len(texts) + 1) // 2))


def params_of(given: Params | Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> Params:
    """Whole params: the defaults (or `given`, if it is whole), with the values of `given` and of the arguments.

    Parameters
    ----------
    given : Params or mapping
        Whole params, or other values by dotted key: ``{"train.batch_size": 32}``.
    arguments : mapping
        Dotted key -> value; None: the default stays.

    Raises
    ------
    ParamsError
        A key is unknown, or a value breaks its rule.
    """
    changes = {key: value for key, value in arguments.items() if value is not None}
    if isinstance(given, Params):
        return with_values(given, changes, WHERE)
    defaults = with_values(Params(), load_overlay(DEFAULTS), str(DEFAULTS))
    return with_values(defaults, {**(given or {}), **changes}, WHERE)


def read_frame(
    frame: pd.DataFrame, schema: Schema, given: Params | Mapping[str, Any] | None
) -> RawTable:
    """The raw table of a frame to fit on; a timestamp that stands twice in a series needs a rule of the caller.

    The default of ``data.duplicates`` is there for `update`, where a newer row takes the place of an older one. In a
    frame to fit on, repeated timestamps are more often series that nobody told apart.

    Parameters
    ----------
    frame : DataFrame
    schema : Schema
    given : Params or mapping
        As in `params_of`; repeated timestamps are merged only where this says how.

    Raises
    ------
    DataContractError
        The frame breaks the data contract, or repeats timestamps and `given` has no ``data.duplicates``.
    MissingCovariateError
        A required covariate is not among the columns.
    """
    data = params_of(given, {}).data
    ruled = isinstance(given, Params) or "data.duplicates" in (given or {})
    check_columns(frame, schema, "frame")
    rows = plain_frame(frame, schema, "frame")
    try:
        return typed_table(
            rows,
            schema,
            where="frame",
            sort=data.sort,
            duplicates=data.duplicates if ruled else "error",
        )
    except DataContractError as error:
        if ruled:
            raise
        name = "" if schema.series_col else "name the column of the series: series=..., or "
        advice = f"; {name}set params={{'data.duplicates': 'last'}}"
        twice = [item["rule"] == "twice" for item in error.quality["violations"]]
        lines = (
            line + advice * repeated for line, repeated in zip(error.lines, twice, strict=True)
        )
        raise DataContractError(*lines, quality=error.quality) from None


def frequency_of(table: RawTable) -> str:
    """The step between the timestamps of a table.

    Raises
    ------
    DataContractError
        The timestamps follow no fixed step.
    """
    cadence = find_cadence(within_series(table.timestamps, table.series))
    if cadence is None or cadence.step is None:
        raise DataContractError(
            "frame: the timestamps follow no fixed step; give frequency, such as 5min, 1h or 1D"
        )
    return frequency_text(cadence.step)
