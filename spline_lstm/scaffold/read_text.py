"""The text of an unknown file: separator, header and cells, all of them still text.

What cannot be decided ends with a UsageError that names the candidates and the option to give.
"""

import csv
import io
import itertools
import re
import warnings
from dataclasses import dataclass

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from spline_lstm.core.errors import UsageError, shorten

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LOOKED_AT = 200
FULL_SHARE = 0.9
# Common in data and rare in a header: a number, or a date.
DATUM = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
DOT_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
COMMA_NUMBER = DOT_NUMBER.replace(r"\.", ",")
THOUSANDS = r"[+-]?\d{1,3}(?:,\d{3})+"


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes
    ----------
    cells : columns of text without blanks around it, "" where the cell is empty
    separator, decimal : one character each
    """

    cells: pd.DataFrame
    separator: str
    decimal: str


def read_text_table(
    content: bytes, where: str, *, separator: str | None, decimal: str | None
) -> TextTable:
    """Split CSV text into cells.

    Parameters
    ----------
    content : bytes
        UTF-8, with or without byte order mark.
    where : str
        Name of the file in messages.
    separator, decimal : str or None
        What the user said; None: look.

    Raises
    ------
    UsageError
        The file is not UTF-8 text, not a table with a header, or its separator or decimal mark is
        ambiguous.
    """
    lines = _first_lines(_decoded(content, where))
    chosen = separator or _separator(lines, where)
    header = next(csv.reader(lines, delimiter=chosen))
    _check_header(header, where)
    cells = _split(content, chosen, where)
    return TextTable(cells, chosen, decimal or _decimal(cells, chosen, where))


def _decoded(content: bytes, where: str) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(
            f"{where} is UTF-16 text; the stages read UTF-8: iconv -f UTF-16 -t UTF-8 {where} > "
            "FILE"
        )
    if b"\0" in content:
        raise UsageError(f"{where} is binary; give a CSV or Parquet file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{where} line {line} is not UTF-8 text; convert it, such as "
            f"iconv -f WINDOWS-1252 -t UTF-8 {where} > FILE"
        ) from None


def _first_lines(text: str) -> list[str]:
    return [line for line in itertools.islice(io.StringIO(text), LOOKED_AT) if line.strip()]


def _separator(lines: list[str], where: str) -> str:
    if len(lines) < 2:
        raise UsageError(
            f"{where} has {len(lines)} line; a table needs a header and one row per timestamp"
        )
    found = [mark for mark in SEPARATORS if _fits(lines, mark)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{where}: the columns may be separated by "
            f"{' or '.join(SEPARATORS[mark] for mark in found)}; choose one with --separator"
        )
    counts = {mark: _widths(lines, mark) for mark in SEPARATORS}
    widths = max(counts.values(), key=lambda each: each[0] if each else 0)
    odd = next((row for row, width in enumerate(widths) if width != widths[0]), 0)
    if not widths or widths[0] < 2 or not odd:
        raise UsageError(
            f"{where}: no separator (comma, semicolon, tab or bar) in the header; write it as a "
            "CSV file"
        )
    raise UsageError(
        f"{where} line {odd + 1} has {widths[odd]} cells, line 1 has {widths[0]}; "
        "the first line must be the header, and each row needs as many cells"
    )


def _widths(lines: list[str], separator: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=separator)]
    except csv.Error:
        return []


def _fits(lines: list[str], separator: str) -> bool:
    """Whether there are columns, no row is longer than the header, and few are shorter."""
    widths = _widths(lines, separator)
    if not widths or widths[0] < 2:
        return False
    return max(widths) == widths[0] and widths.count(widths[0]) >= FULL_SHARE * len(widths)


def _check_header(header: list[str], where: str) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UsageError(
            f"{where}: column {twice[0]!r} appears twice in the header; rename one of them"
        )
    data = [name for name in header if DATUM.fullmatch(name.strip())]
    if 2 * len(data) >= len(header):
        raise UsageError(
            f"{where}: line 1 looks like data ({shorten(data[0])}), not like a header; add the "
            "names"
        )


def _split(content: bytes, separator: str, where: str) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                dtype="str",
                keep_default_na=False,
                index_col=False,
                encoding="utf-8-sig",
            )
    except (ParserError, ParserWarning, EmptyDataError, ValueError) as error:
        raise UsageError(
            f"{where}: not a CSV table ({error}); each row needs as many cells as the header"
        ) from None
    if frame.empty:
        raise UsageError(f"{where}: no rows below the header; a table needs one row per timestamp")
    return frame.apply(lambda column: column.fillna("").str.strip())


def _decimal(cells: pd.DataFrame, separator: str, where: str) -> str:
    dotted = [str(name) for name in cells if _is_written(cells[name], DOT_NUMBER, ".")]
    with_comma = {
        str(name): cells[name] for name in cells if _is_written(cells[name], COMMA_NUMBER, ",")
    }
    if not with_comma:
        return "."
    thousands = all(
        column[column.str.contains(",")].str.fullmatch(THOUSANDS).all()
        for column in with_comma.values()
    )
    if dotted or thousands or separator == ",":
        first = next(iter(with_comma))
        example = with_comma[first][with_comma[first].str.contains(",")].iloc[0]
        raise UsageError(
            f"{where}: the comma in column {first!r} ({example}) may be a decimal mark or separate "
            "thousands"
            + (f", while {dotted[0]!r} has a point" if dotted else "")
            + "; give --decimal , or --decimal . (columns with thousands separators are left out)"
        )
    return ","


def _is_written(column: pd.Series, pattern: str, mark: str) -> bool:
    """Whether nearly all cells are numbers of this form, and some contain the mark."""
    texts = column[column != ""]
    fits = texts.str.fullmatch(pattern)
    return (
        bool(len(texts))
        and fits.mean() >= FULL_SHARE
        and bool((fits & texts.str.contains(mark, regex=False)).any())
    )
