"""Raw rows given to a forecast, read by the schema and the rules of its preprocessor.

Errors are those of `read_raw_table`.
"""

import numpy as np
import pandas as pd

from spline_lstm.core.schema import Schema
from spline_lstm.tables.raw_table import RawTable, plain_frame, table_frame, typed_table
from spline_lstm.windows.preprocessor import Preprocessor


def history_frame(
    preprocessor: Preprocessor, source: pd.DataFrame | bytes, where: str
) -> pd.DataFrame:
    """Columns of a history, from a frame in memory or from a file, as `read_rows` takes them."""
    return _columns_of(source, preprocessor.schema, where)


def future_frame(
    preprocessor: Preprocessor, source: pd.DataFrame | bytes, where: str
) -> pd.DataFrame:
    """Of future rows: timestamps, series keys and the columns that are known in the future."""
    schema = preprocessor.known_schema.model_copy(update={"target_cols": ()})
    return _columns_of(source, schema, where)


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


def _columns_of(source: pd.DataFrame | bytes, schema: Schema, where: str) -> pd.DataFrame:
    """The index names the rows: by the lines of a file, or by the positions in a frame."""
    if not isinstance(source, bytes):
        return plain_frame(source, schema, where)
    frame, lines, _ = table_frame(source, schema, where)
    return plain_frame(frame, schema, where).set_index(pd.Index(lines))
