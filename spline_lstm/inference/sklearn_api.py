"""What callers of a scikit-learn estimator expect beyond its methods.

scikit-learn itself is not loaded unless the caller has loaded it.
"""

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from spline_lstm.core.errors import DataContractError, MissingCovariateError, UsageError, shorten
from spline_lstm.core.schema import Schema
from spline_lstm.tables.contract import needed_columns

if TYPE_CHECKING:
    from sklearn.utils import Tags


class Estimator:
    """Arguments of the constructor as scikit-learn reads, changes and shows them."""

    @classmethod
    def _names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments, as scikit-learn reads them; `deep` changes nothing."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **arguments: Any) -> Self:
        """Change arguments; ValueError for an unknown one."""
        unknown = set(arguments) - set(self._names())
        if unknown:
            raise ValueError(
                f"a {type(self).__name__} has no argument {', '.join(sorted(unknown))}; it has "
                f"{self._names()}"
            )
        for name, value in arguments.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = {
            name: item.default for name, item in inspect.signature(type(self)).parameters.items()
        }
        given = {
            name: value for name, value in self.get_params().items() if value is not defaults[name]
        }
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"{type(self).__name__}({arguments})"

    def __sklearn_tags__(self) -> "Tags":
        return tags()


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
