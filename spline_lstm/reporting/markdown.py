"""A report as Markdown, with the pictures of plots/."""

from collections.abc import Sequence
from typing import Any

from spline_lstm.reporting.document import Block, Facts, Listed, Pictures, Report, Table, Text
from spline_lstm.reporting.formatting import number


def to_markdown(report: Report) -> str:
    """The whole report, with a final newline; the verdict and the cautions stand before everything else."""
    kind = "NOTE" if report.good else "WARNING"
    blocks = [
        f"# {report.title}",
        f"> [!{kind}]\n> **{_sentence(report.verdict)}**",
        _block(Facts(report.figures)),
        "## Beware",
        _block(Listed([*report.warnings, report.caveat])),
    ]
    for section in report.sections:
        blocks += [
            f"## {section.title}",
            *(text for block in section.blocks if (text := _block(block))),
        ]
    return "\n\n".join(blocks) + "\n"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return _cell(text)
        case Listed(items):
            return "\n".join(f"- {_cell(item)}" for item in items)
        case Facts(items):
            return "\n".join(f"- {_cell(label)}: {_cell(value)}" for label, value in items.items())
        case Table():
            return f"### {block.title}\n\n{_table(block)}"
        case Pictures():
            return "\n\n".join(f"![{caption}]({name})" for caption, name in block.files.items())


def _table(table: Table) -> str:
    """First column to the left, the others to the right."""
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    rows = [_row(row, strong=bool(table.strong) and row[0] == table.strong) for row in table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in (table.header, rule, *rows))


def _row(row: Sequence[Any], *, strong: bool) -> list[str]:
    first, *others = (_cell(value) for value in row)
    return [f"**{first}**" if strong else first, *others]


def _cell(value: Any) -> str:
    # A bar would end the cell of a table, and an angle bracket begin a tag.
    return number(value).replace("|", "\\|").replace("<", "&lt;")
