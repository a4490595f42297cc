"""Line and bar charts as inline SVG, drawn by hand: small, sharp at any size, in the colours of the page.

Colours and dashes are CSS classes of the page (`report.html.jinja`), so that a chart follows its light or dark
scheme. The text of an SVG depends on the data alone.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44
# Up to this many points each one is marked.
MAX_MARKERS = 30
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Line:
    """A line through points; it breaks where a value is NaN.

    Attributes
    ----------
    name : as it stands in the legend
    style : CSS class: model, truth, history, or b0 to b5
    x, y : [points] float
    """

    name: str
    style: str
    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]


@dataclass(frozen=True)
class Band:
    """The area between two lines; `style` is outer or inner, else as `Line`."""

    name: str
    style: str
    x: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes
    ----------
    title : what a reader who does not see it is told
    x_label, y_label : names of the axes, with units
    lines, bands : drawn in this order, bands first
    bars : [bars] centres and heights of bars of equal width, or None
    include : values that the vertical axis must hold, such as 0
    whole : the horizontal axis counts in whole numbers
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    bands: Sequence[Band] = ()
    bars: tuple[np.ndarray, np.ndarray] | None = None
    include: Sequence[float] = field(default_factory=tuple)
    whole: bool = True

    @property
    def legend(self) -> list[tuple[str, str]]:
        """CSS class and name of everything drawn; empty where there is one line alone."""
        drawn = [(item.style, item.name) for item in (*self.bands, *self.lines)]
        return drawn if len(drawn) > 1 else []


def draw(chart: Chart) -> str:
    """The chart as an SVG element; a chart without any finite value has axes alone."""
    x_range, y_range = _x_range(chart), _y_range(chart)
    frame = _Frame(x_range, y_range)
    marks = [*_axes(chart, frame)]
    if chart.bars is not None:
        marks += _bars(*chart.bars, frame)
    marks += [_band(band, frame) for band in chart.bands]
    for line in chart.lines:
        marks += _line(line, frame)
    label = html.escape(chart.title, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(marks)}</svg>'


@dataclass(frozen=True)
class _Frame:
    """From data to places in the picture."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _x_range(chart: Chart) -> tuple[float, float]:
    values = [item.x for item in (*chart.lines, *chart.bands)]
    if chart.bars is not None:
        centres = chart.bars[0]
        half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
        values.append(np.array([*(centres - half), *(centres + half)]))
    low, high = _finite_range(values)
    room = 0.02 * (high - low) if chart.bars is None else 0.0
    return low - room, high + room


def _y_range(chart: Chart) -> tuple[float, float]:
    values = [line.y for line in chart.lines] + [
        part for band in chart.bands for part in (band.low, band.high)
    ]
    values.append(np.array(chart.include))
    if chart.bars is not None:
        values.append(chart.bars[1])
    low, high = _finite_range(values)
    room = 0.04 * (high - low)
    # What stands on zero stays there.
    return low if low == 0 else low - room, high + room


def _finite_range(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    values = (
        np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
        if parts
        else np.empty(0)
    )
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), low + 0.5 * (abs(low) or 1))


def ticks(low: float, high: float, most: int = 6, *, whole: bool = False) -> list[float]:
    """Round numbers from at or above `low` to at or below `high`.

    >>> ticks(0, 24)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(nice * power for nice in NICE if nice * power >= raw * (1 - 1e-9))
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)] or [low, high]


def _axes(chart: Chart, frame: _Frame) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    marks = []
    y_ticks = ticks(*frame.y_range)
    for value in y_ticks:
        y = frame.y(value)
        marks.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        marks.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(value, y_ticks)}</text>'
        )
    x_ticks = ticks(*frame.x_range, whole=chart.whole)
    for value in x_ticks:
        x = frame.x(value)
        marks.append(f'<path class="grid" d="M{x:.1f} {bottom}v4"/>')
        marks.append(
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{_tick(value, x_ticks)}</text>'
        )
    middle, height = (LEFT + right) // 2, (TOP + bottom) // 2
    across, up = html.escape(chart.x_label), html.escape(chart.y_label)
    return [
        *marks,
        f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>',
        f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>',
        f'<text class="label" transform="translate(13 {height}) rotate(-90)" text-anchor="middle">{up}</text>',
    ]


def _tick(value: float, all_ticks: Sequence[float]) -> str:
    step = all_ticks[1] - all_ticks[0] if len(all_ticks) > 1 else abs(value) or 1.0
    if abs(value) >= 1e9 or step < 1e-6:
        return f"{value:.4g}"
    digits = next((count for count in range(7) if math.isclose(round(step, count), step)), 7)
    return f"{value:.{digits}f}"


def _bars(centres: np.ndarray, heights: np.ndarray, frame: _Frame) -> list[str]:
    width = frame.x(centres[1]) - frame.x(centres[0]) if len(centres) > 1 else 40.0
    floor = frame.y(max(0.0, frame.y_range[0]))
    return [
        f'<rect class="bar" x="{frame.x(x) - width / 2:.1f}" y="{frame.y(y):.1f}" width="{max(width - 0.6, 0.4):.1f}" '
        f'height="{floor - frame.y(y):.1f}"/>'
        for x, y in zip(centres.tolist(), heights.tolist(), strict=True)
    ]


def _line(line: Line, frame: _Frame) -> list[str]:
    points = [
        (frame.x(x), frame.y(y)) if math.isfinite(y) else None
        for x, y in zip(line.x, line.y, strict=True)
    ]
    parts, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "L"
    marks = [f'<path class="line {line.style}" d="{"".join(parts)}"/>'] if parts else []
    if len(points) <= MAX_MARKERS:
        dots = "".join(
            f'<circle cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="2.4"/>' for p in points if p is not None
        )
        marks.append(f'<g class="dot {line.style}">{dots}</g>')
    return marks


def _band(band: Band, frame: _Frame) -> str:
    finite = np.isfinite(band.low) & np.isfinite(band.high)
    x, low, high = band.x[finite], band.low[finite], band.high[finite]
    there = [f"{frame.x(a):.1f} {frame.y(b):.1f}" for a, b in zip(x, high, strict=True)]
    back = [f"{frame.x(a):.1f} {frame.y(b):.1f}" for a, b in zip(x[::-1], low[::-1], strict=True)]
    return f'<path class="band {band.style}" d="M{"L".join(there + back)}Z"/>' if there else ""
