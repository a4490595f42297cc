"""What the windows of a pipeline are, for other tools: data/processed/meta.json."""

from collections.abc import Sequence
from typing import Any

from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows


def meta_content(
    windows: Windows, preprocessor: Preprocessor, model_types: Sequence[str]
) -> dict[str, Any]:
    """Names and shapes, as the data-contract document has them.

    Parameters
    ----------
    windows : Windows
    preprocessor : Preprocessor
        Of these windows; its schema has the columns that the model reads.
    model_types : sequence of str
        Types of model that may be trained on them, `compare.models` of params.yaml.

    Returns
    -------
    dict
        X_shape [windows, lookback, f_total] and y_shape [windows, horizon * f_target] count the
        windows of all splits; f_total features are the targets, covariates, channels and calendar.
    """
    schema, count = preprocessor.source_schema, len(windows.origins)
    f_total, f_target = len(windows.feature_names), len(windows.target_names)
    return {
        "feature_mode": preprocessor.params.feature_mode,
        "model_type_candidates": list(model_types),
        "target_cols": list(windows.target_names),
        "dynamic_covariates": [item.name for item in schema.dynamic_covariates],
        "static_covariates": [item.name for item in schema.static_covariates],
        "X_shape": [count, windows.lookback, f_total],
        "y_shape": [count, windows.horizon * f_target],
        "f_total": f_total,
        "f_target": f_target,
        "lookback": windows.lookback,
        "horizon": windows.horizon,
    }
