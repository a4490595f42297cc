"""A document as Markdown, with the PNG files beside it."""

from collections.abc import Sequence
from typing import Any

from spline_lstm.core.formatting import number, sentence
from spline_lstm.reporting.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Picture,
    Table,
    Text,
)


def to_markdown(document: Document) -> str:
    """The whole document, with a final newline; verdict and warnings come first."""
    kind = "NOTE" if document.good else "WARNING"
    blocks = [
        f"# {document.title}",
        f"> [!{kind}]\n> **{_cell(sentence(document.verdict))}**",
        _block(Facts(document.key_numbers)),
        "## Beware",
        _block(Bullets([*document.warnings, document.caveat])),
    ]
    for section in document.sections:
        texts = (_block(block) for block in section.blocks)
        blocks += [f"## {section.title}", *(text for text in texts if text)]
    return "\n\n".join(blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return _cell(text)
        case Bullets(items):
            return "\n".join(f"- {_cell(item)}" for item in items)
        case Facts(items):
            return "\n".join(f"- {_cell(label)}: {_cell(value)}" for label, value in items.items())
        case Table():
            return f"### {block.title}\n\n{_table(block)}"
        case Picture():
            return f"![{_cell(block.caption)}]({block.name}.png)" if block.has_png else ""


def _table(table: Table) -> str:
    rule = ["---" if is_text else "---:" for is_text in table.is_text]
    rows = [_row(row, strong=bool(table.strong) and row[0] == table.strong) for row in table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table.header, rule, *rows))


def _row(row: Sequence[Any], *, strong: bool) -> list[str]:
    first, *others = (_cell(value) for value in row)
    return [f"**{first}**" if strong else first, *others]


def _cell(value: Any) -> str:
    # A bar would end the cell of a table, and an angle bracket would start a tag.
    return number(value).replace("|", "\\|").replace("<", "&lt;")
