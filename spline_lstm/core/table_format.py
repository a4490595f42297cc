"""The covariate schema on the form of a file: its text, its layout, its timestamps."""

import codecs
from typing import Annotated, Any

import pandas as pd
import pydantic
from pydantic import Discriminator, Field, Tag

Name = Annotated[str, Field(min_length=1)]
Mark = Annotated[str, Field(min_length=1, max_length=1)]
INDEX = "index"
FORMS = ("ISO8601", "unix_s", "unix_ms", INDEX)


class Element(pydantic.BaseModel):
    """Frozen, strict, closed: the base of every element of the schema."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )


class TableFormat(Element):
    """How the text of a CSV file is to be read.

    Attributes
    ----------
    encoding : str
        ``utf-8``, ``cp1252``, ``utf-16-le``, ...: a text encoding of Python. A byte order mark in
        the file comes before it.
    separator, decimal : str
        One character each.
    thousands : str, optional
        The mark between groups of digits, such as the points in 1.234,56.
    skip_lines : int
        Lines before the header.
    unit_row : bool
        The row below the header names units; it is not data.
    missing_markers : tuple of str
        Texts that mean "no value", beside the empty cell.
    timestamp_format : str
        ``ISO8601``, a strftime pattern such as ``%d.%m.%Y %H:%M``, ``unix_s`` / ``unix_ms``, or
        ``index`` for whole numbers that only count. Of a timestamp composed of several columns, a
        pattern reads their cells with a blank between them.
    """

    encoding: Name = "utf-8"
    separator: Mark = ","
    decimal: Mark = "."
    thousands: Mark | None = None
    skip_lines: Annotated[int, Field(ge=0)] = 0
    unit_row: bool = False
    missing_markers: tuple[str, ...] = ()
    timestamp_format: Name = "ISO8601"

    @pydantic.field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, value: str) -> str:
        try:
            # Codecs that do not give text, such as zlib, raise as unknown ones do.
            if not isinstance(codecs.decode(b"", value), str):
                raise LookupError
        except (LookupError, ValueError, TypeError, OSError):
            raise ValueError(
                "not a text encoding of Python; write a name such as utf-8, cp1252 or utf-16"
            ) from None
        return value

    @pydantic.field_validator("timestamp_format")
    @classmethod
    def _format_is_known(cls, value: str) -> str:
        if value in FORMS:
            return value
        try:
            # The parser that will read the timestamps; a pattern without a directive reads none.
            pd.to_datetime(pd.Series(["2020"]), format=value, errors="coerce")
        except ValueError as error:
            raise ValueError(f"not a strftime pattern ({error})") from None
        if "%" not in value:
            raise ValueError(
                f"must be {', '.join(FORMS[:-1])}, index or a pattern such as %d.%m.%Y %H:%M"
            )
        return value

    @pydantic.model_validator(mode="after")
    def _marks_differ(self) -> "TableFormat":
        if self.separator == self.decimal:
            raise ValueError("separator and decimal must differ")
        # Cells in quotes may have the separator in them: "1,234".
        if self.thousands == self.decimal:
            raise ValueError("thousands and decimal must differ")
        if self.thousands is not None and (self.thousands.isalnum() or self.thousands in "+-"):
            raise ValueError("thousands must not be a digit, a letter or a sign")
        return self


class Wide(Element):
    """A table with a column for each series; reading turns it into one row per series and time.

    Attributes
    ----------
    columns : tuple of str
        The columns, one per series; a series is called like its column.
    value : str
        Name of the target that they contain; `target_cols` is this one name.
    series : str
        Name of the series key; `series_col` is this name.
    """

    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    value: Name
    series: Name


# Which kind of value `timestamp_col` has; these never are in a message.
TIMESTAMP_KINDS = ("timestamp in one column", "composed timestamp", "row number")


def _timestamp_kind(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return TIMESTAMP_KINDS[1]
    return TIMESTAMP_KINDS[2] if value is None else TIMESTAMP_KINDS[0]


# One column, several columns that are one timestamp together, or the number of the row.
TimestampColumn = Annotated[
    Annotated[Name, Tag(TIMESTAMP_KINDS[0])]
    | Annotated[tuple[Name, ...], Field(min_length=2), Tag(TIMESTAMP_KINDS[1])]
    | Annotated[None, Tag(TIMESTAMP_KINDS[2])],
    Discriminator(_timestamp_kind),
]
