"""Two models on the same windows: the bootstrap interval of the difference of their RMSEs.

Errors of one origin are added up over series and steps, in units of the promoted model's scaling,
and the moving-block bootstrap of `spline_lstm.experiments.bootstrap` gives the interval.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import StoreError, TooLittleDataError
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import Schema
from spline_lstm.evaluation.blocks import Interval, block_length, draw_blocks
from spline_lstm.experiments.bootstrap import rmse_difference
from spline_lstm.store.scorer import load_scorer
from spline_lstm.tables.frames import named_columns
from spline_lstm.tables.partitions import write_partitions
from spline_lstm.windows.preprocessor import Preprocessor


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
            f"RMSE of scaled values {self.new:.4g} against {self.promoted:.4g} on "
            f"{self.origins} origins from {self.since} on, difference "
            f"{self.interval.difference:+.2g} [{low:+.2g}, {high:+.2g}]"
        )


def compare_errors(
    new: pd.DataFrame, promoted: pd.DataFrame, params: Params, clock: Clock
) -> Comparison:
    """Two tables of `Scorer.errors` on the windows that both have; errors as in `compare_sums`."""
    return compare_sums(sums_of(new, promoted), params, clock)


def sums_of(new: pd.DataFrame, promoted: pd.DataFrame) -> pd.DataFrame:
    """Sums over the series of each origin.

    Returns
    -------
    DataFrame
        Indexed by `ts`, in order; columns `new` and `promoted`, squared errors in units of the
        promoted model's scaling, and `count`, how many they are of.

    Raises
    ------
    StoreError
        A window of both has other numbers of labels in one: other horizons.
    """
    both = new.merge(promoted, left_index=True, right_index=True, suffixes=("_new", "_promoted"))
    both = both[both["count_new"] > 0]
    if not both["count_new"].equals(both["count_promoted"]):
        raise _not_comparable()
    scale = both["scale_promoted"] ** 2
    sums = pd.DataFrame(
        {
            "new": both["squared_new"] / scale,
            "promoted": both["squared_promoted"] / scale,
            "count": both["count_new"],
        }
    )
    return sums.groupby(level="ts", sort=True).sum()


def compare_sums(sums: pd.DataFrame, params: Params, clock: Clock) -> Comparison:
    """Two models by the sums of each origin; StoreError if there is none."""
    if sums.empty:
        raise _not_comparable()
    one, other, counts = (sums[name].to_numpy(np.float64) for name in sums)
    options = params.compare
    wanted = options.block or params.evaluate.season or clock.season
    blocks = draw_blocks(
        len(counts), block_length(len(counts), wanted), options.repetitions, options.bootstrap_seed
    )
    rmse = [float(np.sqrt(values.sum() / counts.sum())) for values in (one, other)]
    since = clock.text_of(int(sums.index[0]))
    interval = rmse_difference([one], [other], counts, blocks)
    return Comparison(rmse[0], rmse[1], interval, len(counts), since)


def _not_comparable() -> StoreError:
    return StoreError(
        "the new model and the promoted one cannot be compared: they have no window with the "
        "same labels (another horizon, or other series); look at `registry show`, and promote "
        "the new one yourself"
    )


@dataclass(frozen=True)
class Part:
    """A partition of the source, and the folders of both models; `params` of the pipeline."""

    table: Path
    models: tuple[Path, Path]
    params: Params


def compare_partitions(
    folder: Path, params: Params, models: tuple[Path, Path], cut: Path
) -> Comparison:
    """The new and the promoted model on the partitions of a source, each by a task.

    Parameters
    ----------
    folder, params : of the pipeline
    models : folders of the files of both
    cut : Path
        Folder for the partitions, which is removed at the end.

    Raises
    ------
    StoreError
        As `sums_of` and `compare_sums`.
    TooLittleDataError
        No partition has a window that both models leave unseen.
    SplineLstmError
        A partition cannot be read; the message starts with its name.
    """
    new, promoted = (Preprocessor.load(Pipeline(model).preprocessor) for model in models)
    schema = _with_columns_of(new.source_schema, promoted.source_schema)
    cut.mkdir(parents=True)
    try:
        rows = params.data.partition_rows or 1
        source = folder / params.data.source
        tables = write_partitions(source, cut, schema, rows)
        one, other = (model.resolve() for model in models)
        jobs = [Part(table.resolve(), (one, other), params) for table in tables]
        work = Work(_sums_of_part, jobs, [table.name for table in tables])
        return compare_sums(_added(run_all(work, params.run, "compare")), params, new.clock)
    finally:
        shutil.rmtree(cut, ignore_errors=True)


def _with_columns_of(schema: Schema, other: Schema) -> Schema:
    """A schema that also names the columns that only another one names."""
    known = named_columns(schema)
    dynamic, static = (
        tuple(each for each in covariates if each.name not in known)
        for covariates in (other.dynamic_covariates, other.static_covariates)
    )
    return schema.model_copy(
        update={
            "target_cols": (
                *schema.target_cols,
                *(name for name in other.target_cols if name not in known),
            ),
            "dynamic_covariates": schema.dynamic_covariates + dynamic,
            "static_covariates": schema.static_covariates + static,
        }
    )


def _sums_of_part(part: Part) -> pd.DataFrame | str:
    """`sums_of` a partition, or why it has no window that both models leave unseen."""
    content = part.table.read_bytes()
    scorers = [load_scorer(part.params, model, content, part.table.name) for model in part.models]
    start = max(scorer.unseen_from for scorer in scorers)
    try:
        new, promoted = (scorer.errors(start) for scorer in scorers)
    except TooLittleDataError as error:
        return str(error)
    return sums_of(new, promoted)


def _added(parts: Sequence[pd.DataFrame | str]) -> pd.DataFrame:
    """The sums of all partitions, in their order; TooLittleDataError if none has any."""
    known = [part for part in parts if not isinstance(part, str)]
    if not known:
        raise TooLittleDataError(f"no partition has a window to compare models on: {parts[0]}")
    return pd.concat(known).groupby(level="ts", sort=True).sum()
