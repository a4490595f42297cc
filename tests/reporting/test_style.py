import re
import xml.etree.ElementTree as ET

import pytest
from matplotlib.figure import Figure

from spline_lstm.reporting.style import BLUE, INK, house_style, svg_element


@house_style()
def figure(title="", colour=BLUE):
    made = Figure(figsize=(4.0, 3.0))
    axis = made.subplots()
    axis.plot([1.0, 2.0], marker="o", color=colour)
    axis.set_title(title)
    return made


def test_texts_are_text_and_escaped():
    svg = svg_element(figure('a < b & "c" 1.23456'), "name", 'less than "x" & <y>')
    assert '>a &lt; b &amp; "c" 1.23456</text>' in svg
    assert svg.startswith(
        '<svg role="img" aria-label="less than &quot;x&quot; &amp; &lt;y&gt;" viewBox='
    )


def test_colours_of_the_house_are_variables_of_the_page_and_others_stay():
    svg = svg_element(figure(), "name", "what")
    assert "stroke: var(--blue)" in svg
    assert BLUE not in svg
    assert INK not in svg
    assert "stroke: #123456" in svg_element(figure(colour="#123456"), "name", "what")


@pytest.mark.parametrize("attribute", ["id", "width", "height"])
def test_nothing_is_left_that_clashes_inside_a_page(attribute):
    root = svg_element(figure(), "name", "what").split(">", 1)[0]
    assert f" {attribute}=" not in root


def test_ids_are_unique_on_a_page_and_each_one_is_used():
    first, second = (svg_element(figure(), name, "what") for name in ("first", "second"))
    ids = [set(re.findall(r' id="([^"]*)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r'"(?:url\()?#([^")]*)\)?"', first))
    assert used == ids[0]


def test_coordinates_have_at_most_two_decimals():
    svg = svg_element(figure(), "name", "what")
    assert not re.findall(r"<[^>]*\d\.\d{3}[^>]*>", svg)
    ET.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1))
