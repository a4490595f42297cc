"""Raw table to as-of arrays: the contract, the arrays, the reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.core.artifacts import with_run_id
from spline_lstm.core.params import PreprocessParams
from spline_lstm.core.schema import Schema
from spline_lstm.core.timestamps import parse_frequency
from spline_lstm.series.build import Built, build
from spline_lstm.series.features import used_columns
from spline_lstm.series.fitted import Fitted
from spline_lstm.series.layout import lay_out
from spline_lstm.series.quality import check_size, check_targets, quality_report
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.arrays import AsOfArrays


@dataclass(frozen=True)
class Preprocessed:
    """What preprocessing yields.

    Attributes
    ----------
    arrays : AsOfArrays
    preprocessor : dict
        All that turns raw history into X again, ready for JSON, with its run id.
    quality : dict
        The quality report, ready for JSON.
    fitted : Fitted
        The constants in `preprocessor`.
    """

    arrays: AsOfArrays
    preprocessor: dict[str, Any]
    quality: dict[str, Any]
    fitted: Fitted


def preprocess(
    table: RawTable,
    schema: Schema,
    params: PreprocessParams,
    *,
    where: str,
    sort: bool = False,
    duplicates: str = "error",
    instants: Int[np.ndarray, " two"] | None = None,
) -> Preprocessed:
    """Build the as-of arrays of all series, check the contract, report the quality.

    Parameters
    ----------
    table : RawTable
    schema : Schema
    params : PreprocessParams
    where : str
        Name of the raw table in error messages.
    sort, duplicates
        How the table was read (see `read_raw_table`), so that serving reads history in the same way.
    instants : [2] int64, ns
        Begin of the validation and of the test part; by default as `params.split` says.

    Raises
    ------
    DataContractError
        Too few rows, too many missing, a gap that is too long, a constant target, or a cadence that does
        not fit the grid; all of these that hold, with the quality report.
    """
    layout = lay_out(table, parse_frequency(params.frequency), params.snap)
    check_size(table, layout, params, where)
    built = build(table, schema, params, layout=layout, instants=instants)
    quality = quality_report(table, layout, built.arrays, built.columns, params)
    check_targets(built.columns, schema, params, where, quality)
    content = describe(table, schema, params, built) | {
        "reading": {"sort": sort, "duplicates": duplicates}
    }
    return Preprocessed(built.arrays, with_run_id(content), quality, built.fitted)


def describe(
    table: RawTable, schema: Schema, params: PreprocessParams, built: Built
) -> dict[str, Any]:
    """Content of preprocessor.json but the run id, and how the table was read."""
    arrays, fitted = built.arrays, built.fitted
    names = [str(name) for name in arrays.feature_names]
    dims = {item.name: item.dim for item in (*schema.static_covariates, *schema.dynamic_covariates)}
    return {
        "schema": schema.model_dump(mode="json"),
        "columns": list(used_columns(table.columns, schema, params)),
        "features": names,
        "targets": list(schema.target_cols),
        "target_indices": arrays.target_indices.tolist(),
        "future_indices": arrays.future_indices.tolist(),
        "statics_embedded": _embeddings(fitted.statics, dims),
        "features_embedded": _embeddings(
            {name: texts for name, texts in fitted.categories.items() if name in names}, dims
        ),
        "frequency_ns": parse_frequency(params.frequency),
        "params": params.model_dump(mode="json"),
        **fitted.to_json(),
    }


def _embeddings(
    tables: Mapping[str, tuple[str, ...]], dims: Mapping[str, int | None]
) -> list[dict[str, Any]]:
    """Name, number of ids (the unknown token included) and length of the vector of each embedding."""
    return [
        {"name": name, "size": len(texts) + 1, "dim": dims[name]} for name, texts in tables.items()
    ]
