"""Whether the arrays at hand are those of the params at hand: dvc.lock tells what `dvc repro` made them from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spline_lstm.core.errors import ArtifactError, shorten
from spline_lstm.experiments.code_id import CODE
from spline_lstm.experiments.git import Place, read_lock

# The stages whose outputs a search reads.
STAGES = ("preprocess", "window")


def check_fresh(place: Place) -> None:
    """Raise ArtifactError unless preprocess and window were run with these params, on these files."""
    remedy = f"run `dvc repro {'window' if place.folder == Path() else place.inside('dvc.yaml') + ':window'}`"
    path = place.path / "dvc.lock"
    stages = read_lock(path.read_bytes()).get("stages", {}) if path.is_file() else {}
    for stage in STAGES:
        if stage not in stages:
            raise ArtifactError(
                f"{path} holds no stage {stage}: what it makes is missing or of unknown origin; {remedy}"
            )
        for change in changes_of(place, stages[stage]):
            raise ArtifactError(f"{change} since stage {stage} was run; {remedy}")


def changes_of(place: Place, stage: dict[str, Any]) -> Iterator[str]:
    """What differs from a stage's entry in dvc.lock: params first, then data; code is left to `dvc repro`."""
    for file, values in stage.get("params", {}).items():
        present = YAML(typ="safe").load((place.root / file).read_text(encoding="utf-8"))
        for key, former in values.items():
            for name, old, new in differences(key, former, value_at(present, key)):
                yield f"{file}: {name} changed from {shorten(old)} to {shorten(new)}"
    for entry in [*stage.get("deps", ()), *stage.get("outs", ())]:
        if is_data(entry) and entry["md5"] != md5_of(place.root / entry["path"]):
            yield f"{entry['path']} changed or is missing"


def value_at(content: Any, key: str) -> Any:
    """The value of a dotted key; None where there is none."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def differences(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Dotted name, old and new value of everything in which two contents differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from differences(f"{name}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield name, old, new


def is_data(entry: dict[str, Any]) -> bool:
    """Whether an entry of dvc.lock is a file of data: no code, no metric or plot (people may draw them anew)."""
    path = Path(entry["path"])
    is_code = entry["path"].startswith(CODE)
    return not is_code and not {"metrics", "plots"} & set(path.parts) and "md5" in entry


def md5_of(path: Path) -> str | None:
    """MD5 of a file as DVC notes it; None where it is missing."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
