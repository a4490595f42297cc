"""Write the generated sections of docs/architecture.md: ``python -m tools.architecture``.

These are the DAG of the stages and the table of the stages that a change of each folder runs again.
A test compares them with dvc.yaml.
"""

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tools.import_closure import ROOT

PAGE = ROOT / "docs/architecture.md"
CODE = ("spline_lstm/", "stages/")


def stages() -> dict[str, dict[str, Any]]:
    """The stages of the root's dvc.yaml."""
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def _paths(stage: Mapping[str, Any], *kinds: str) -> set[str]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def edges(pipeline: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(stage, stage that reads one of its outputs), in the order of dvc.yaml."""
    outputs = {name: _paths(stage, "outs", "metrics", "plots") for name, stage in pipeline.items()}
    return [
        (name, reader)
        for name in pipeline
        for reader, stage in pipeline.items()
        if outputs[name] & _paths(stage, "deps")
    ]


def readers(pipeline: Mapping[str, Any], folder: str) -> list[str]:
    """Stages that depend on a folder of code, in the order of dvc.yaml."""
    return [name for name, stage in pipeline.items() if folder in _paths(stage, "deps")]


def followers(pipeline: Mapping[str, Any], first: list[str]) -> list[str]:
    """Stages that depend on outputs of `first`, directly or not, without `first` themselves."""
    after = set(first)
    for _ in pipeline:
        after |= {reader for name, reader in edges(pipeline) if name in after}
    return [name for name in pipeline if name in after and name not in first]


def dag(pipeline: Mapping[str, Any]) -> str:
    """All stages and who reads whose outputs, as a Mermaid drawing."""
    lines = [f"    {name} --> {reader}" for name, reader in edges(pipeline)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def table(pipeline: Mapping[str, Any]) -> str:
    """Folder -> stages that run again, and those after them."""
    folders = sorted(path.parent.name for path in (ROOT / "spline_lstm").glob("*/__init__.py"))
    rows = [
        "| a change in | runs again | and, if their outputs change |",
        "|---|---|---|",
    ]
    for folder in folders:
        first = readers(pipeline, f"spline_lstm/{folder}")
        after = ", ".join(followers(pipeline, first)) or "-"
        rows.append(f"| {folder}/ | {', '.join(first) or 'nothing'} | {after} |")
    return "\n".join(rows)


def with_generated(text: str) -> str:
    """The page with its generated parts taken from dvc.yaml."""
    pipeline = stages()
    for name, content in (("dag", dag(pipeline)), ("table", table(pipeline))):
        begin, end = f"<!-- {name}: python -m tools.architecture -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, new=f"{begin}\n{content}\n{end}": new, text)
    return text


if __name__ == "__main__":
    PAGE.write_text(with_generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
