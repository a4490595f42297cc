"""What a report is made of, whatever it is written as: sections of facts, tables, texts and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spline_lstm.reporting.svg import Chart


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Listed:
    """Sentences, one under the other."""

    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Labels with their values."""

    items: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row.

    Attributes
    ----------
    title : str
    header : names of the columns
    rows : cells, numbers as they were measured
    strong : name of the row to stand out
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    strong: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side.

    Attributes
    ----------
    charts : drawn on the page itself
    files : caption -> PNG file in plots/, where Markdown finds the same
    """

    charts: Sequence[Chart]
    files: Mapping[str, str] = field(default_factory=dict)


Block = Text | Listed | Facts | Table | Pictures


@dataclass(frozen=True)
class Section:
    """A part with a title; left out where it has no blocks."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes
    ----------
    title : str
    good : bool
        The model beats every baseline.
    verdict : str
        One sentence on that.
    warnings : sequence of str
        What was found to beware of.
    caveat : str
        What to beware of in every report.
    figures : mapping
        Label -> value of the few numbers to see first.
    sections : sequence of Section
    """

    title: str
    good: bool
    verdict: str
    warnings: Sequence[str]
    caveat: str
    figures: Mapping[str, Any]
    sections: Sequence[Section]
