import pytest

from spline_lstm.core.formatting import plural


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "warning", "0 warnings"),
        (1, "warning", "1 warning"),
        (2, "test window", "2 test windows"),
        (1, "series", "1 series"),
        (3, "series", "3 series"),
        (2, "entry", "2 entries"),
    ],
)
def test_one_thing_has_no_plural(count, noun, text):
    assert plural(count, noun) == text
