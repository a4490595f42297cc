"""Raw rows given to a forecast, read by the schema and the rules of its preprocessor.

Errors are those of `read_raw_table`.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from spline_lstm.core.schema import Schema
from spline_lstm.core.table_format import Wide
from spline_lstm.tables.frames import plain_frame, table_frame
from spline_lstm.tables.raw_table import RawTable, typed_table
from spline_lstm.tables.timestamp_columns import in_time_zone, read_timestamps
from spline_lstm.tables.wide import LongFrame, melt, spread
from spline_lstm.windows.preprocessor import Preprocessor


def history_frame(
    preprocessor: Preprocessor, source: pd.DataFrame | bytes, where: str
) -> pd.DataFrame:
    """Columns of a history, from a frame in memory or from a file, as `read_rows` takes them.

    The layout is that of the schema; of a wide one a frame may also be what this function gave.
    """
    schema, wide = preprocessor.source_schema, preprocessor.source_schema.wide
    if wide is None:
        return _columns_of(source, schema, where)
    if not isinstance(source, bytes) and wide.series in source.columns:
        return _columns_of(source, preprocessor.schema, where)
    return _melted(melt, preprocessor, _columns_of(source, schema, where), schema, wide, where)


def future_frame(
    preprocessor: Preprocessor, source: pd.DataFrame | bytes, where: str
) -> pd.DataFrame:
    """Of future rows: timestamps, series keys and the columns that are known in the future.

    In a wide layout the series share these rows.
    """
    wide = preprocessor.source_schema.wide
    if wide is None:
        schema = preprocessor.known_schema.model_copy(update={"target_cols": ()})
        return _columns_of(source, schema, where)
    shared = preprocessor.source_schema.model_copy(
        update={
            "wide": None,
            "series_col": None,
            "target_cols": (),
            "static_covariates": (),
            "dynamic_covariates": preprocessor.known_future,
        }
    )
    return _melted(spread, preprocessor, _columns_of(source, shared, where), shared, wide, where)


def _melted(
    of_wide: Callable[..., LongFrame],
    preprocessor: Preprocessor,
    frame: pd.DataFrame,
    schema: Schema,
    wide: Wide,
    where: str,
) -> pd.DataFrame:
    """Rows of a wide table by `melt` or `spread`, named as `_columns_of` names them."""
    lines = frame.index.to_numpy(dtype=np.int64)
    rows = frame.reset_index(drop=True)
    long = of_wide(rows, schema, wide, lines, preprocessor.reading, where)
    return long.frame.set_index(pd.Index(long.lines))


def check_future(preprocessor: Preprocessor, frame: pd.DataFrame, where: str) -> None:
    """Raise as `read_rows` if rows of `future_frame` break the data contract by themselves."""
    # Future targets are unknown.
    rows = frame.assign(**dict.fromkeys(preprocessor.schema.target_cols, np.nan))
    read_rows(preprocessor, rows, where, preprocessor.known_schema)


def read_rows(
    preprocessor: Preprocessor, frame: pd.DataFrame, where: str, schema: Schema | None = None
) -> RawTable:
    """The raw table of a frame, by the schema of the preprocessor or by another one."""
    return typed_table(
        frame.reset_index(drop=True),
        schema or preprocessor.schema,
        where=where,
        reading=preprocessor.reading,
        lines=frame.index.to_numpy(dtype=np.int64),
    )


def series_keys(preprocessor: Preprocessor, frame: pd.DataFrame) -> np.ndarray:
    """Series of each row, as text."""
    name = preprocessor.schema.series_col
    if name is None:
        return np.full(len(frame), "", dtype=object)
    return frame[name].astype("str").to_numpy(dtype=object)


def instants_of(
    preprocessor: Preprocessor, frame: pd.DataFrame, where: str
) -> tuple[Int[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Instant of each row, and the rows whose timestamp cannot be read."""
    codes = pd.factorize(series_keys(preprocessor, frame))[0]
    timestamps = read_timestamps(frame, preprocessor.schema, codes, where)
    unread = np.zeros(len(frame), dtype=bool)
    for rules in timestamps.faults.values():
        unread |= np.any([*rules.values()], axis=0)
    if unread.any():
        return timestamps.values, unread
    return in_time_zone(timestamps, codes, preprocessor.reading)[0], unread


def _columns_of(source: pd.DataFrame | bytes, schema: Schema, where: str) -> pd.DataFrame:
    """The index names the rows: by the lines of a file, or by the positions in a frame."""
    if not isinstance(source, bytes):
        return plain_frame(source, schema, where)
    frame, lines, _ = table_frame(source, schema, where)
    return plain_frame(frame, schema, where).set_index(pd.Index(lines))
