"""YAML files that take the values of another one, and keep their own layout and comments."""

from spline_lstm.core.yaml_files import with_values_of

TEXT = """\
# All of it.
model:
  # Units of each layer.
  units: [64, 32]  # two
  # Absent here.
  extra: null

train:
  # Steps.
  steps: 1
"""


def test_what_is_equal_keeps_its_layout_to_the_byte():
    other = "train:\n  steps: 1\nmodel:\n  extra:\n  units:\n  - 64\n  - 32\n"
    assert with_values_of(TEXT, other) == TEXT


def test_other_values_take_the_place_of_those_there_and_comments_stay():
    other = "model:\n  units:\n  - 16\n  extra:\n  - a\n  new: 2\ntrain:\n  steps: true\n"
    assert with_values_of(TEXT, other).splitlines() == [
        "# All of it.",
        "model:",
        "  # Units of each layer.",
        "  units: [16]      # two",
        "  # Absent here.",
        "  extra: [a]",
        "",
        "  new: 2",
        "train:",
        "  # Steps.",
        "  steps: true",
    ]


def test_keys_that_the_other_text_lacks_are_left_out():
    assert with_values_of("a: 1\nb: 2\nc:\n  d: 3\n  e: 4\n", "c:\n  e: 4\na: 1\n") == (
        "a: 1\nc:\n  e: 4\n"
    )
