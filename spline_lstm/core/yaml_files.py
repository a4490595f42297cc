"""YAML files of the project, changed without losing their comments and layout."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq


def round_trip_yaml() -> YAML:
    """Reads and writes the YAML files of the project with their comments, quotes and layout."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    # null is written as in the pattern, not as an empty value.
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def dump_yaml(yaml: YAML, content: CommentedMap | CommentedSeq) -> str:
    """Text of what `yaml` loaded and somebody changed."""
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def render_params(pattern: str, values: Mapping[str, Any]) -> str:
    """`pattern` (a params.yaml) with other values at some dotted keys; comments and order stay."""
    yaml = round_trip_yaml()
    content = yaml.load(pattern)
    for key, value in values.items():
        *sections, last = key.split(".")
        section = content
        for part in sections:
            section = section[part]
        section[last] = value
    return dump_yaml(yaml, content)


def with_values_of(text: str, other: str) -> str:
    r"""`text` with the keys and values of another YAML text, in its own layout, with its comments.

    For files that DVC has written: it leaves out ``null`` and writes each list over several lines.

    >>> with_values_of("a: null  # none\nb: [1, 2]\nc: 1\n", "a:\nb:\n- 3\nc: 1\n")
    'a: null  # none\nb: [3]\nc: 1\n'
    """
    yaml = round_trip_yaml()
    content = yaml.load(text)
    _take(content, YAML(typ="safe", pure=True).load(other))
    return dump_yaml(yaml, content)


def _take(content: CommentedMap, values: Mapping[str, Any]) -> None:
    """Make the keys and values of `content` those of `values`; what is equal is not touched."""
    for key in [key for key in content if key not in values]:
        del content[key]
    for key, value in values.items():
        present = content.get(key)
        if isinstance(present, CommentedMap) and isinstance(value, Mapping):
            _take(present, value)
        elif key not in content or not _is_same(present, value):
            content[key] = _in_one_line(value) if isinstance(value, list) else value


def _is_same(present: Any, value: Any) -> bool:
    # To Python true is 1, to params it is not.
    return present == value and isinstance(present, bool) == isinstance(value, bool)


def _in_one_line(items: list[Any]) -> CommentedSeq:
    sequence = CommentedSeq(items)
    sequence.fa.set_flow_style()
    return sequence
