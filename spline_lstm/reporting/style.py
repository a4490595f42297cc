"""The look of all pictures, and PNG files whose bytes depend on the data alone.

Figures are made without pyplot (no global state, no window system), from matplotlib's own defaults
rather than from the user's settings, and are written without the version timestamp. Colours are those
of Okabe and Ito (2008), "Color Universal Design", told apart by colour-blind readers.
"""

import contextlib
import io
from pathlib import Path

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spline_lstm.core.artifacts import write_bytes

INK, GREY, LIGHT = "#222222", "#6e6e6e", "#e8e8e8"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
DASHES = ((4, 2), (1, 1.5), (6, 2, 1, 2), (2, 2), (8, 3))
STYLE = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b0b0b0",
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
}


def house_style() -> contextlib.AbstractContextManager[None]:
    """Context in which figures are made and saved: matplotlib's defaults and the style of the house."""
    return matplotlib.style.context(["default", STYLE])


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure to a PNG file, atomically."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    # matplotlib writes its version into the file unless told not to: another version, other bytes.
    figure.savefig(content, format="png", metadata={"Software": None})
    write_bytes(path, content.getvalue())
