"""Decimal and thousands marks of the numbers in a table of texts."""

import re
from dataclasses import replace

import pandas as pd

from spline_lstm.core.errors import UsageError
from spline_lstm.scaffold.table import FULL_SHARE, Marks

# 1.234,56 and 1.234.567, or 1,234.56 and 1,234,567, leave no doubt; nor do blanks between digits.
BOTH = {
    Marks(",", "."): re.compile(r"[+-]?\d{1,3}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})"),
    Marks(".", ","): re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})"),
}
BLANKS = (" ", "\u00a0", "\u202f", "'", "\N{RIGHT SINGLE QUOTATION MARK}")
SEPARATES = re.compile(r"[^\w+-]")
POINT, COMMA = Marks("."), Marks(",")
GROUPS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+")


def find_marks(cells: pd.DataFrame, separator: str, where: str, said: Marks) -> Marks:
    """The marks of all numbers.

    Parameters
    ----------
    cells : pd.DataFrame
        Texts.
    separator : str
        Between columns; a comma there is seldom one in numbers.
    where : str
        Name of the file in messages.
    said : Marks
        What the user said; it is not looked for.

    Raises
    ------
    UsageError
        A comma may be a decimal mark or separate thousands, or is to be both a decimal mark and the
        separator of columns.
    """
    if said.thousands is not None and not SEPARATES.fullmatch(said.thousands):
        raise UsageError(f"--thousands {said.thousands}: give one mark, such as . or , or a blank")
    if said.decimal is not None:
        if said.decimal == separator:
            raise UsageError(
                f"{where}: --decimal {said.decimal}: that separates the columns, so it "
                "cannot be in a number; leave the option out, or write the file with another "
                "separator"
            )
        return said
    if said.thousands is not None:
        other = {",": ".", ".": ","}.get(said.thousands)
        return replace(said, decimal=other or _decimal(cells, separator, where))
    for marks, pattern in BOTH.items():
        if any(_holds(cells[name], marks, pattern) for name in cells):
            return marks
    for blank in BLANKS:
        grouped = re.compile(rf"[+-]?\d{{1,3}}(?:{blank}\d{{3}})+(?:[.,]\d+)?")
        for decimal in (".", ","):
            marks = Marks(decimal, blank)
            if any(_holds(cells[name], marks, grouped) for name in cells):
                return replace(marks, decimal=_decimal_of_groups(cells, marks, separator, where))
    return Marks(_decimal(cells, separator, where))


def _holds(column: pd.Series, marks: Marks, pattern: re.Pattern[str]) -> bool:
    """True if nearly all cells are numbers with these marks, and some have the pattern."""
    texts = column[column != ""]
    return bool(
        len(texts)
        and texts.str.fullmatch(pattern).any()
        and texts.str.fullmatch(marks.number).mean() >= FULL_SHARE
    )


def _decimal_of_groups(cells: pd.DataFrame, marks: Marks, separator: str, where: str) -> str:
    """The decimal mark of a table whose numbers have blanks between thousands."""
    bare = cells.apply(lambda column: column.str.replace(marks.thousands, "", regex=False))
    return _decimal(bare, separator, where)


def _decimal(cells: pd.DataFrame, separator: str, where: str) -> str:
    dotted = [str(name) for name in cells if _has_mark(cells[name], POINT)]
    with_comma = {str(name): cells[name] for name in cells if _has_mark(cells[name], COMMA)}
    if not with_comma:
        return "."
    thousands = all(
        column[column.str.contains(",")].str.fullmatch(GROUPS).all()
        for column in with_comma.values()
    )
    if dotted or thousands or separator == ",":
        first = next(iter(with_comma))
        example = str(with_comma[first][with_comma[first].str.contains(",")].iloc[0])
        raise UsageError(_question(where, first, example, dotted, separator))
    return ","


def _question(where: str, column: str, example: str, dotted: list[str], separator: str) -> str:
    groups = (
        f"--thousands , (then it is {example.replace(',', '')})"
        if GROUPS.fullmatch(example)
        else "--decimal . (columns with a comma are then text)"
    )
    decimal = (
        "write the columns with another separator than the comma"
        if separator == ","
        else f"give --decimal , (then it is {example.replace(',', '.')})"
    )
    return (
        f"{where}: the comma in column {column!r} ({example}) may be a decimal mark or separate "
        "thousands"
        + (f", while {dotted[0]!r} has a point" if dotted else "")
        + f"; {decimal} or give {groups}"
    )


def _has_mark(column: pd.Series, marks: Marks) -> bool:
    """Whether nearly all cells are numbers with this decimal mark, and some contain it."""
    texts = column[column != ""]
    fits = texts.str.fullmatch(marks.number)
    mark = marks.decimal or "."
    return (
        bool(len(texts))
        and fits.mean() >= FULL_SHARE
        and bool((fits & texts.str.contains(mark, regex=False)).any())
    )
