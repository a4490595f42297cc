"""Which code and params a comparison belongs to, as one content id to check later commits with."""

from typing import Any

from ruamel.yaml import YAML

from spline_lstm.core.artifacts import content_id, sha256_of_file
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.core.stage_code import CODE, code_id_of
from spline_lstm.experiments.runs import STAGES, Run


def code_id(pipeline: TrackedPipeline) -> str:
    """Content id of the code, params and schema that decide the deterministic columns of the table.

    Without the params that the runs set themselves, and those of the command tune, of
    the store and of how tasks run.
    """
    params = load_params(pipeline.folder)
    content: dict[str, Any] = params.model_dump(mode="json", exclude={"tune", "store", "run"})
    for key in Run("", "", 0).settings:
        section, name = key.split(".")
        del content[section][name]
    schema = sha256_of_file(pipeline.folder / params.data.schema_file)
    return content_id(content, schema, code_id_of(pipeline.root, code_paths(pipeline)))


def code_paths(pipeline: TrackedPipeline) -> list[str]:
    """The files and folders of code that the stages of a comparison depend on in dvc.yaml."""
    text = (pipeline.folder / "dvc.yaml").read_text(encoding="utf-8")
    stages = YAML(typ="safe").load(text)["stages"]
    named = {path for stage in STAGES for path in stages[stage]["deps"] if path.startswith(CODE)}
    return sorted(named)
