"""The blocks that every report is built from, whatever it is rendered as."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other."""

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
    rows : cells: numbers as they were measured, texts, or None for what does not exist
    strong : name of the row to highlight
    text_columns : columns aligned to the left, as the first one is
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    strong: str = ""
    text_columns: Sequence[str] = ()

    @property
    def is_text(self) -> list[bool]:
        """For each column, whether it is aligned to the left."""
        return [index == 0 or name in self.text_columns for index, name in enumerate(self.header)]


@dataclass(frozen=True)
class Picture:
    """A figure and what it shows.

    Attributes
    ----------
    caption : what a reader who does not see the figure is told
    figure : drawn on the page
    name : unique in the document; name of its PNG file, without suffix
    has_png : whether there is a PNG file, which Markdown shows
    is_drawn : whether another stage has drawn the PNG file already
    """

    caption: str
    figure: Figure
    name: str
    has_png: bool = True
    is_drawn: bool = False


Block = Text | Bullets | Facts | Table | Picture


@dataclass(frozen=True)
class Section:
    """Blocks under a title; left out of the document if there are none."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes
    ----------
    title : str
    good : bool
        Whether the verdict is good news.
    verdict : str
        One sentence, read first.
    warnings : sequence of str
        What was found that speaks against trusting the results.
    caveat : str
        What to keep in mind in every report.
    key_numbers : mapping
        Label -> value of the few numbers to see first.
    sections : sequence of Section
    """

    title: str
    good: bool
    verdict: str
    warnings: Sequence[str]
    caveat: str
    key_numbers: Mapping[str, Any]
    sections: Sequence[Section]

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, Picture)]
