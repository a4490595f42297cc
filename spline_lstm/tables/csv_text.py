"""CSV text to a frame: every row as long as the header, and its line in the file."""

import csv
import io
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from spline_lstm.core.errors import DataContractError, shorten
from spline_lstm.core.table_format import TableFormat
from spline_lstm.tables.encodings import utf8_text

# Lines among which the header is looked for.
HEADER_LINES = 50


def plain_lines(content: bytes, table_format: TableFormat, where: str) -> bytes:
    """The lines of the table in UTF-8: the header, and the rows below it.

    Lines that are not part of the table (`table_format.skip_lines`, `unit_row`) are blank, so that
    all others keep their number.

    Raises
    ------
    DataContractError
        The bytes are not text of the declared encoding.
    """
    text = utf8_text(content, table_format, where)
    end = _end_of_lines(text, 0, table_format.skip_lines)
    text = b"\n" * text.count(b"\n", 0, end) + text[end:]
    if not table_format.unit_row:
        return text
    header = _end_of_lines(text, len(text) - len(text.lstrip()), 1)
    units = _end_of_lines(text, header, 1)
    return text[:header] + b"\n" * text.count(b"\n", header, units) + text[units:]


def _end_of_lines(text: bytes, start: int, count: int) -> int:
    """Where the `count` lines from `start` end; the end of the text if it has fewer."""
    for _ in range(count):
        start = text.find(b"\n", start) + 1
        if not start:
            return len(text)
    return start


def read_header(content: bytes, table_format: TableFormat) -> list[str]:
    """Names in the first line that is not blank."""
    text = io.StringIO(next((line for line in io.BytesIO(content) if line.strip()), b"").decode())
    try:
        return next(csv.reader(text, delimiter=table_format.separator), [])
    except csv.Error:
        return []


def header_line(content: bytes, table_format: TableFormat, needed: Sequence[str]) -> int | None:
    """Line of the file among the first ones whose cells have all of these names."""
    for number, line in zip(range(1, HEADER_LINES + 1), io.BytesIO(content), strict=False):
        if set(needed) <= set(read_header(line, table_format)):
            return number
    return None


def read_lines(
    content: bytes, table_format: TableFormat, columns: int, where: str
) -> Int[np.ndarray, " rows"]:
    """Line of the file on which each row below the header starts; blank lines do not count.

    Raises
    ------
    DataContractError
        A row has another number of cells than the header: a truncated file must not pass as one
        with missing values.
    """
    lines, cells = (_quoted_rows if b'"' in content else _plain_rows)(
        content, table_format.separator
    )
    wrong = np.flatnonzero(cells[1:] != columns) + 1
    if len(wrong):
        raise DataContractError(
            f"{where} row {lines[wrong[0]]}: not a CSV table ({cells[wrong[0]]} cells; "
            f"{len(wrong)} row(s) differ); each row needs as many cells as the header, {columns}"
        )
    return lines[1:]


def _plain_rows(content: bytes, separator: str) -> tuple[np.ndarray, np.ndarray]:
    """Lines that are not blank, and the number of cells in each."""
    text = np.frombuffer(content if content.endswith(b"\n") else content + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    if len(separator.encode()) > 1:
        return _quoted_rows(content, separator)
    cuts = np.flatnonzero(text == ord(separator))
    cells = np.searchsorted(cuts, ends) - np.searchsorted(cuts, starts) + 1
    filled = ends > starts
    for index in np.flatnonzero(filled & (cells == 1)):
        filled[index] = bool(content[starts[index] : ends[index]].strip())
    return np.flatnonzero(filled) + 1, cells[filled]


def _quoted_rows(content: bytes, separator: str) -> tuple[np.ndarray, np.ndarray]:
    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator)
    rows, before = [], 0
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append((before + 1, len(row)))
            before = reader.line_num
    except csv.Error:
        # A cell beyond the limit of the module: the parser says what is wrong with it.
        rows = rows or [(1, 0)]
    lines, cells = np.array(rows or [(1, 0)], dtype=np.int64).T
    return lines, cells


def parse_csv(
    content: bytes, table_format: TableFormat, where: str, texts: Sequence[str] = ()
) -> pd.DataFrame:
    """Parse CSV text; cells that are not numbers stay text, as do the columns `texts`."""
    try:
        with warnings.catch_warnings():
            # A row longer than the header would lose cells with only this warning.
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=table_format.separator,
                decimal=table_format.decimal,
                na_values=["", *table_format.missing_markers],
                keep_default_na=False,
                index_col=False,
                encoding="utf-8",
                low_memory=False,
                dtype=dict.fromkeys(texts, "str"),
            )
    except (ParserError, ParserWarning, EmptyDataError, ValueError, OverflowError) as error:
        raise DataContractError(
            f"{where}: not a CSV table ({shorten(str(error), 200)}); each row needs as many cells "
            "as the header"
        ) from None
    if frame.empty:
        raise DataContractError(f"{where}: no rows below the header; the file must have rows")
    return frame
