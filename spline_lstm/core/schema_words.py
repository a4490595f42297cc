"""Words of the data-contract document (phase5.v1) and what the schema calls them.

A schema may be written in either form. Both become one model: a word of the document is read as the
word of the schema before it is checked, so that all other code knows one name for one thing.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

VERSIONS = {"phase5.v1": 1}
# A number of any width is read as float64 and fed to the model as float32.
DTYPES = {
    "float32": "float",
    "float64": "float",
    "int8": "int",
    "int16": "int",
    "int32": "int",
    "int64": "int",
    "bool": "boolean",
    "string": "categorical",
}
# Gaps beyond `preprocess.max_gap` remain, and windows in them are dropped, under either name.
TARGET_POLICIES = {"interpolate_then_drop_if_remaining": "interpolate"}


def read_as(words: Mapping[str, Any], either: Any) -> BeforeValidator:
    """A field that also takes the keys of `words`; `either` is the type that an editor offers.

    >>> import pydantic
    >>> from typing import Annotated, Literal
    >>> dtype = Annotated[Literal["int"], read_as({"int8": "int"}, Literal["int", "int8"])]
    >>> pydantic.TypeAdapter(dtype).validate_python("int8")
    'int'
    """
    return BeforeValidator(
        lambda value: words.get(value, value) if isinstance(value, str) else value,
        json_schema_input_type=either,
    )
