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
from spline_lstm.core.schema import TableFormat


def plain_lines(content: bytes, where: str) -> bytes:
    """The text with Unix line ends and without a byte order mark.

    Raises
    ------
    DataContractError
        The bytes are not text.
    """
    if b"\0" in content:
        raise DataContractError(
            f"{where}: the file is binary, not CSV text; export it as UTF-8 CSV or as Parquet"
        )
    try:
        if not content.isascii():
            content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(content[: error.start].splitlines() or [b""]) + (
            content[: error.start][-1:] in (b"\n", b"\r")
        )
        raise DataContractError(
            f"{where} row {line}: not UTF-8 text; export the file as UTF-8 CSV"
        ) from None
    content = content.removeprefix(b"\xef\xbb\xbf")
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def read_header(content: bytes, table_format: TableFormat) -> list[str]:
    """Names in the first line that is not blank."""
    text = io.StringIO(next((line for line in io.BytesIO(content) if line.strip()), b"").decode())
    try:
        return next(csv.reader(text, delimiter=table_format.separator), [])
    except csv.Error:
        return []


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
        raise DataContractError(
            f"{where}: no rows below the header; the file must have one row per timestamp"
        )
    return frame
