"""The schema of a folder of series, as the command check reads it."""

from pathlib import Path

from spline_lstm.core.params import Params
from spline_lstm.core.schema import load_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.features import check_names


def check_series_schema(folder: Path, params: Params) -> tuple[str, ...]:
    """Names of the targets of a folder whose schema and params fit together.

    Raises
    ------
    SchemaError
        The schema breaks a rule, or does not fit the params.
    """
    schema = load_schema(folder / params.data.schema_file)
    check_names(schema, params.preprocess, TargetOptions.of(params))
    return schema.target_cols
