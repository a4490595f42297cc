"""Whether the params of a stage were edited while it ran.

DVC writes the params that it finds *after* a stage into dvc.lock and into its run cache. With
others than the stage has read, the results of the old values would stand under the new ones.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from spline_lstm.core.errors import ParamsError

FILE = "params.yaml"


def refuse_edited(folder: Path, stage: str, before: str) -> None:
    """End the stage if one of its params has another value than at its start.

    Parameters
    ----------
    folder : Path
        Pipeline folder, with params.yaml and dvc.yaml.
    stage : str
        Name as in dvc.yaml, which lists the params of the stage. All count if it is not there.
    before : str
        Text of params.yaml when the stage began.

    Raises
    ------
    ParamsError
        With the first key that differs and both values.
    """
    path = folder / FILE
    after = path.read_text(encoding="utf-8") if path.is_file() else ""
    if after == before:
        return
    yaml = YAML(typ="safe", pure=True)
    advice = f"while {stage} ran, which used the former values; run dvc repro again"
    try:
        old, new = yaml.load(before), yaml.load(after)
    except YAMLError:
        raise ParamsError(f"{path} was edited, and is not YAML now, {advice}") from None
    for key in _keys(folder / "dvc.yaml", stage) or sorted({*(old or {}), *(new or {})}):
        was, now = _value(old, key), _value(new, key)
        if was != now:
            name, was, now = _first_difference(key, was, now)
            raise ParamsError(f"{path}: {name} was changed from {was!r} to {now!r} {advice}")


def _keys(dvc_yaml: Path, stage: str) -> list[str]:
    """Dotted keys of params.yaml that a stage depends on; none: the whole file."""
    if not dvc_yaml.is_file():
        return []
    stages = YAML(typ="safe", pure=True).load(dvc_yaml.read_text(encoding="utf-8"))["stages"]
    keys: list[str] = []
    for entry in stages.get(stage, {}).get("params", []):
        files: Mapping[str, list[str] | None] = (
            entry if isinstance(entry, dict) else {FILE: [entry]}
        )
        for file, listed in files.items():
            if Path(file).name == FILE:
                keys.extend(listed or [])
    return keys


def _value(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _first_difference(key: str, was: Any, now: Any) -> tuple[str, Any, Any]:
    """The dotted key inside a section at which two values differ, and the values there."""
    while isinstance(was, dict) and isinstance(now, dict):
        before, after = was, now
        part = next(part for part in [*was, *now] if before.get(part) != after.get(part))
        key, was, now = f"{key}.{part}", was.get(part), now.get(part)
    return key, was, now
