"""An unknown table: its columns, and what was found out about the text that they come from."""

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

FULL_SHARE = 0.9
# Common in data and rare in a header: a number, or a date.
DATUM = re.compile(
    r"[+-]?\d[\d.,'\u00a0\u202f]*([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4}.*)?"
)
# Texts that mean "no value" wherever they appear among numbers.
MARKERS = frozenset(
    {
        "na",
        "n/a",
        "#n/a",
        "#na",
        "n.a.",
        "nan",
        "-nan",
        "null",
        "nil",
        "none",
        "missing",
        "-",
        "--",
        "?",
        ".",
        "*",
    }
)


@dataclass(frozen=True)
class Marks:
    """Marks inside of numbers; None: not known, or (thousands) none."""

    decimal: str | None = None
    thousands: str | None = None

    @property
    def number(self) -> re.Pattern[str]:
        """Numbers with these marks."""
        point = re.escape(self.decimal or ".")
        whole = r"\d+"
        if self.thousands:
            whole = rf"(?:\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+|\d+)"
        return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")

    def plain(self, texts: pd.Series) -> pd.Series:
        """The texts with a point as the decimal mark, and no thousands marks."""
        if self.thousands:
            texts = texts.str.replace(self.thousands, "", regex=False)
        if self.decimal not in (None, "."):
            texts = texts.str.replace(self.decimal, ".", regex=False)
        return texts


@dataclass(frozen=True)
class TextLayout:
    """How the text of a CSV file is cut into cells, as in the schema's table_format."""

    separator: str
    encoding: str = "utf-8"
    skip_lines: int = 0
    unit_row: bool = False


@dataclass(frozen=True)
class Table:
    """The columns of an unknown file.

    Attributes
    ----------
    cells : texts without blanks around them and "" where empty; of a Parquet file the columns as
        they are stored
    marks : marks inside of numbers
    layout : how the text is cut into cells; None for Parquet
    """

    cells: pd.DataFrame
    marks: Marks
    layout: TextLayout | None

    @property
    def is_text(self) -> bool:
        """True for CSV, False for columns with types."""
        return self.layout is not None

    def line_of(self, row: int) -> int:
        """Line of the file in which a row starts, as far as no cell has line breaks."""
        if self.layout is None:
            # As in its CSV form.
            return row + 2
        return row + 2 + self.layout.skip_lines + self.layout.unit_row

    def place_of(self, row: int) -> str:
        """Where a row is, for messages: its line of a text, its row of a Parquet file."""
        return f"{'line' if self.is_text else 'row'} {self.line_of(row)}"

    def format_content(self) -> dict[str, Any]:
        """Content of the schema's table_format that differs from its defaults, and the marks."""
        if self.layout is None:
            return {}
        content: dict[str, Any] = {
            "separator": self.layout.separator,
            "decimal": self.marks.decimal or ".",
        }
        optional = {
            "thousands": self.marks.thousands,
            "encoding": None if self.layout.encoding == "utf-8" else self.layout.encoding,
            "skip_lines": self.layout.skip_lines,
            "unit_row": self.layout.unit_row,
        }
        return content | {key: value for key, value in optional.items() if value}
