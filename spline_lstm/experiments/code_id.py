"""Which code and params a comparison belongs to, as one content id to check later commits with."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from spline_lstm.core.artifacts import content_id, sha256_of_file
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.runs import CODE, STAGES, Run


def code_id(pipeline: TrackedPipeline) -> str:
    """Content id of the code, params and schema that decide the deterministic columns of the table.

    Without the params that the runs set themselves, and those of the command tune and the store.
    """
    params = load_params(pipeline.folder)
    content: dict[str, Any] = params.model_dump(mode="json", exclude={"tune", "store"})
    for key in Run("", "", 0).settings:
        section, name = key.split(".")
        del content[section][name]
    schema = sha256_of_file(pipeline.folder / params.data.schema_file)
    code = {path: content_id(*_hashes(pipeline.root / path)) for path in code_paths(pipeline)}
    return content_id(content, schema, code)


def code_paths(pipeline: TrackedPipeline) -> list[str]:
    """The files and folders of code that the stages of a comparison depend on in dvc.yaml."""
    text = (pipeline.folder / "dvc.yaml").read_text(encoding="utf-8")
    stages = YAML(typ="safe").load(text)["stages"]
    named = {path for stage in STAGES for path in stages[stage]["deps"] if path.startswith(CODE)}
    return sorted(named)


def _hashes(path: Path) -> list[str]:
    """Name and hash of a file, or of each file in a folder, without bytecode."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    kept = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return [text for file in kept for text in (file.name, sha256_of_file(file))]
