"""Decimal and thousands marks: numbers of a declared form, and the form of undeclared ones."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from spline_lstm.core.table_format import TableFormat

DECIMALS = (".", ",")
# Point, comma, apostrophes, and blanks: plain, no-break and narrow no-break.
THOUSANDS = (None, ".", ",", "'", "\u2019", " ", "\u00a0", "\u202f")
DIGIT = re.compile(r"\d")


def number_pattern(decimal: str, thousands: str | None) -> str:
    """Regular expression of a whole cell with a number.

    Groups have three digits; in Indian numbers (12,34,567) those before the last have two.
    """
    point = re.escape(decimal)
    number = rf"\d+(?:{point}\d*)?|{point}\d+"
    if thousands is not None:
        mark = re.escape(thousands)
        number = rf"\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}(?:{point}\d*)?|{number}"
    return rf"[+-]?(?:{number})(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class Marks:
    """A pair of marks that reads some numbers.

    Attributes
    ----------
    decimal, thousands : one character each; None: no thousands mark
    """

    decimal: str
    thousands: str | None

    def value(self, text: str) -> float:
        """The number of a cell that has these marks."""
        plain = text.replace(self.thousands, "") if self.thousands else text
        return float(plain.replace(self.decimal, "."))

    def settings(self, declared: TableFormat) -> str:
        """What to change in the declared format.

        >>> Marks(",", ".").settings(TableFormat())
        'table_format.decimal to "," and table_format.thousands to "."'
        """
        changed = []
        if self.decimal != declared.decimal:
            changed.append(f'table_format.decimal to "{self.decimal}"')
        if self.thousands != declared.thousands and self.thousands is not None:
            changed.append(f'table_format.thousands to "{self.thousands}"')
        elif self.thousands != declared.thousands:
            changed.append("table_format.thousands to null")
        return " and ".join(changed)


def fitting_marks(texts: Sequence[str], declared: TableFormat) -> list[Marks]:
    """Marks that read all of the cells, the simplest first; each gives the cells other values.

    Cells without a digit, such as n/a, do not count. No marks fit if there are no others.
    """
    cells = [text for text in texts if DIGIT.search(text)]
    if not cells:
        return []
    fitting: dict[tuple[float, ...], Marks] = {}
    for thousands, decimal in itertools.product(THOUSANDS, DECIMALS):
        if decimal in (thousands, declared.separator):
            continue
        pattern = re.compile(number_pattern(decimal, thousands), re.ASCII)
        if all(pattern.fullmatch(cell) for cell in cells):
            marks = Marks(decimal, thousands)
            fitting.setdefault(tuple(marks.value(cell) for cell in cells), marks)
    return [marks for marks in fitting.values() if marks.settings(declared)]
