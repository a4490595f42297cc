"""CSV text by pyarrow, several times as fast as pandas, for tables without a doubtful cell.

Whatever is not plain (quotes, a cell that is not a number, a mark of two bytes) is left to pandas,
whose result the messages describe. On what both read they agree.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pv

from spline_lstm.core.table_format import TableFormat

TEXT, NUMBER = pa.dictionary(pa.int32(), pa.string()), pa.float64()


def arrow_frame(
    content: bytes, table_format: TableFormat, columns: Sequence[str], texts: Sequence[str]
) -> pd.DataFrame | None:
    """Some columns of CSV text; None if pandas must read it.

    Parameters
    ----------
    content : bytes
        UTF-8 with Unix line ends.
    table_format : TableFormat
    columns : names of the columns to read
    texts : those of them that stay text, as categories; the others are numbers
    """
    marks = (table_format.separator, table_format.decimal)
    plain = all(mark.isascii() for mark in marks) and table_format.thousands is None
    if not plain or b'"' in content or table_format.skip_lines or table_format.unit_row:
        return None
    kinds = {name: TEXT if name in texts else NUMBER for name in columns}
    try:
        table = pv.read_csv(
            pa.BufferReader(content),
            parse_options=pv.ParseOptions(delimiter=marks[0], quote_char=False),
            convert_options=pv.ConvertOptions(
                column_types=kinds,
                include_columns=list(columns),
                null_values=["", *table_format.missing_markers],
                strings_can_be_null=True,
                decimal_point=marks[1],
            ),
        )
    except (pa.ArrowException, KeyError):
        return None
    if not table.num_rows:
        return None
    missing = {name: table[name].null_count for name in columns if kinds[name] == NUMBER}
    frame = table.to_pandas(split_blocks=True, self_destruct=True)
    # Words for "no number" and "infinite" are numbers to pyarrow.
    if any((~np.isfinite(frame[name])).sum() > count for name, count in missing.items()):
        return None
    return frame
