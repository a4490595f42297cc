"""What stages wrote, read for the page: nothing if it is not there, ArtifactError if damaged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError

# What marks up text for Streamlit: contents of files are shown as they are.
ESCAPES = {ord(sign): f"\\{sign}" for sign in "\\`*_{}[]()#+-.!|<>~$:"}


# Kind of data/predictions.parquet -> columns that tell it.
KINDS = {
    "forecasts": {"series", "target", "origin", "step", "y_pred"},
    "days": {"symbol", "day", "label"},
    "rows": {"line", "y_true", "y_pred"},
}


def json_if_made(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if there is none."""
    return read_json(path) if path.is_file() else {}


def csv_if_made(path: Path, columns: Sequence[str], texts: Sequence[str] = ()) -> pd.DataFrame:
    """A table that a stage wrote for plots; without rows if there is none.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        That it must have.
    texts : sequence of str
        Columns of texts, such as names of series.

    Raises
    ------
    ArtifactError
        It cannot be read, or lacks a column.
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(columns))
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(texts, str))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    _check_columns(path, list(map(str, table)), columns)
    return table


def parquet_rows(path: Path, columns: Sequence[str], chosen: Sequence[Any] = ()) -> pd.DataFrame:
    """Columns of a Parquet file, of the rows that are chosen by filters of pyarrow.

    Raises
    ------
    ArtifactError
        It cannot be read, or lacks a column.
    """
    try:
        _check_columns(path, pq.read_schema(path).names, columns)
        table = pq.read_table(path, columns=list(columns), filters=list(chosen) or None)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    return table.to_pandas()


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns of a Parquet file; ArtifactError if it cannot be read."""
    try:
        return pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def kind_of(path: Path) -> str:
    """What data/predictions.parquet contains: forecasts, days (probabilities), rows, or nothing.

    Raises
    ------
    ArtifactError
        It cannot be read, or no task of this version writes such a file.
    """
    if not path.is_file():
        return "nothing"
    columns = {*parquet_columns(path)}
    for kind, needed in KINDS.items():
        if columns >= needed:
            return kind
    raise ArtifactError(
        f"{path} has the columns {', '.join(sorted(columns))}, as no task of this version writes "
        "them; run `dvc repro`"
    )


def version_of(path: Path) -> tuple[int, int]:
    """What changes with a file: for functions that keep what they have read."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def instants_of(column: pd.Series) -> Int[np.ndarray, " rows"]:
    """Instants of a column of timestamps, or of numbers of an index."""
    if pd.api.types.is_integer_dtype(column):
        return column.to_numpy(np.int64)
    return pd.DatetimeIndex(column).as_unit("ns").asi8


def wall_times(clock: Clock, instants: Int[np.ndarray, " n"]) -> pd.Index:
    """What a clock on the wall of the pipeline shows, for charts; whole numbers of an index.

    Browsers would move times with a zone into their own one.
    """
    times = clock.to_pandas(instants)
    return times.tz_localize(None) if isinstance(times, pd.DatetimeIndex) else times


def levels_of(names: Sequence[str]) -> tuple[str, ...]:
    """Levels of the intervals of some columns, the widest first."""
    found = [name.removeprefix("lower_") for name in names if name.startswith("lower_")]
    return tuple(sorted(found, key=float, reverse=True))


def plain_text(text: str) -> str:
    r"""Text of files or people, so that Streamlit shows it as it is.

    >>> print(plain_text("max_gap: 6"))
    max\_gap\: 6
    """
    return text.translate(ESCAPES)


def numbers_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The single values of a mapping, without what is nested in it."""
    return {key: value for key, value in row.items() if not isinstance(value, Mapping | list)}


def _check_columns(path: Path, present: Sequence[str], needed: Sequence[str]) -> None:
    absent = [name for name in needed if name not in {*present}]
    if absent:
        raise ArtifactError(
            f"{path} has no column {', '.join(absent)}: another version of the code wrote it; run "
            "`dvc repro`"
        )


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path} is damaged or cannot be read ({error}); run `dvc repro` again")
