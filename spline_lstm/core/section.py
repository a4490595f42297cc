"""The base of the sections of params.yaml: closed models with a default and a comment per key.

The comment of a key is the string below it, the comment of a section is its docstring. Both go into
params.yaml (`spline_lstm.core.params_file`).
"""

import ast
import functools
import inspect
import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import pydantic
from pydantic import Field
from pydantic.fields import FieldInfo

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Percent = Annotated[float, Field(gt=0.0, lt=100.0)]
Count = Annotated[int, Field(ge=1)]
Rows = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
# A task or a type of model by name; `spline_lstm.tasks.parts` and `spline_lstm.models.types`
# tell which ones there are.
TypeName = Annotated[str, Field(pattern="^[a-z][a-z_]*$", max_length=40)]
# Of a type of model also `module:Class`, which names a network of the user's own.
OWN_CLASS = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
ModelName = Annotated[str, Field(pattern=f"^([a-z][a-z_]{{0,39}}|{OWN_CLASS})$", max_length=120)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(pydantic.BaseModel):
    """Frozen, strict, closed: the base of every section.

    Every stage imports all sections. So their validators are made when one is first used, and the
    comments are read where they are wanted: `use_attribute_docstrings` of Pydantic looks through
    all modules of the process for each of them.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )


@functools.cache
def key_comments(section: type[Section]) -> Mapping[str, str]:
    """The comment of each key that has one, from the source."""
    comments = {}
    for base in reversed(section.__mro__):
        if not issubclass(base, Section):
            continue
        (definition,) = ast.parse(inspect.getsource(base)).body
        for key, below in itertools.pairwise(ast.iter_child_nodes(definition)):
            match key, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    comments[name] = inspect.cleandoc(text)
    return MappingProxyType(comments)


def check_one_form(section: Section, first: str, second: str) -> None:
    """Raise ValueError unless exactly one of two keys that say the same has a value."""
    one, other = getattr(section, first), getattr(section, second)
    if one is not None and other is not None:
        raise ValueError(
            f"{first} {one} and {second} {other} exclude each other: keep one, set the other to "
            "null"
        )
    if one is None and other is None:
        raise ValueError(f"{first} and {second} are both null: set one of them")


def subsection(field: FieldInfo) -> type[Section] | None:
    """The model of a key that is a section; None for a plain key."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def known_keys(section: type[Section], prefix: str = "") -> list[str]:
    """Dotted names of all keys below `section`, sections among them, in order."""
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        inner = subsection(field)
        keys += known_keys(inner, f"{prefix}{name}.") if inner else []
    return keys


def missing_keys(
    content: Any, section: type[Section], prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Dotted names and fields of the keys that `content` lacks; for a missing section only its own.

    Defaults never fill in for a key that a file lacks: they are what a new file starts with.
    """
    if not isinstance(content, Mapping):
        return
    for name, field in section.model_fields.items():
        inner = subsection(field)
        if name not in content:
            yield prefix + name, field
        elif inner:
            yield from missing_keys(content[name], inner, f"{prefix}{name}.")


def flattened(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted key.

    >>> flattened({"train": {"seed": 7}, "window.stride": 2})
    {'train.seed': 7, 'window.stride': 2}
    """
    flat = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        flat |= flattened(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat
