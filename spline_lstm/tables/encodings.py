"""Bytes of a file to UTF-8 text: a byte order mark decides, then `table_format.encoding`."""

import codecs
import re

from spline_lstm.core.errors import DataContractError, shorten
from spline_lstm.core.table_format import TableFormat

# The mark of UTF-32 begins like that of UTF-16, so it comes first.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# First bytes of files that are tables, but not text.
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
# The encoding of old Windows programs in western Europe and America.
USUAL = "cp1252"


def utf8_text(content: bytes, table_format: TableFormat, where: str) -> bytes:
    """The text in UTF-8, with Unix line ends and without a byte order mark.

    Raises
    ------
    DataContractError
        The bytes are not text of the declared encoding; the message names the line, and an
        encoding that would fit.
    """
    if content.startswith(WORKBOOKS):
        raise DataContractError(
            f"{where}: the file is a spreadsheet workbook, not text; save the sheet as CSV UTF-8"
        )
    mark, encoding = next(
        (pair for pair in BYTE_ORDER_MARKS if content.startswith(pair[0])),
        (b"", table_format.encoding),
    )
    content = content[len(mark) :]
    if codecs.lookup(encoding).name == "utf-8":
        _check_utf8(content, where)
    else:
        content = _transcoded(content, encoding, where)
    if b"\0" in content:
        raise DataContractError(f"{where}: {_binary(content)}")
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def _check_utf8(content: bytes, where: str) -> None:
    if content.isascii():
        return
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise DataContractError(f"{where}: {_binary(content)}") from None
        before, byte = content[: error.start], content[error.start]
        line = len(before.splitlines() or [b""]) + (before[-1:] in (b"\n", b"\r"))
        around = _word_around(content, error.start)
        raise DataContractError(
            f"{where} row {line}: not UTF-8 text (byte 0x{byte:02X}; in {USUAL} the text is "
            f"{shorten(around)}); set table_format.encoding of the schema to the encoding of the "
            "file, or export it as UTF-8 CSV"
        ) from None


def _word_around(content: bytes, place: int) -> str:
    """The word with the byte at `place`, as the usual encoding reads it."""
    begin, end = max(0, place - 20), place + 20
    before = re.split(rb"[,;|\t\r\n\"]", content[begin:place])[-1]
    after = re.split(rb"[,;|\t\r\n\"]", content[place:end])[0]
    return (before + after).decode(USUAL, errors="replace")


def _transcoded(content: bytes, encoding: str, where: str) -> bytes:
    try:
        return content.decode(encoding).encode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, errors="replace").count("\n") + 1
        raise DataContractError(
            f"{where} row {line}: not {encoding} text ({error.reason}), as its byte order mark or "
            "table_format.encoding of the schema declares; declare the encoding that the file has"
        ) from None
    except ValueError as error:
        # Some codecs give characters that no text may have, or raise errors without a place.
        raise DataContractError(
            f"{where}: not {encoding} text ({shorten(str(error))}), as its byte order mark or "
            "table_format.encoding of the schema declares; declare the encoding that the file has"
        ) from None


def _binary(content: bytes) -> str:
    """Why bytes with zeros among them are not text."""
    even, odd = content[:2000:2].count(0), content[1:2000:2].count(0)
    half = len(content[:2000]) // 4
    if max(even, odd) > half > min(even, odd):
        name = "utf-16-be" if even > odd else "utf-16-le"
        return (
            f"the text has zeros between its bytes, as in UTF-16; set table_format.encoding of the "
            f"schema to {name}"
        )
    return "the file is binary, not CSV text; export it as UTF-8 CSV or as Parquet"
