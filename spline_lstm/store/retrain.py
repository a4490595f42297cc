"""Retrain a pipeline and promote the model if it is better than the promoted one beyond the noise.

Both models forecast the same windows of the newest data: those after the test split of either one
begins, which neither was trained or calibrated on. Errors of one origin are added up over series
and steps, in units of the promoted model's scaling, and the moving-block bootstrap of
`spline_lstm.experiments.bootstrap` gives the interval of the difference of the two RMSEs.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from spline_lstm.core.errors import SplineLstmError, StoreError
from spline_lstm.core.params import Params, load_params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.evaluation.blocks import Interval, block_length, draw_blocks
from spline_lstm.experiments.bootstrap import rmse_difference
from spline_lstm.store.files import Store
from spline_lstm.store.registry import RETIRED, Model, Registry
from spline_lstm.store.scorer import Scorer, check_dates, load_scorer
from spline_lstm.store.train import train
from spline_lstm.tables.sources import read_source


@dataclass(frozen=True)
class Comparison:
    """Two models on the same windows.

    Attributes
    ----------
    new, promoted : RMSE of each, in units of the promoted model's scaling
    interval : of `new` minus `promoted`
    origins : how many forecast origins
    since : the first of them, as text
    """

    new: float
    promoted: float
    interval: Interval
    origins: int
    since: str

    @property
    def is_better(self) -> bool:
        """Whether the new model is better by more than the noise of the windows."""
        return self.interval.high < 0.0

    def __str__(self) -> str:
        low, high = self.interval.low, self.interval.high
        return (
            f"RMSE {self.new:.4g} against {self.promoted:.4g} on {self.origins} origins from "
            f"{self.since} on, difference {self.interval.difference:+.2g} [{low:+.2g}, {high:+.2g}]"
        )


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
    source = read_source(params.data.source, pipeline.folder)
    scorers = [
        load_scorer(params, registry.folder(model), source, params.data.source)
        for model in (new, promoted)
    ]
    start = max(scorer.unseen_from for scorer in scorers)
    one, other = (scorer.errors(start) for scorer in scorers)
    return compare_errors(one, other, params, scorers[0])


def compare_errors(
    new: pd.DataFrame, promoted: pd.DataFrame, params: Params, scorer: Scorer
) -> Comparison:
    """Two tables of `Scorer.errors` on the windows that both have.

    Raises
    ------
    StoreError
        They have no window in common, or other numbers of labels in one: other horizons.
    """
    both = new.merge(promoted, left_index=True, right_index=True, suffixes=("_new", "_promoted"))
    both = both[both["count_new"] > 0]
    if both.empty or not both["count_new"].equals(both["count_promoted"]):
        raise StoreError(
            "the new model and the promoted one cannot be compared: they have no window with the "
            "same labels (another horizon, or other series); look at `registry show`, and promote "
            "the new one yourself"
        )
    scale = both["scale_promoted"] ** 2
    sums = pd.DataFrame(
        {
            "new": both["squared_new"] / scale,
            "promoted": both["squared_promoted"] / scale,
            "count": both["count_new"],
        }
    )
    sums = sums.groupby(level="ts", sort=True).sum()
    one, other, counts = (sums[name].to_numpy(np.float64) for name in sums)
    options = params.compare
    wanted = options.block or params.evaluate.season or scorer.clock.season
    blocks = draw_blocks(
        len(counts), block_length(len(counts), wanted), options.repetitions, options.bootstrap_seed
    )
    rmse = [float(np.sqrt(values.sum() / counts.sum())) for values in (one, other)]
    since = scorer.clock.text_of(int(sums.index[0]))
    interval = rmse_difference([one], [other], counts, blocks)
    return Comparison(rmse[0], rmse[1], interval, len(counts), since)


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
