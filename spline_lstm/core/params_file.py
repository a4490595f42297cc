"""The text of a complete params.yaml, rendered from the model: every key with its comment."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_errors import RENAMED, as_json
from spline_lstm.core.section import Section, flattened, key_comments, subsection
from spline_lstm.core.yaml_files import dump_yaml, round_trip_yaml

WIDTH = 100


def params_text(params: Params, pipeline: str = "") -> str:
    """The text of a params.yaml with the values of `params`.

    Parameters
    ----------
    params : Params
    pipeline : str
        Name of the folder below pipelines/, "" for the root: the head names its commands.
    """
    values = flattened(params.model_dump(mode="json"))
    lines = _section_lines(type(params), values, "", round_trip_yaml())
    return "\n".join([*_head(values, pipeline), *lines]) + "\n"


def upgraded(text: str, where: str) -> Params:
    """The params of a file of an earlier version: renamed keys are read, missing ones get defaults.

    Raises
    ------
    ParamsError
        The text is not YAML, or has a key that was never one, or a value breaks its rule.
    """
    content = json.loads(as_json(text, where))
    values = flattened(content if isinstance(content, dict) else {})
    values = {RENAMED.get(key, key): value for key, value in values.items()}
    return with_values(Params(), values, where)


def _head(values: Mapping[str, Any], pipeline: str) -> list[str]:
    folder = f" pipelines/{pipeline}" if pipeline else ""
    command = experiment_command(pipeline, example_setting(values))
    check = f"`python -m spline_lstm check{folder}`"
    run, what = f"# `{command}`", "runs the pipeline with another value."
    return [
        f"# Every setting that changes an output. {check} validates it;",
        *([f"{run} {what}"] if len(f"{run} {what}") <= WIDTH else [run, f"# {what}"]),
    ]


def experiment_command(pipeline: str, setting: str) -> str:
    """The command that runs a pipeline with another value, such as train.batch_size=64.

    Without file and folder DVC changes params.yaml of the root and runs the pipeline there.

    >>> experiment_command("shop", "train.seed=7")
    'dvc exp run pipelines/shop/dvc.yaml -S pipelines/shop/params.yaml:train.seed=7'
    >>> experiment_command("", "train.seed=7")
    'dvc exp run -S train.seed=7'
    """
    if not pipeline:
        return f"dvc exp run -S {setting}"
    folder = f"pipelines/{pipeline}"
    return f"dvc exp run {folder}/dvc.yaml -S {folder}/params.yaml:{setting}"


def example_setting(values: Mapping[str, Any]) -> str:
    """A setting to try in an experiment, which matters to the model of these params.

    >>> example_setting({"model.type": "linear", "window.lookback": 48})
    'window.lookback=24'
    """
    if values.get("model.type") != "linear":
        return "train.batch_size=64"
    half = values.get("window.lookback", Params().window.lookback) // 2
    return f"window.lookback={max(half, values.get('model.network_lookback') or 1)}"


def _section_lines(
    model: type[Section], values: Mapping[str, Any], prefix: str, yaml: YAML
) -> Iterator[str]:
    indent, comments = "  " * prefix.count("."), key_comments(model)
    for name, field in model.model_fields.items():
        inner = subsection(field)
        if inner is None:
            yield from [] if prefix else [""]
            yield from _comment(comments.get(name, ""), indent)
            yield indent + _entry(name, values[prefix + name], yaml)
            continue
        yield from [] if prefix else [""]
        yield from _section_head(name, inner, indent)
        yield from _section_lines(inner, values, f"{prefix}{name}.", yaml)


def _section_head(name: str, model: type[Section], indent: str) -> list[str]:
    comment = section_comment(model)
    line = f"{indent}{name}: # {comment}"
    return [line] if len(line) <= WIDTH else [*_comment(comment, indent), f"{indent}{name}:"]


def section_comment(model: type[Section]) -> str:
    """The docstring of a section as a comment.

    >>> section_comment(Params)
    'the whole of params.yaml'
    """
    text = " ".join((model.__doc__ or "").split()).removesuffix(".")
    return text[:1].lower() + text[1:]


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _entry(name: str, value: Any, yaml: YAML) -> str:
    if isinstance(value, list):
        value = CommentedSeq(value)
        value.fa.set_flow_style()
    return dump_yaml(yaml, CommentedMap({name: value})).rstrip("\n")
