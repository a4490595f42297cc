"""The comparison as one page that needs neither a server nor a network: tables and picture stand inside it."""

import html
import re
from collections.abc import Mapping, Sequence

from jinja2 import Environment, StrictUndefined

from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.plots import svg_text
from spline_lstm.experiments.report import (
    LEFT,
    cell_rows,
    difference_line,
    difference_rows,
    how_to_read,
    run_rows,
    step_rows,
    verdict_lines,
)

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of {{ models }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #e8e8e8; text-align: right; white-space: nowrap; }
th.left, td.left { text-align: left; }
thead th { border-bottom: 2px solid #b0b0b0; }
tbody tr:hover { background: #f5f5f5; }
</style>
</head>
<body>
<h1>Comparison of {{ models }}</h1>
<p>{{ runs }} runs on one split of {{ windows }} test windows; experiments of commit <code>{{ commit }}</code>.</p>
<ul>{% for line in verdict %}
<li>{{ line }}</li>{% endfor %}
</ul>
<div class="wide">{{ picture }}</div>
{% for title, rows in tables.items() if rows %}
<h2>{{ title }}</h2>
{% if title in notes %}<p>{{ notes[title] }}</p>
{% endif %}<div class="wide"><table>
<thead><tr>{% for column in rows[0] %}<th{{ left(column) }}>{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}
<tr>{% for column, text in row.items() %}<td{{ left(column) }}>{{ text }}</td>{% endfor %}</tr>{% endfor %}
</tbody>
</table></div>
{% endfor %}
</body>
</html>
"""


def page_text(result: Comparison) -> str:
    """The page as HTML."""
    # Every text is escaped by `_escaped`; what is not escaped here is markup of our own.
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(TEMPLATE)  # noqa: S701
    differences = f"RMSE against {result.best}"
    tables = {
        "Runs": run_rows(result),
        "Mean [lowest, highest] over the seeds": cell_rows(result),
        differences: difference_rows(result),
        "RMSE by step ahead": step_rows(result),
    }
    return (
        template.render(
            models=html.escape(", ".join(result.params.compare.models)),
            runs=len(result.records),
            windows=result.windows,
            commit=result.commit[:10],
            verdict=[_bold(html.escape(line)) for line in verdict_lines(result)],
            picture=svg_text(result),
            tables={html.escape(title): _escaped(rows) for title, rows in tables.items()},
            notes={
                html.escape(title): html.escape(note)
                for title, note in (("Runs", how_to_read()), (differences, difference_line(result)))
            },
            left=lambda column: ' class="left"' if column in LEFT else "",
        )
        + "\n"
    )


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)


def _escaped(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [
        {html.escape(column): html.escape(text) for column, text in row.items()} for row in rows
    ]
