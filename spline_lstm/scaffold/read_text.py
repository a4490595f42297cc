"""The text of an unknown file: encoding, header, separator, marks and cells, all still text.

What cannot be decided ends with a UsageError that names the candidates and the option to give.
"""

import csv
import io
import warnings

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from spline_lstm.core.errors import UsageError, shorten
from spline_lstm.core.formatting import plural
from spline_lstm.scaffold.number_marks import find_marks
from spline_lstm.scaffold.options import Options
from spline_lstm.scaffold.table import (
    DATUM,
    FULL_SHARE,
    MARKERS,
    Marks,
    Table,
    TextLayout,
)
from spline_lstm.tables.encodings import WORKBOOKS

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# Never found, because texts have blanks, too.
BLANK = " "
LOOKED_AT = 200
# Codecs of spreadsheets; one byte is one character, so that each of them reads any file.
ONE_BYTE = ("windows-1252", "cp850", "mac-roman")


def read_text_table(content: bytes, where: str, options: Options = Options()) -> Table:  # noqa: B008
    """Split CSV text into cells.

    Parameters
    ----------
    content : bytes
        The file.
    where : str
        Name of the file in messages.
    options : Options
        What they leave open is looked for.

    Raises
    ------
    UsageError
        The bytes are not text of a known encoding or not a table with a header, or the separator, a
        mark or the header is ambiguous.
    """
    skipped = options.skip_lines or 0
    if skipped < 0:
        raise UsageError(f"--skip-lines {skipped}: give 0 or more lines")
    encoding, text = _decoded(content, where, options.encoding)
    lines = text.splitlines(keepends=True)[skipped:]
    first = [line for line in lines[:LOOKED_AT] if line.strip()]
    if options.separator is not None:
        _check_separator(options.separator, first, where)
    separator = options.separator or _separator(lines[:LOOKED_AT], where, skipped)
    _check_header(first, separator, where, skipped)
    cells = _split(lines, separator, where, skipped)
    has_units = _has_unit_row(cells) if options.unit_row is None else options.unit_row
    cells = cells.iloc[1:].reset_index(drop=True) if has_units else cells
    if cells.empty:
        raise UsageError(f"{where}: no rows below the header; a table needs a header and rows")
    marks = find_marks(cells, separator, where, Marks(options.decimal, options.thousands))
    layout = TextLayout(separator, encoding, skipped, unit_row=has_units)
    return Table(cells, marks, layout)


def _decoded(content: bytes, where: str, encoding: str | None) -> tuple[str, str]:
    """Name of the encoding, and the text."""
    if encoding is not None:
        return encoding, _decode_as(content, where, encoding)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", _decode_as(content, where, "utf-16")
    if content.startswith(WORKBOOKS):
        raise UsageError(
            f"{where} is a spreadsheet workbook, not text; save the sheet as CSV UTF-8"
        )
    if b"\0" in content:
        raise UsageError(
            f"{where} is binary; give a CSV or Parquet file, or the encoding of its text with "
            "--encoding, such as utf-16-le"
        )
    try:
        return "utf-8", content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(_other_encodings(content, where, error.start)) from None


def _decode_as(content: bytes, where: str, encoding: str) -> str:
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except LookupError:
        raise UsageError(f"--encoding {encoding}: there is no encoding of this name") from None
    except (UnicodeDecodeError, ValueError):
        raise UsageError(f"{where} is not {encoding} text; give its --encoding") from None
    if "\0" in text:
        raise UsageError(f"{where} is binary; give a CSV or Parquet file, or another --encoding")
    return text


def _other_encodings(content: bytes, where: str, start: int) -> str:
    """The question which encoding a file has, with what each of them reads."""
    line = content[:start].count(b"\n") + 1
    begin = content.rfind(b"\n", 0, start) + 1
    end = content.find(b"\n", start)
    raw = content[max(begin, start - 12) : min(start + 12, end if end >= 0 else len(content))]
    read = {name: shorten(raw.decode(name).strip()) for name in ONE_BYTE if _is_readable(raw, name)}
    ways = " or ".join(f"--encoding {name} (reads {text})" for name, text in read.items())
    return f"{where} line {line} is not UTF-8 text; give {ways or '--encoding'}"


def _is_readable(raw: bytes, encoding: str) -> bool:
    try:
        return raw.decode(encoding).strip().isprintable()
    except UnicodeDecodeError:
        return False


def _separator(all_lines: list[str], where: str, skipped: int) -> str:
    lines = [line for line in all_lines if line.strip()]
    if len(lines) < 2:
        raise UsageError(
            f"{where} has {plural(len(lines), 'line')}; a table needs a header and rows"
        )
    found = [mark for mark in SEPARATORS if _fits(lines, mark)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{where}: the columns may be separated by "
            f"{' or '.join(SEPARATORS[mark] for mark in found)}; choose one with --separator"
        )
    if not any(mark in line for line in lines for mark in SEPARATORS):
        if _fits(lines, BLANK):
            raise UsageError(f"{where}: blanks may separate columns; say so with --separator ' '")
        # One column, without timestamps: the rows may be counted.
        return ","
    raise UsageError(f"{where}{_no_separator(all_lines, lines, skipped)}")


def _check_separator(separator: str, lines: list[str], where: str) -> None:
    """Refuse one that leaves all lines whole if another one splits them into equal columns."""
    if any(separator in line for line in lines):
        return
    for mark, name in SEPARATORS.items():
        if _fits(lines, mark):
            raise UsageError(
                f"{where} has no {SEPARATORS.get(separator, repr(separator))}, which --separator "
                f"names; its columns are separated by {name}: leave the option out"
            )


def _no_separator(all_lines: list[str], lines: list[str], skipped: int) -> str:
    """Why no separator fits: lines before the header, an odd row, or one column only."""
    for mark in SEPARATORS:
        if _fits(lines, mark, longest=None) and (odd := _longer_row(all_lines, mark, skipped)):
            return odd
    for mark in SEPARATORS:
        if _ends_with(lines, mark):
            return (
                f": each row ends with {mark!r}, but the header does not; add it to the header, or "
                "remove it from the rows"
            )
    for start in range(1, min(len(lines) - 2, LOOKED_AT // 2)):
        below = lines[start:]
        if any(_fits(below, mark) and not _is_data(below[0], mark) for mark in SEPARATORS):
            header = shorten(lines[start].strip())
            above = skipped + all_lines.index(lines[start])
            return (
                f" line {skipped + 1} ({shorten(lines[0].strip())}) is not like the rows below; if "
                f"{header} is the header, add --skip-lines {above}"
            )
    counts = {mark: _widths(lines, mark) for mark in SEPARATORS}
    widths = max(counts.values(), key=lambda each: each[0] if each else 0)
    odd = next((row for row, width in enumerate(widths) if width != widths[0]), 0)
    if not widths or widths[0] < 2 or not odd:
        return ": no separator (comma, semicolon, tab or bar) in the header; write it as a CSV file"
    return (
        f" line {skipped + odd + 1} has {plural(widths[odd], 'cell')}, line {skipped + 1} has "
        f"{widths[0]}; the first line must be the header, and each row needs as many cells"
    )


def _widths(lines: list[str], separator: str) -> list[int]:
    try:
        return [len(row) for row in csv.reader(lines, delimiter=separator)]
    except csv.Error:
        return []


def _fits(lines: list[str], separator: str, longest: int | None = 0) -> bool:
    """Whether there are columns and nearly all rows are as long as the header.

    No row may have more than `longest` cells beyond it; None: any number.
    """
    widths = _widths(lines, separator)
    if not widths or widths[0] < 2:
        return False
    is_short = longest is None or max(widths) <= widths[0] + longest
    return is_short and widths.count(widths[0]) >= FULL_SHARE * len(widths)


def _ends_with(lines: list[str], separator: str) -> bool:
    """Whether each row has an empty cell at its end for which the header has no name."""
    header, *widths = _widths(lines, separator) or [0]
    return (
        header > 0
        and set(widths) == {header + 1}
        # A tab may be the separator.
        and all(line.rstrip("\r\n ").endswith(separator) for line in lines[1:])
    )


def _is_data(line: str, separator: str) -> bool:
    """True if all cells of a line are numbers or dates, which no header has."""
    return all(DATUM.fullmatch(cell.strip()) for cell in line.strip().split(separator))


def _longer_row(lines: list[str], separator: str, skipped: int) -> str:
    """The first row that has more cells than the header, as part of a message; "" without one."""
    reader = csv.reader(lines, delimiter=separator)
    try:
        width = len(next(reader))
        before = reader.line_num
        for row in reader:
            if len(row) > width:
                return (
                    f" line {skipped + before + 1} has {len(row)} fields, the header has {width}; "
                    "each row needs as many as the header: put cells that contain the separator in "
                    "quotes, or fix the row"
                )
            before = reader.line_num
    except csv.Error:
        # Not a table with this separator, so no row is longer than others.
        return ""
    return ""


def _check_header(lines: list[str], separator: str, where: str, skipped: int) -> None:
    header, *rows = csv.reader(lines, delimiter=separator)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UsageError(
            f"{where}: column {twice[0]!r} appears twice in the header; rename one of them"
        )
    data = [
        name.strip()
        for name, *cells in zip(header, *rows[:9], strict=False)
        if all(not cell.strip() or DATUM.fullmatch(cell.strip()) for cell in cells)
    ]
    if data and all(DATUM.fullmatch(name) for name in data):
        raise UsageError(
            f"{where}: line {skipped + 1} looks like data ({shorten(data[0])}), not like a header; "
            "add the names"
        )


def _split(lines: list[str], separator: str, where: str, skipped: int) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ParserWarning)
            frame = pd.read_csv(
                io.StringIO("".join(lines)),
                sep=separator,
                dtype="str",
                keep_default_na=False,
                index_col=False,
            )
    except (ParserError, ParserWarning, EmptyDataError, ValueError) as error:
        odd = _longer_row(lines, separator, skipped)
        raise UsageError(
            f"{where}{odd}"
            if odd
            else f"{where}: not a CSV table ({error}); each row needs as many cells as the header"
        ) from None
    return frame.apply(lambda column: column.fillna("").str.strip())


def _has_unit_row(cells: pd.DataFrame) -> bool:
    """True if the first row has words where the rows below have numbers or dates."""
    if len(cells) < 3:
        return False
    first, below = cells.iloc[0], cells.iloc[1:LOOKED_AT]
    typed = [
        str(name)
        for name in cells
        if below[name].str.fullmatch(DATUM).sum() >= FULL_SHARE * max((below[name] != "").sum(), 1)
    ]
    words = [str(first[name]) for name in typed if first[name]]
    return bool(
        words
        and not any(DATUM.fullmatch(word) or word.lower() in MARKERS for word in words)
        # A single odd cell is a fault of that cell.
        and len(words) >= min(2, len(typed))
        and len(words) > len(typed) / 2
    )
