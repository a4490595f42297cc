"""Retrain a pipeline and promote the model if it is better than the promoted one beyond the noise.

Both models forecast the same windows of the newest data: those after the test split of either one
begins, which neither was trained or calibrated on. How they are compared is in
`spline_lstm.store.comparison`.
"""

import os
from datetime import UTC, datetime

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.store.comparison import Comparison, compare_errors, compare_partitions
from spline_lstm.store.files import Store, temporary_name
from spline_lstm.store.registry import RETIRED, Model, Registry
from spline_lstm.store.scorer import check_dates, load_scorer
from spline_lstm.store.train import train
from spline_lstm.tables.sources import read_source


def retrain(pipeline: TrackedPipeline) -> str:
    """Train, compare, promote or keep; returns the line that is also added to the log.

    The first model of a task is promoted without a comparison, a retired one never.

    Raises
    ------
    UsageError
        The data have no dates, so that nothing tells which rows are new.
    SplineLstmError
        Anything failed: the log has the reason, and the promoted model stays.
    """
    params = load_params(pipeline.folder)
    check_dates(params, "retrain")
    store = Store.of(pipeline.folder, params.store)
    try:
        line = _retrain(pipeline, store)
    except SplineLstmError as error:
        _log(store, f"{pipeline.folder.name}: failed: {error.exit_code} {error.title}: {error}")
        raise
    return _log(store, f"{pipeline.folder.name}: {line}")


def _retrain(pipeline: TrackedPipeline, store: Store) -> str:
    params = load_params(pipeline.folder)
    registry = Registry(store.registry)
    model, _ = train(pipeline)
    promoted = registry.promoted(model.task_id)
    if model.status == RETIRED:
        return f"promoted nothing: the training gave {model.model_id} again, which is retired"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if promoted is None:
        registry.promote(model.model_id, now)
        return f"promoted {model.model_id}, the first model"
    if promoted.model_id == model.model_id:
        return f"kept {model.model_id}: the training gave it again"
    comparison = compare(pipeline, params, registry, model, promoted)
    if not comparison.is_better:
        return f"kept {promoted.model_id}; {model.model_id} is not better: {comparison}"
    registry.promote(model.model_id, now)
    return f"promoted {model.model_id} instead of {promoted.model_id}: {comparison}"


def compare(
    pipeline: TrackedPipeline, params: Params, registry: Registry, new: Model, promoted: Model
) -> Comparison:
    """Two registered models on the newest data.

    Raises
    ------
    StoreError
        Their forecasts do not fit together, or there is no window that both leave unseen.
    """
    folders = registry.folder(new), registry.folder(promoted)
    if params.data.partition_rows is not None:
        cut = Store.of(pipeline.folder, params.store).models / temporary_name()
        return compare_partitions(pipeline.folder, params, folders, cut)
    source = read_source(params.data.source, pipeline.folder)
    scorers = [load_scorer(params, folder, source, params.data.source) for folder in folders]
    start = max(scorer.unseen_from for scorer in scorers)
    one, other = (scorer.errors(start) for scorer in scorers)
    return compare_errors(one, other, params, scorers[0].clock)


def _log(store: Store, line: str) -> str:
    """Add one line to the log in one write, and return it."""
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}"
    store.log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(store.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{text}\n".encode())
    finally:
        os.close(handle)
    return text
