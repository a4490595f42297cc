"""Parquet to a frame: only the columns that are asked for, in the types that parsing knows.

The notes that pandas leaves in a file are not read: an index is a column like any other, and a file
of another program gives the same table.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spline_lstm.core.errors import DataContractError, shorten

MAGIC = b"PAR1"
# What pandas calls the column of an index without a name, in a file and in memory.
UNNAMED_INDEX, INDEX = "__index_level_0__", "index"
# Whole numbers and booleans stay what they are beside missing ones: 1 is another text than 1.0.
NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def is_parquet(content: bytes) -> bool:
    """True if the bytes are a Parquet file, whatever its name is."""
    return content[:4] == MAGIC


def parquet_rows(content: bytes) -> int:
    """Number of rows of a Parquet file that is readable."""
    return pq.ParquetFile(pa.BufferReader(content)).metadata.num_rows


def parquet_header(content: bytes, where: str) -> list[str]:
    """Names of the columns of a Parquet file, an index included.

    Raises
    ------
    DataContractError
        The file is damaged.
    """
    with _refused(where):
        return _header(pq.ParquetFile(pa.BufferReader(content)))


def parquet_frame(content: bytes, where: str, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a Parquet file; texts are categories, so that each is in memory once.

    Parameters
    ----------
    content : bytes
        The file.
    where : str
        Its name in messages.
    columns : names of the columns to read, of `parquet_header`

    Raises
    ------
    DataContractError
        The file is damaged or has no rows.
    """
    with _refused(where):
        kinds = pq.ParquetFile(pa.BufferReader(content)).schema_arrow
        texts = [kind.name for kind in kinds if _is_text(kind.type)]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts)
        stored = dict(zip(_header(file), kinds.names, strict=True))
        table = file.read(columns=[stored[name] for name in columns])
        plain = pa.table({name: _plain(table[stored[name]]) for name in columns})
        del table
        # Each column is given back once it is converted: two tables would be in memory.
        frame = plain.to_pandas(split_blocks=True, self_destruct=True, types_mapper=NULLABLE.get)
    if frame.empty:
        raise DataContractError(f"{where}: the file has no rows; it must have rows")
    return frame


@contextmanager
def _refused(where: str) -> Iterator[None]:
    """Errors of the reader as one message; damaged files raise many kinds of them."""
    try:
        yield
    except (OSError, ValueError, OverflowError, KeyError, pa.ArrowException) as error:
        raise DataContractError(
            f"{where}: not a readable Parquet file ({shorten(str(error), 200)}); write it again"
        ) from None


def _header(file: pq.ParquetFile) -> list[str]:
    names = file.schema_arrow.names
    return [INDEX if name == UNNAMED_INDEX and INDEX not in names else name for name in names]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type of which pandas makes no Python objects."""
    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("ms"))
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    if pa.types.is_dictionary(kind) and not _is_text(kind.value_type):
        return _plain(column.cast(kind.value_type))
    return column


def write_small(table: pa.Table, path: Path) -> None:
    """Write a table as a file of few bytes: each column in the encoding that suits its values.

    Numbers that repeat, and texts, are positions in a dictionary. Other whole numbers and instants
    are differences, whose zeros compression removes; of other floats the first bytes lie together,
    then the second ones.
    """
    encodings: dict[str, str] = {}
    for name in table.column_names:
        kind = table[name].type
        if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
            encodings[name] = "DELTA_BINARY_PACKED"
        elif kind in (pa.float32(), pa.float64()) and _mostly_distinct(table[name]):
            encodings[name] = "BYTE_STREAM_SPLIT"
    repeated = [name for name in table.column_names if name not in encodings]
    pq.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        use_dictionary=cast(Any, repeated),
        column_encoding=encodings or None,
    )


def _mostly_distinct(values: pa.ChunkedArray) -> bool:
    """Whether a value comes four times or less on average."""
    return cast(Any, pc).count_distinct(values).as_py() * 4 > len(values)
