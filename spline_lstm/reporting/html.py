"""A report as one HTML file that needs nothing else: style and charts are in it, scripts there are none."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from spline_lstm.reporting.document import Report
from spline_lstm.reporting.formatting import number
from spline_lstm.reporting.svg import draw

TEMPLATE = Path(__file__).with_name("report.html.jinja")


def to_html(report: Report) -> str:
    """The whole report, with a final newline; every text is escaped."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = number
    environment.filters["kind"] = lambda block: type(block).__name__
    # Made by `charts`, which escapes what it writes.
    environment.filters["svg"] = lambda chart: Markup(draw(chart))  # noqa: S704
    environment.filters["anchor"] = lambda title: "-".join(title.lower().split())
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(report=report).rstrip() + "\n"
