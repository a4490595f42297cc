"""metrics/run.json: which model was scored, from which code, with which params.

The commit is left out: a file cannot name the commit that contains it. `show` adds it.
"""

import json
from typing import Any

from spline_lstm.core.artifacts import content_id, read_json
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.section import flattened
from spline_lstm.core.stage_code import stage_code_id

# Sections that decide what a model is and how it scores.
SECTIONS = {"task", "data", "preprocess", "target", "window", "model", "train", "evaluate"}


def run_record(pipeline: Pipeline, params: Params) -> dict[str, Any]:
    """Content of metrics/run.json.

    The code id is the content id of the code of all stages from ingest to evaluate. The params are
    a list of ``key=value`` as ``dvc exp run -S`` takes them: of a mapping DVC would make a column
    for every key.

    Raises
    ------
    ArtifactError
        A file of an earlier stage is missing or damaged.
    """
    files = [pipeline.metrics("ingest"), pipeline.metrics("data"), pipeline.meta]
    earlier = [read_json(path).get("code_id") for path in files]
    trained = read_json(pipeline.metrics("train"))
    own = stage_code_id(pipeline.folder, "evaluate")
    snapshot = flattened(params.model_dump(mode="json", include=SECTIONS | {params.task}))
    return {
        "run_id": trained["run_id"],
        "code_id": content_id({"stages": [*earlier, trained.get("code_id"), own]}),
        "params": [f"{key}={setting(value)}" for key, value in snapshot.items()],
    }


def setting(value: Any) -> str:
    """The value of a param, as ``dvc exp run -S KEY=VALUE`` takes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
