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
