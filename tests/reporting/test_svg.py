import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spline_lstm.reporting.svg import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Band,
    Chart,
    Line,
    draw,
    ticks,
)

finite = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda value: round(value, 3))


def line(y, x=None):
    y = np.array(y, dtype=np.float64)
    return Line("model", "model", np.arange(float(len(y))) if x is None else x, y)


def places(svg):
    """Points of the line, as they lie in the picture."""
    path = re.search(r'<path class="line model" d="([^"]*)"', svg)
    return (
        []
        if path is None
        else [tuple(map(float, pair.split())) for pair in re.split("[ML]", path[1])[1:]]
    )


@given(low=finite, span=st.floats(1e-3, 1e6), most=st.integers(3, 10))
def test_ticks_are_even_and_inside_and_neither_few_nor_many(low, span, most):
    made = ticks(low, low + span, most)
    assert 2 <= len(made) <= most + 1
    assert low - 1e-6 * span - 1e-6 <= made[0]
    assert made[-1] <= low + span * (1 + 1e-6) + 1e-6
    np.testing.assert_allclose(np.diff(made), made[1] - made[0], rtol=1e-3, atol=1e-6)


@given(st.lists(st.one_of(finite, st.just(np.nan)), min_size=1, max_size=40))
def test_every_line_is_well_formed_and_inside_the_axes(values):
    svg = draw(Chart("t", "x", "y", lines=[line(values)]))
    ET.fromstring(svg)
    points = places(svg)
    assert len(points) == np.isfinite(values).sum()
    for x, y in points:
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1


def test_places_follow_the_values():
    points = places(draw(Chart("t", "x", "y", lines=[line([0.0, 5.0, 10.0])])))
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 == HEIGHT - BOTTOM


def test_a_line_breaks_where_a_value_is_missing():
    svg = draw(Chart("t", "x", "y", lines=[line([1.0, 2.0, np.nan, 3.0, 4.0])]))
    assert re.search(r'class="line model" d="M[^"M]+M[^"M]+"', svg)


def test_bars_stand_on_zero_and_touch_their_neighbours():
    svg = draw(
        Chart("t", "x", "y", bars=(np.array([1.0, 2.0]), np.array([2.0, 4.0])), include=(0.0,))
    )
    bars = [item.attrib for item in ET.fromstring(svg) if item.tag == "rect"]
    heights = [float(bar["height"]) for bar in bars]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert {float(bar["y"]) + float(bar["height"]) for bar in bars} == {HEIGHT - BOTTOM}


@pytest.mark.parametrize(
    "chart",
    [
        Chart("nothing", "x", "y"),
        Chart("unknown", "x", "y", lines=[line([np.nan, np.nan])]),
        Chart("no bars", "x", "y", bars=(np.empty(0), np.empty(0))),
        Chart(
            "infinite",
            "x",
            "y",
            bands=[Band("b", "outer", np.arange(2.0), np.full(2, -np.inf), np.full(2, np.inf))],
        ),
        Chart("one", "x", "y", lines=[line([3.0])], bars=(np.array([1.0]), np.array([1.0]))),
    ],
    ids=lambda chart: chart.title,
)
def test_what_cannot_be_drawn_leaves_the_axes(chart):
    assert "nan" not in draw(chart)
    assert "inf" not in draw(chart).replace("infinite", "")
    ET.fromstring(draw(chart))


def test_texts_are_escaped():
    ET.fromstring(draw(Chart('<a> & "b"', "<x>", "y & z", lines=[line([1.0, 2.0])])))
