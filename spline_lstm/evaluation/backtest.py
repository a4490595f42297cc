"""Walk-forward backtest: the whole fit repeated along time, each time tested on what follows.

::

    expanding   |------ train ------|~~|- val -|~~|= test 1 =|
                |------------ train ------------|~~|- val -|~~|= test 2 =|
    rolling                |------ train ------|~~|- val -|~~|= test 2 =|
                                         ~~ embargo

A fold sees only its own rows: the table is cut at the end of the test split (and, if rolling, at
the start of the data), and every constant of preprocessing and every weight is fitted again, with
the same seed. See Tashman 2000, "Out-of-sample tests of forecasting accuracy: an analysis and
review", International Journal of Forecasting 16(4).
"""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params
from spline_lstm.core.schema import Schema
from spline_lstm.evaluation.adaptive import AdaptiveSums
from spline_lstm.evaluation.coverage import CoverageSums, coverage_content
from spline_lstm.evaluation.error_sums import ScoreSums, merge
from spline_lstm.evaluation.fold_data import FoldJob, FoldResult
from spline_lstm.evaluation.folds import Fold, fold_params, make_folds
from spline_lstm.evaluation.scores import RMSE_NAMES, deciding, finish, rmse_by_step
from spline_lstm.inference.intervals import Intervals
from spline_lstm.series.grid import Layout, lay_out
from spline_lstm.series.preprocess_partitions import Panel, layout_of_ends
from spline_lstm.series.splits import split_instants
from spline_lstm.tables.partitions import PartitionJob
from spline_lstm.tables.raw_table import RawTable, rows_of

# Rows of all folds up to which two processes would mostly import and trace (docs/performance.md).
SHORT = 2_000


def backtest(
    source: RawTable | Panel, schema: Schema, params: Params, cache: Path
) -> list[FoldResult]:
    """Run all folds of `params.backtest`, in order, by the engine of `params.run`.

    Parameters
    ----------
    source : RawTable or Panel
        The raw table, or its partitions, which a fold reads one at a time.
    schema, params
        As the stages take them.
    cache : Path
        Pipeline folder in which compiled programs are cached.

    Raises
    ------
    DataContractError, TooLittleDataError, DivergedError
        A fold cannot be preprocessed, has no window, or diverges; the message names it.
    """
    if isinstance(source, RawTable):
        jobs = fold_jobs(source, schema, params, cache)
        is_short = _rows_of(jobs) <= SHORT and not has_started_jax()
    else:
        jobs, is_short = panel_fold_jobs(source, schema, params, cache), False
    names = [f"backtest fold {job.number}" for job in jobs]
    work = Work(run_fold, jobs, names, is_fresh=not is_short, is_short=is_short)
    try:
        return run_all(work, params.run, "backtest")
    finally:
        if isinstance(source, Panel):
            shutil.rmtree(source.building, ignore_errors=True)


def _rows_of(jobs: Sequence[FoldJob]) -> int:
    return sum(len(job.source.timestamps) for job in jobs if isinstance(job.source, RawTable))


def has_started_jax() -> bool:
    """Whether this process has devices of JAX, which a fold sets up its own way."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()


@dataclass(frozen=True)
class BacktestSummary:
    """What the stage backtest writes.

    Attributes
    ----------
    content : content of metrics/backtest.json
    table : columns of plots/backtest.csv
    scores : `finish` of the test windows of all folds
    measure : key and name of the score of a fold that is shown
    """

    content: dict[str, Any]
    table: pd.DataFrame
    scores: dict[str, Any]
    measure: tuple[str, str]


def forecast_backtest(
    source: RawTable | Panel, schema: Schema, params: Params, cache: Path
) -> BacktestSummary:
    """Run and summarise all folds; arguments and errors as in `backtest`."""
    results, targets = backtest(source, schema, params, cache), schema.target_cols
    return BacktestSummary(
        backtest_content(results, params, targets),
        backtest_table(results),
        pooled_scores(results, targets),
        (deciding(len(targets) > 1), RMSE_NAMES[deciding(len(targets) > 1)]),
    )


def fold_scores(sums: ScoreSums, result: FoldResult, targets: Sequence[str]) -> dict[str, Any]:
    """`finish` of sums, in the units of a fold."""
    return finish(sums, targets=targets, scale=result.scale, training_std=result.training_std)


# Scores of one fold or of all: sums, fold, targets -> mapping.
ScoresOf = Callable[[ScoreSums, FoldResult, Sequence[str]], dict[str, Any]]


def fold_jobs(table: RawTable, schema: Schema, params: Params, cache: Path) -> list[FoldJob]:
    """The folds, each with only its own rows of the table; parameters as in `backtest`."""
    clock = bind(params.clock, table.timestamps)
    folds = _folds(lay_out(table, clock, params.preprocess.snap), clock, params)
    own = fold_params(params)
    return [
        FoldJob(
            fold,
            number,
            rows_of(table, _rows_in(table, fold)),
            schema,
            own,
            clock,
            table.series_names,
            cache,
        )
        for number, fold in enumerate(folds, start=1)
    ]


def panel_fold_jobs(panel: Panel, schema: Schema, params: Params, cache: Path) -> list[FoldJob]:
    """The same for partitions: each fold writes its arrays into a folder of its own."""
    clock = bind(params.clock, panel.ends.reshape(-1))
    ends = int(panel.ends[:, 0].min()), int(panel.ends[:, 1].max())
    folds = _folds(layout_of_ends(*ends, clock, params), clock, params)
    names = panel.run(series_names, panel.jobs, params, "series")
    series, own = tuple(name for part in names for name in part), fold_params(params)
    return [
        FoldJob(
            fold,
            number,
            replace(
                panel,
                jobs=[replace(job, span=(fold.start, fold.end)) for job in panel.jobs],
                building=panel.building / f"fold-{number}",
                where="its rows",
                is_here=True,
            ),
            schema,
            own,
            clock,
            series,
            cache,
        )
        for number, fold in enumerate(folds, start=1)
    ]


def series_names(job: PartitionJob) -> tuple[str, ...]:
    """Names of the series of a partition."""
    return job.read().series_names


def _folds(layout: Layout, clock: Clock, params: Params) -> list[Fold]:
    end = layout.end_row
    if params.preprocess.split.dates is not None:
        # Rows after the third date belong to none of the splits: no fold may see them either.
        ends = split_instants(layout, params.preprocess.split)[2:]
        end = min([end, *clock.first_rows(ends).tolist()])
    return make_folds(clock, layout.first_row, end, params.backtest)


def _rows_in(table: RawTable, fold: Fold) -> np.ndarray:
    return (table.timestamps >= fold.start) & (table.timestamps < fold.end)


def run_fold(job: FoldJob) -> FoldResult:
    """`fold_run.run_fold`: what it imports, JAX above all, the worker alone needs."""
    from spline_lstm.evaluation import fold_run  # noqa: PLC0415

    return fold_run.run_fold(job)


def backtest_content(
    results: Sequence[FoldResult],
    params: Params,
    targets: Sequence[str],
    scores_of: ScoresOf = fold_scores,
) -> dict[str, Any]:
    """Content of metrics/backtest.json: pooled over all test windows, and one record per fold."""
    coverage = reduce(add, (result.coverage for result in results))
    pooled = _numbers(pooled_scores(results, targets, scores_of), coverage, results[-1], targets)
    pooled |= _adaptive([result.adaptive for result in results], results[-1].intervals)
    folds = [
        {
            "fold": str(number),
            "train_start": result.clock.text_of(result.fold.start),
            "validation_start": result.clock.text_of(result.fold.validation),
            "test_start": result.clock.text_of(result.fold.test),
            "test_end": result.clock.text_of(result.fold.end),
            **{f"{split}_windows": count for split, count in result.windows.items()},
            "missing_inputs": result.missing_inputs,
            "best_step": result.best_step,
            "steps": result.steps,
            **_numbers(scores_of(result.sums, result, targets), result.coverage, result, targets),
            **_adaptive([result.adaptive], result.intervals),
        }
        for number, result in enumerate(results, start=1)
    ]
    return {
        "backtest_strategy": params.backtest.strategy,
        "backtest_folds": len(results),
        # Names of their own: DVC renames a number whose name appears in two files.
        **{f"backtest_{name}": value for name, value in pooled.items()},
        "backtest_missing_inputs": _missing_inputs(results),
        "backtest_folds_lost": sum(not fold["beats_baselines"] for fold in folds),
        "folds": folds,
    }


def _missing_inputs(results: Sequence[FoldResult]) -> float:
    """Mean share of missing rows in the lookbacks of the test windows of all folds."""
    counts = [result.windows["test"] for result in results]
    return float(np.average([result.missing_inputs for result in results], weights=counts))


def pooled_scores(
    results: Sequence[FoldResult], targets: Sequence[str], scores_of: ScoresOf = fold_scores
) -> dict[str, Any]:
    """Scores of the test windows of all folds; z-scores are those of the last, longest fit."""
    return scores_of(reduce(merge, (result.sums for result in results)), results[-1], targets)


def _numbers(
    scores: Mapping[str, Any], coverage: CoverageSums, result: FoldResult, targets: Sequence[str]
) -> dict[str, float | int | str | bool]:
    """The scores and the numbers of the intervals, without details."""
    content = {**scores, **coverage_content(coverage, result.intervals, targets)}
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, float | int | str | bool)
    }


def _adaptive(sums: Sequence[AdaptiveSums | None], intervals: Intervals) -> dict[str, float]:
    known = [each for each in sums if each is not None]
    return reduce(add, known).content(intervals.levels) if known else {}


def backtest_table(results: Sequence[FoldResult]) -> pd.DataFrame:
    """RMSE at each step of each fold: columns fold, step (from 1), and one per forecast."""
    tables = []
    for number, result in enumerate(results, start=1):
        table = pd.DataFrame(rmse_by_step(result.sums, result.training_std))
        table.insert(0, "fold", number)
        table.insert(1, "step", np.arange(1, len(table) + 1))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
