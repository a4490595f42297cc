"""Train a pipeline, ``dvc repro``, and register what came of it: a model, or a failure."""

import filecmp
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spline_lstm.core.artifacts import content_id, read_json, sha256_of_file
from spline_lstm.core.errors import SplineLstmError, StoreError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import Pipeline, TrackedPipeline
from spline_lstm.experiments.clone import environment
from spline_lstm.experiments.git import changed_paths, head
from spline_lstm.store.files import Store, copy_once, remove_strays
from spline_lstm.store.registry import FAILED, REGISTERED, Model, Registry
from spline_lstm.store.scorer import model_id_of
from spline_lstm.tables.raw_file import find_sample
from spline_lstm.tables.sources import read_source

# The one line of a stage that failed, by `core.errors.report`.
STAGE_ERROR = re.compile(r"\d+ [a-z ]+: .+")
# What a run writes beside the code and params that decided it.
WRITTEN = ("metrics/", "plots/", "dvc.lock")


def train(pipeline: TrackedPipeline) -> tuple[Model, bool]:
    """Run all stages and register the model; whether it is new.

    A run that gives a registered model again adds nothing.

    Raises
    ------
    StoreError
        The run failed; the registry has a row with the reason.
    ParamsError
        params.yaml is not valid, so that nothing was run.
    """
    params = load_params(pipeline.folder)
    store = Store.of(pipeline.folder, params.store)
    failure = run_stages(pipeline)
    if failure is None:
        try:
            return register(pipeline, params, store)
        except SplineLstmError as error:
            failure = str(error)
    row = _row(pipeline, params, "", FAILED, failure)
    Registry(store.registry).add(row)
    raise StoreError(
        f"the training of {pipeline.folder} failed ({failure}); the registry has it as "
        f"{row.model_id}"
    )


def run_stages(pipeline: TrackedPipeline) -> str | None:
    """``dvc repro`` of a pipeline, its messages on stderr; why it failed, None if it did not."""
    command = [sys.executable, "-m", "dvc", "repro", pipeline.inside("dvc.yaml")]
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=pipeline.root,
        env=environment(pipeline),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            sys.stderr.write(line)
            lines.append(line.strip())
    return None if process.returncode == 0 else reason_of(lines)


def reason_of(lines: list[str]) -> str:
    """The line that says why ``dvc repro`` failed: that of the stage, or the last one of DVC.

    >>> reason_of(["Running stage 'ingest'", "12 data contract: table.csv: empty", "ERROR: failed"])
    '12 data contract: table.csv: empty'
    """
    said = [line for line in lines if STAGE_ERROR.fullmatch(line)]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (said or errors or [line for line in lines if line] or ["dvc repro failed"])[-1]


def register(pipeline: TrackedPipeline, params: Params, store: Store) -> tuple[Model, bool]:
    """Copy the model of the workspace into the store and add its row; whether it is new.

    The model is loaded from the copy before it gets its row, so that a registered model can score.

    Raises
    ------
    ArtifactError
        A file of the model is missing or damaged.
    """
    remove_strays(store.models)
    # Of a panel in partitions the first one: that the model scores is all that is asked here.
    source = find_sample(pipeline).read_bytes
    model_id = model_id_of(params, pipeline.folder, source)
    folder = store.models / model_id
    copy_once(model_files(pipeline), folder)
    model_id_of(params, folder, source)
    registry = Registry(store.registry)
    path = folder.relative_to(store.registry.parent).as_posix()
    added = registry.add(_row(pipeline, params, path, REGISTERED, "", model_id))
    return registry.get(model_id), added


def model_files(pipeline: Pipeline) -> dict[str, Path]:
    """What a registered model keeps: params.yaml, the metrics, and everything in models/.

    All files of models/, not only those that score: they are small, and with them a model can be
    exported and examined again when the workspace has moved on.
    """
    files = [pipeline.params, pipeline.metrics("evaluate"), pipeline.metrics("train")]
    files += sorted((pipeline.folder / "models").rglob("*"))
    return {
        path.relative_to(pipeline.folder).as_posix(): path
        for path in files
        if path.is_file() and not path.name.startswith(".") and path.name != "README.md"
    }


def changed_files(pipeline: TrackedPipeline, model: Model) -> list[str]:
    """Files in models/ whose content is not that of the copy of a registered model.

    The run id is that of the trained model: other intervals, which params of the stage evaluate
    ask for, do not change it.
    """
    registry = Registry(Store.of(pipeline.folder, load_params(pipeline.folder).store).registry)
    folder = registry.folder(model)
    return [
        name
        for name, path in model_files(pipeline).items()
        if name.startswith("models/")
        and not ((folder / name).is_file() and filecmp.cmp(path, folder / name, shallow=False))
    ]


def _row(
    pipeline: TrackedPipeline,
    params: Params,
    path: str,
    status: str,
    reason: str,
    model_id: str = "",
) -> Model:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Model(
        model_id=model_id or f"failed-{content_id(now, params.task, reason)}",
        task_id=params.task,
        created_at=now,
        git_commit=_commit(pipeline),
        data_hash=_data_hash(pipeline, params),
        params_json=json.dumps(params.model_dump(mode="json")),
        metrics_json=json.dumps(_metrics(pipeline) if status == REGISTERED else {}),
        path=path,
        status=status,
        reason=reason,
    )


def _commit(pipeline: TrackedPipeline) -> str:
    changed = [
        path for path in changed_paths(pipeline.root) if not any(part in path for part in WRITTEN)
    ]
    return head(pipeline) + ("+changes" if changed else "")


def _data_hash(pipeline: TrackedPipeline, params: Params) -> str:
    """SHA-256 of the raw table; "" if it cannot be read."""
    if params.data.partition_rows is not None:
        path = pipeline.folder / params.data.source
        return sha256_of_file(path) if path.is_file() else ""
    try:
        content = read_source(params.data.source, pipeline.folder)
    except SplineLstmError:
        return ""
    return hashlib.sha256(content).hexdigest()


def _metrics(pipeline: TrackedPipeline) -> Mapping[str, Any]:
    """The numbers of metrics/evaluate.json, without its tables."""
    content = read_json(pipeline.metrics("evaluate"))
    return {key: value for key, value in content.items() if not isinstance(value, dict | list)}
