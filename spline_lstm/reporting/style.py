"""The look of all figures, and their files: PNG and SVG whose bytes depend only on the data.

Figures are made without pyplot (no global state, no window system), from matplotlib's own defaults
rather than the user's settings. Colours are those of Okabe and Ito (2008), "Color Universal
Design", which colour-blind readers can tell apart.

A figure is drawn once and saved twice: as a PNG file for Markdown, and as an SVG element for a
page. In the SVG, colours are CSS variables of the page (`page.html.jinja`), so that a figure
follows its light or dark scheme.
"""

import contextlib
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from spline_lstm.core.artifacts import write_bytes

INK, GREY, LIGHT, EDGE, SHADE = "#222222", "#6e6e6e", "#e8e8e8", "#b0b0b0", "#f3f6f9"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, YELLOW, SKY = "#cc79a7", "#e69f00", "#56b4e9"
# Colour -> variable of the page.
CSS_COLOURS = {
    INK: "--ink",
    GREY: "--soft",
    LIGHT: "--rule",
    EDGE: "--edge",
    SHADE: "--panel",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PURPLE: "--purple",
    YELLOW: "--yellow",
    SKY: "--sky",
}
DASHES = ((4, 2), (1, 1.5), (6, 2, 1, 2), (2, 2), (8, 3))
# A line with at most this many points gets markers: more of them melt into a band.
MAX_MARKERS = 30
STYLE = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": EDGE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "grid.color": LIGHT,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    # Text stays text: no outlines of glyphs, which would be most of the bytes of an SVG.
    "svg.fonttype": "none",
}
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
TAG = re.compile(r"<[^>]+>")
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
COLOUR = re.compile(r"(?<=: )#[0-9a-f]{6}")


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Context (or decorator) in which figures are made and saved."""
    with matplotlib.style.context(["default", STYLE]):
        yield


@house_style()
def save_png(figure: Figure, path: Path) -> None:
    """Write a figure to a PNG file, atomically."""
    _lay_out(figure)
    content = io.BytesIO()
    # matplotlib writes its version into the file unless told not to: another version, other bytes.
    figure.savefig(content, format="png", metadata={"Software": None})
    write_bytes(path, content.getvalue())


@house_style()
def svg_element(figure: Figure, name: str, description: str) -> str:
    """A figure as an SVG element to put inside a page; equal figures give equal text.

    Parameters
    ----------
    figure : Figure
    name : str
        Unique on the page: ids inside the element are derived from it.
    description : str
        What the figure shows, for readers who do not see it.
    """
    _lay_out(figure)
    FigureCanvasSVG(figure)
    content = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(content, format="svg", transparent=True, metadata=NO_METADATA)
    text = TAG.sub(lambda tag: _shortened(tag.group()), content.getvalue())
    # A page has one <style>, and no XML header in its body.
    text = re.sub(r"^.*?(?=<svg )|\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.S)
    label = html.escape(description, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()


def _lay_out(figure: Figure) -> None:
    """Place what a figure consists of, once for both of its files.

    matplotlib would do so for each file, and draw all of it before, only to know its size.
    """
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def _shortened(tag: str) -> str:
    """A tag with two decimals (of a point), colours of the page, and no unused ids."""
    if tag.startswith("<svg "):
        return re.sub(r' (width|height|version|xmlns\S*?)="[^"]*"', "", tag)
    if tag.startswith("<g id="):
        return re.sub(r' id="[^"]*"', "", tag, count=1)
    tag = LONG_NUMBER.sub(lambda number: f"{float(number.group()):.2f}", tag)
    return COLOUR.sub(lambda colour: _css(colour.group()), tag)


def _css(colour: str) -> str:
    return f"var({CSS_COLOURS[colour]})" if colour in CSS_COLOURS else colour
