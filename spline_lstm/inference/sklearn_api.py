"""What callers of a scikit-learn estimator expect beyond its methods.

scikit-learn itself is not loaded unless the caller has loaded it.
"""

import functools
import sys
from typing import TYPE_CHECKING

import pandas as pd

from spline_lstm.core.errors import DataContractError, MissingCovariateError, UsageError, shorten
from spline_lstm.core.schema import Schema
from spline_lstm.tables.contract import needed_columns

if TYPE_CHECKING:
    from sklearn.utils import Tags


def check_type(value: object, where: str) -> None:
    """Raise UsageError unless a value is a DataFrame."""
    if not isinstance(value, pd.DataFrame):
        raise UsageError(f"{where}: must be a pandas DataFrame, not {type(value).__name__}")


def check_columns(frame: pd.DataFrame, schema: Schema, where: str) -> None:
    """Check that a frame has the columns of a schema; timestamps and series may be in its index.

    Raises
    ------
    DataContractError
        The column of the timestamps, of the series or of a target is missing.
    MissingCovariateError
        A required covariate is missing.
    """
    present = [
        *map(str, frame.columns),
        *(str(name) for name in frame.index.names if name is not None),
    ]
    there = shorten(", ".join(present), 400).strip("'")
    # plain_frame names the timestamps in the index.
    named_by_index = schema.timestamp_cols if isinstance(frame.index, pd.DatetimeIndex) else ()
    keys = needed_columns(schema)
    required = [
        item.name
        for item in (*schema.dynamic_covariates, *schema.static_covariates)
        if item.required
    ]
    for names, error in ((keys, DataContractError), (required, MissingCovariateError)):
        absent = [name for name in names if name not in (*present, *named_by_index)]
        if absent:
            raise error(
                f"{where}: the frame has no column {', '.join(map(repr, absent))}; it has "
                f"{there}; name one of these in the Forecaster, or add the column"
            )


def not_fitted(message: str) -> UsageError:
    """A UsageError; also a `sklearn.exceptions.NotFittedError` if scikit-learn is loaded.

    A caller that catches the latter has loaded it.
    """
    return _error_class("sklearn.exceptions" in sys.modules)(message)


@functools.cache
def _error_class(loaded: bool) -> type[UsageError]:
    if not loaded:
        return UsageError
    theirs = sys.modules["sklearn.exceptions"].NotFittedError
    return type("NotFittedError", (UsageError, theirs), {"__doc__": "A Forecaster is not fitted."})


def tags() -> "Tags":
    """Tags of a Forecaster: it takes a frame of any columns with missing values, and no `y`."""
    # scikit-learn is loaded already: only it asks for tags.
    from sklearn.utils import InputTags, Tags, TargetTags  # noqa: PLC0415

    return Tags(
        estimator_type=None,
        target_tags=TargetTags(required=False),
        input_tags=InputTags(two_d_array=False, string=True, categorical=True, allow_nan=True),
    )
