"""The text of params.yaml: its content as JSON, and the errors of its model in words.

Files are read by YAML 1.2 rules (``1e-05`` is a number, ``no`` is a word), because
``dvc exp run -S`` writes numbers in that form.
"""

import datetime
import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.core.errors import ParamsError, shorten
from spline_lstm.core.section import Section, known_keys, subsection

Model = type[Section]
Missing = Sequence[tuple[str, FieldInfo]]

# Keys of older files -> what they are called now.
RENAMED = {
    "preprocess.data_mode": "preprocess.feature_mode",
    "preprocess.drift.spread_ratio": "preprocess.drift.std_ratio",
    "compare.modes": "compare.feature_modes",
    "backtest.executor": "run.executor",
    "backtest.workers": "run.workers",
}


@functools.lru_cache(maxsize=8)
def as_json(text: str, where: str) -> str:
    """The content of a YAML text as JSON; `where` names it in messages.

    The last texts are remembered: one process reads the same params.yaml several times.

    Raises
    ------
    ParamsError
        The text is not YAML, or contains more than plain keys and values.
    """
    directive = re.search(r"^%", text, flags=re.MULTILINE)
    if directive:
        line = text.count("\n", 0, directive.start()) + 1
        raise ParamsError(
            f"{where} line {line}: params follow YAML 1.2 without directives; remove the line"
        )
    try:
        return json.dumps(YAML(typ="safe", pure=True).load(text), default=_date_text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ParamsError(
            f"{where}{line}: not valid YAML ({getattr(error, 'problem', error)}); fix the line"
        ) from None
    # What YAML can say beyond plain keys, texts, numbers and lists: tags, recursive anchors, ...
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise ParamsError(
            f"{where}: contains more than plain keys and values ({error}); restore it from git"
        ) from None


def _date_text(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{value!r} is not a plain value")


def describe(error: pydantic.ValidationError, model: Model, missing: Missing = ()) -> str:
    """What is wrong, key by key: the value and the rule, or for an unknown key the nearest one."""
    unknown_first = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    # A key that may be of several types has an error for each of them.
    by_key: dict[str, list[Any]] = {}
    for item in unknown_first:
        by_key.setdefault(_key(item["loc"], model), []).append(item)
    texts = [_describe_key(key, items, model) for key, items in by_key.items()]
    # A renamed key is missing under its new name, too; one message is enough.
    renamed = {RENAMED.get(key) for key in by_key}
    missing = [(key, field) for key, field in missing if key not in renamed]
    return "; ".join([*texts, *([describe_missing(missing)] if missing else [])])


def _describe_key(key: str, items: list[Any], model: Model) -> str:
    item = items[0]
    if item["type"] == "extra_forbidden":
        return _describe_unknown(key, item["input"], model)
    rules = [item["msg"].removeprefix("Value error, ") for item in items]
    rule = ", or ".join(rule[0].lower() + rule[1:] for rule in rules)
    # A rule about several keys names them; the value would be a whole section.
    together = item["type"] == "value_error" and isinstance(item["input"], dict)
    if together:
        return f"{key}: {rule}" if item["loc"] else rule
    return f"{key} = {shorten(item['input'])}: {rule}"


def _describe_unknown(key: str, value: object, model: Model) -> str:
    if key in RENAMED:
        return f"{key}: this key is now called {RENAMED[key]}; rename it"
    known = known_keys(model)
    nearest = (difflib.get_close_matches(key, known, n=1, cutoff=0.0) or known)[0]
    return f"{key}: unknown key (value {shorten(value)}); did you mean {nearest}?"


def describe_missing(missing: Missing) -> str:
    """Which keys are missing and what to add."""
    return "; ".join(
        f"{key}: the key is missing; "
        + (
            "copy the section from the params.yaml of the repository"
            if subsection(field)
            else f"add `{key.rpartition('.')[2]}: {json.dumps(field.default)}`, its default"
        )
        for key, field in missing
    )


def check_name(key: str, name: str, allowed: Iterable[str]) -> None:
    """Raise ParamsError unless `name`, the value of `key`, is one of the `allowed` names."""
    names = [*allowed]
    if name in names:
        return
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise ParamsError(f"{key} = {shorten(name)}: must be one of {', '.join(names)}{hint}")


def check_known(keys: Mapping[str, Any], model: Model, where: str) -> None:
    """Raise ParamsError for dotted keys that `model` does not have as plain keys."""
    known = known_keys(model)
    sections = [f"{key}: a section; set its keys" for key in keys if _is_section(key, known)]
    unknown = [_describe_unknown(key, keys[key], model) for key in keys if key not in known]
    if sections or unknown:
        raise ParamsError(f"{where}: {'; '.join([*unknown, *sections])}")


def _key(location: tuple[int | str, ...], model: Model) -> str:
    """Dotted key; after a known one, only positions in a list, not pydantic's names of types."""
    known = known_keys(model)
    parts = [str(part) for part in location]
    for count in range(len(parts), 0, -1):
        key = ".".join(parts[:count])
        if key in known:
            indices = [str(part) for part in location[count:] if isinstance(part, int)]
            unknown = parts[count:] if len(location) == count + 1 and not indices else []
            return ".".join([key, *(indices or (unknown if _is_section(key, known) else []))])
    return ".".join(parts) or "the file"


def _is_section(key: str, known: Iterable[str]) -> bool:
    return any(other.startswith(f"{key}.") for other in known)
