"""A document as one HTML file that needs nothing else: style and figures inside, no scripts."""

import re
from pathlib import Path

import jinja2
from markupsafe import Markup

from spline_lstm.core.formatting import number, sentence
from spline_lstm.reporting.document import Document, Picture
from spline_lstm.reporting.style import svg_element

TEMPLATE = Path(__file__).with_name("page.html.jinja")
# CSS pixels per point of a figure: between these its text, of 10 points, is readable.
SMALLEST, LARGEST = 0.8, 1.4
POINTS_PER_INCH = 72


def to_html(document: Document) -> str:
    """The whole document, with a final newline; every text is escaped."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = number
    environment.filters["sentence"] = sentence
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["svg"] = _svg
    environment.filters["widths"] = _widths
    environment.filters["anchor"] = anchor
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(document=document).rstrip() + "\n"


def _svg(picture: Picture) -> Markup:
    # `svg_element` and matplotlib escape the texts that they write.
    return Markup(svg_element(picture.figure, picture.name, picture.caption))  # noqa: S704


def _widths(picture: Picture) -> str:
    """CSS that keeps the text of a figure readable: a wide one scrolls on a narrow screen."""
    points = picture.figure.get_figwidth() * POINTS_PER_INCH
    return f"min-width: {points * SMALLEST:.0f}px; max-width: {points * LARGEST:.0f}px"


def anchor(title: str) -> str:
    """The id of a section.

    >>> anchor("Is the difference more than noise?")
    'is-the-difference-more-than-noise'
    """
    return "-".join(re.findall(r"\w+", title.lower()))
