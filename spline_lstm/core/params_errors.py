"""The text of params.yaml: its content as JSON, and the errors of its model in words.

Files are read by YAML 1.2 rules (``1e-05`` is a number, ``no`` is a word), because
``dvc exp run -S`` writes numbers in that form.
"""

import datetime
import difflib
import json
import re
from typing import Any

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.core.errors import ParamsError, shorten

Model = type[pydantic.BaseModel]


def as_json(text: str, where: str) -> str:
    """The content of a YAML text as JSON; `where` names it in messages.

    Raises
    ------
    ParamsError
        The text is no YAML, or holds more than plain keys and values.
    """
    directive = re.search(r"^%", text, flags=re.MULTILINE)
    if directive:
        line = text.count("\n", 0, directive.start()) + 1
        raise ParamsError(
            f"{where} line {line}: params follow YAML 1.2 and use no directive; remove the line"
        )
    try:
        return json.dumps(YAML(typ="safe", pure=True).load(text), default=_date_text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ParamsError(
            f"{where}{line}: no valid YAML ({getattr(error, 'problem', error)}); mend the line"
        ) from None
    # What YAML can say beyond plain keys, texts, numbers and lists: tags, anchors that hold themselves, ...
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ParamsError(
            f"{where}: holds more than plain keys and values ({error}); restore it from git"
        ) from None


def _date_text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{value!r} is no plain value")


def describe(error: pydantic.ValidationError, model: Model) -> str:
    """What is wrong, key by key: the value and the rule, or for an unknown key the nearest one of `model`."""
    unknown_first = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    # A key that may be of several types has an error for each of them.
    by_key: dict[str, list[Any]] = {}
    for item in unknown_first:
        by_key.setdefault(_key(item["loc"], model), []).append(item)
    return "; ".join(_describe_key(key, items, model) for key, items in by_key.items())


def _describe_key(key: str, items: list[Any], model: Model) -> str:
    item = items[0]
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {shorten(item['input'])}); did you mean {_nearest_key(key, model)}?"
    if item["type"] == "missing":
        return f"{key}: the key is missing; add it (README.md and the comments of params.yaml say what it does)"
    rules = [item["msg"].removeprefix("Value error, ") for item in items]
    rule = ", or ".join(rule[0].lower() + rule[1:] for rule in rules)
    # A rule that keys keep together names them; the value would be a whole section.
    together = item["type"] == "value_error" and isinstance(item["input"], dict)
    if together:
        return f"{key}: {rule}" if item["loc"] else rule
    return f"{key} = {shorten(item['input'])}: {rule}"


def _key(location: tuple[int | str, ...], model: Model) -> str:
    """Dotted key; behind a known one, only positions in a list, not pydantic's names of types."""
    known = known_keys(model)
    parts = [str(part) for part in location]
    for count in range(len(parts), 0, -1):
        if ".".join(parts[:count]) in known:
            indices = [str(part) for part in location[count:] if isinstance(part, int)]
            unknown = parts[count:] if len(location) == count + 1 and not indices else []
            return ".".join(
                [
                    *parts[:count],
                    *(indices or (unknown if _is_section(parts[:count], known) else [])),
                ]
            )
    return ".".join(parts) or "the file"


def _is_section(parts: list[str], known: list[str]) -> bool:
    return any(key.startswith(".".join(parts) + ".") for key in known)


def _nearest_key(key: str, model: Model) -> str:
    known = known_keys(model)
    return (difflib.get_close_matches(key, known, n=1, cutoff=0.0) or known)[0]


def known_keys(section: Model, prefix: str = "") -> list[str]:
    """Dotted names of all keys below `section`."""
    keys = []
    for name, field in section.model_fields.items():
        inner = field.annotation
        keys.append(prefix + name)
        if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
            keys += known_keys(inner, f"{prefix}{name}.")
    return keys
