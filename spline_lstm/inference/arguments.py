"""The arguments of a Forecaster as the schema and the params of a pipeline."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock_inference import bind, infer_clock
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.params import Params, load_overlay, with_values
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import INDEX, Schema, parse_schema
from spline_lstm.core.time_zones import UTC, parse_zone
from spline_lstm.inference.sklearn_api import check_columns
from spline_lstm.series.grid import lay_out
from spline_lstm.tables.frames import plain_frame
from spline_lstm.tables.raw_table import RawTable, typed_table

# A column of up to this many texts gets a feature for each text; more texts get a learned vector.
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
    """The schema given by the names of columns and their types in a frame.

    The types of the columns distinguish booleans, categories and texts from numbers, and an index
    of whole numbers from timestamps.

    Raises
    ------
    SchemaError
        A name is repeated, or a calendar feature is unknown.
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
    if pd.api.types.is_integer_dtype(_values_of(frame, timestamp)):
        content["table_format"] = {"timestamp_format": INDEX}
    return parse_schema(json.dumps(content), WHERE)


def _covariate(frame: pd.DataFrame, name: str, *, known_future: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"name": name, "known_future": known_future}
    # A missing column is reported when the frame is read.
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
    """Length of the learned vector: half the number of texts, from 2 to 8."""
    texts = (
        frame.index.unique(name)
        if name in frame.index.names
        else frame.get(name, pd.Series(dtype="str")).unique()
    )
    return min(MAX_DIMENSIONS, max(2, (len(texts) + 1) // 2))


def params_of(given: Params | Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> Params:
    """Complete params: the defaults, or `given` if complete, changed by `given` and the arguments.

    Parameters
    ----------
    given : Params or mapping
        Complete params, or changed values by dotted key: ``{"train.batch_size": 32}``.
    arguments : mapping
        Dotted key -> value; None: the default.

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
    """The raw table of a frame to fit on.

    Timestamps that repeat within a series are an error unless the caller sets ``data.duplicates``.
    Its default is meant for `update`, which replaces older rows by newer ones. In a frame to fit
    on, repeated timestamps are more often several series without a series column.

    Parameters
    ----------
    frame : DataFrame
    schema : Schema
    given : Params or mapping
        As in `params_of`; repeated timestamps are merged only if it sets ``data.duplicates``.

    Raises
    ------
    DataContractError
        The frame breaks the data contract, or repeats timestamps and `given` does not set
        ``data.duplicates``.
    MissingCovariateError
        A required covariate is not among the columns.
    """
    reading = Reading.of(params_of(given, {}).data)
    has_rule = isinstance(given, Params) or "data.duplicates" in (given or {})
    if not has_rule:
        reading = replace(reading, duplicates="error")
    check_columns(frame, schema, "frame")
    rows = plain_frame(frame, schema, "frame")
    try:
        return typed_table(
            rows,
            schema,
            where="frame",
            reading=reading,
        )
    except DataContractError as error:
        if has_rule:
            raise
        name = "" if schema.series_col else "name the column of the series: series=..., or "
        advice = f"; {name}set params={{'data.duplicates': 'last'}}"
        repeated = [
            item["rule"] in ("copies", "contradictions") for item in error.quality["violations"]
        ]
        lines = (line + advice * once for line, once in zip(error.lines, repeated, strict=True))
        raise DataContractError(*lines, quality=error.quality) from None


def inferred_params(
    table: RawTable,
    schema: Schema,
    given: Params | Mapping[str, Any] | None,
    frequency: str | None,
    zone: str | None = None,
) -> dict[str, Any]:
    """Params that follow from the data, by dotted key; nothing is inferred if `given` is complete.

    Parameters
    ----------
    table, schema : the data to fit on
    given : Params or mapping
        As in `params_of`.
    frequency : str, optional
        The argument of the caller; by default what the timestamps follow, unless `given` sets it.
    zone : str, optional
        Time zone of the timestamps, see `zone_of`; what `given` sets counts more.
    """
    if isinstance(given, Params):
        return {"preprocess.frequency": frequency}
    zone = (given or {}).get("data.time_zone", zone)
    if frequency is None and "preprocess.frequency" not in (given or {}):
        frequency = frequency_of(table, zone, index=schema.is_indexed)
    multivariate = (
        schema.dynamic_covariates or schema.static_covariates or schema.calendar_features.enabled
    )
    return {
        "data.time_zone": zone,
        "preprocess.frequency": frequency,
        "preprocess.feature_mode": "multivariate" if multivariate else None,
    }


def zone_of(frame: pd.DataFrame, schema: Schema) -> str | None:
    """Time zone of the timestamps of a frame; None if they are naive, texts, numbers or in UTC."""
    if not isinstance(schema.timestamp_col, str):
        return None
    dtype = _values_of(frame, schema.timestamp_col).dtype
    # An offset is written UTC+01:00.
    text = str(dtype.tz).removeprefix(UTC) if isinstance(dtype, pd.DatetimeTZDtype) else ""
    return parse_zone(text) if text else None


def _values_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column or a level of the index; nothing if there is none, which reading reports."""
    if name in frame.columns:
        return frame[name]
    return frame.index.to_frame().get(name, pd.Series(dtype="float64"))


def frequency_of(table: RawTable, zone: str | None, *, index: bool = False) -> str:
    """The clock that the timestamps of a table follow, as `parse_clock` reads it.

    Raises
    ------
    DataContractError
        They follow none, several series differ, or several clocks fit.
    """
    found = infer_clock(
        table.timestamps, table.series, zone=zone, index=index, names=table.series_names
    )
    if found.clock is None:
        problem = found.problem.replace("preprocess.frequency", "frequency")
        raise DataContractError(f"frame: {problem}")
    return found.clock.frequency


def split_instants_of(table: RawTable, params: Params) -> Int[np.ndarray, " two"]:
    """Start of the validation split and end of the data: the test split is empty."""
    clock = bind(params.clock, table.timestamps)
    layout = lay_out(table, clock, params.preprocess.snap)
    start, end = layout.first_row, layout.end_row
    rows = round((1 - params.preprocess.split.validation) * (end - start))
    return clock.timestamps_of(np.array([start + rows, end], dtype=np.int64))
