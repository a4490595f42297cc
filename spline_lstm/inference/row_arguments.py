"""What callers give to estimators of rows, checked and as frames; messages as of scikit-learn."""

import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.formatting import listed
from spline_lstm.core.row_schema import Kind


def as_frame(X: Any, name: str) -> pd.DataFrame:
    """A table of features as a frame; columns of an array are called x0, x1, ...

    Raises
    ------
    ValueError
        It is not a table of at least one row and one column, has two columns of one name, or
        complex or infinite numbers.
    TypeError
        It is a sparse matrix.
    """
    if isinstance(X, pd.DataFrame):
        frame = X.set_axis([str(column) for column in X.columns], axis=1)
        _check_shape(frame.shape, name)
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise ValueError(f"X has two columns of the name {twice[0]!r}; rename one of them")
        _check_finite(frame, name)
        return frame
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} takes no sparse data; a dense array is required: use X.toarray()")
    values = np.asarray(X)
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{values!r}")
    if values.ndim != 2:
        raise ValueError(
            f"Expected 2D array, got {values.ndim}D array instead. Reshape your data either using "
            "array.reshape(-1, 1) if it has a single feature or array.reshape(1, -1) if it "
            "contains a single sample."
        )
    _check_shape(values.shape, name)
    if values.dtype == object:
        values = _numbers(values)
    frame = pd.DataFrame(values, columns=[f"x{index}" for index in range(values.shape[1])])
    _check_finite(frame, name)
    return frame


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    for count, what in zip(shape, ("sample", "feature"), strict=True):
        if not count:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={shape}) while a minimum of 1 is "
                f"required by {name}."
            )


def _numbers(values: np.ndarray) -> np.ndarray:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError):
            raise TypeError(f"argument must be a string or a number: {error}") from None
        raise ValueError(
            f"could not convert the array to numbers ({error}); give a frame"
        ) from None


def _check_finite(frame: pd.DataFrame, name: str) -> None:
    numbers = frame.select_dtypes(include=["number"])
    if np.isinf(numbers.to_numpy(dtype=np.float64, na_value=np.nan)).any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64'); {name} takes "
            "finite numbers and NaN"
        )


def as_target(y: Any, rows: int, name: str) -> np.ndarray:
    """Targets as an array [rows], none of them missing.

    Raises
    ------
    ValueError
        They are missing, complex, infinite, or not as many as the rows.
    """
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    values = np.asarray(y)
    if values.dtype.kind == "c":
        raise ValueError("Complex data not supported")
    if values.ndim == 2 and values.shape[1] == 1:
        _warn_column()
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"y should be a 1d array, got an array of shape {values.shape} instead.")
    if len(values) != rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{rows}, {len(values)}]"
        )
    missing = pd.isna(values)
    infinite = values.dtype.kind == "f" and np.isinf(values.astype(np.float64))
    if np.any(missing) or np.any(infinite):
        what = "NaN" if np.any(missing) else "infinity or a value too large for dtype('float64')"
        raise ValueError(f"Input y contains {what}.")
    return values


def _warn_column() -> None:
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y "
        "to (n_samples, ), for example using ravel().",
        _conversion_warning(),
        stacklevel=4,
    )


def _conversion_warning() -> type[Warning]:
    """The class of scikit-learn, if it is loaded."""
    theirs = sys.modules.get("sklearn.exceptions")
    return UserWarning if theirs is None else theirs.DataConversionWarning


def row_kind(column: pd.Series) -> Kind:
    """Kind of a column by its type: number, boolean, date, or category."""
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    return "number" if pd.api.types.is_numeric_dtype(column) else "category"


def check_features(frame: pd.DataFrame, names: tuple[object, ...], name: str) -> None:
    """Raise ValueError unless a frame to predict has the features of the training, in order."""
    if frame.shape[1] != len(names):
        absent = [each for each in names if each not in frame.columns]
        raise ValueError(
            f"X has {frame.shape[1]} features, but {name} is expecting {len(names)} features as "
            f"input{f'; it lacks {listed([*map(str, absent)])}' if absent else ''}"
        )
    if tuple(frame.columns) != names:
        raise ValueError(
            "The feature names should match those that were passed during fit; expected "
            f"{', '.join(map(str, names))} in this order"
        )


def check_numbers(y: np.ndarray) -> Float[np.ndarray, " rows"]:
    """Targets of a regression as float64; ValueError unless they are numbers."""
    try:
        return y.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError("the target of a regression must be numbers") from None
