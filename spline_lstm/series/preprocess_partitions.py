"""Preprocessing of a panel in partitions: look at each, fit on all, apply to each.

Three passes over the partitions, each in parallel by `params.run`: sizes and ends of all series,
which decide the grid and the splits; summaries of the training split, from which the constants
follow; and the arrays, which each partition writes into its rows of the files in
data/processed/arrays. A worker has one partition in memory.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from spline_lstm.core.artifacts import replace_folder
from spline_lstm.core.clock import Clock
from spline_lstm.core.clock_inference import bind
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.apply import apply
from spline_lstm.series.features import check_names
from spline_lstm.series.grid import Layout, lay_out
from spline_lstm.series.panel import ShortSeries, short_series, too_short, without
from spline_lstm.series.partition_fit import (
    PartitionSummary,
    check_supported,
    combine,
    summarise,
)
from spline_lstm.series.preprocess import Preprocessed, check_clock
from spline_lstm.series.quality import ColumnQuality, check_size, check_targets, quality_report
from spline_lstm.series.snap import AUTO, HALF, INTERPOLATE, LARGEST_JITTER, jitter
from spline_lstm.series.splits import split_instants
from spline_lstm.series.table_facts import TableFacts
from spline_lstm.tables.partitions import Partition, PartitionJob, partition_jobs, read_index
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.array_files import load_folder
from spline_lstm.windows.array_writing import Place, Written, create, write_index, write_rows
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor


@dataclass(frozen=True)
class Job:
    """What every pass needs to read a partition.

    Attributes
    ----------
    raw : PartitionJob
    params : Params
    clock : Clock
        Bound to all partitions.
    dropped : names of series that are too short
    """

    raw: PartitionJob
    params: Params
    clock: Clock
    dropped: frozenset[str] = frozenset()

    def table(self) -> RawTable:
        """The series of the partition that are long enough."""
        return without(self.raw.read(), self.dropped)


@dataclass(frozen=True)
class Look:
    """What the first pass finds in a partition.

    Attributes
    ----------
    facts : of the series that are long enough; None if there is none
    grid_rows : of these series
    short : the other series
    on_rows : every timestamp is that of a row
    """

    facts: TableFacts | None
    grid_rows: int
    short: tuple[ShortSeries, ...]
    on_rows: bool


def look(job: Job) -> Look:
    """Sizes and ends of the series of a partition."""
    table, params = job.raw.read(), job.params
    snap, targets = params.preprocess.snap, job.raw.schema.target_cols
    short = short_series(table, job.clock, targets, snap=snap, needed=params.window.rows)
    on_rows = not job.clock.locate(table.timestamps)[1].any()
    if len(short) == len(table.series_names):
        return Look(None, 0, short, on_rows)
    kept = without(table, {each.name for each in short})
    rows = lay_out(kept, job.clock, snap).rows
    return Look(TableFacts.of(kept, job.clock), rows, short, on_rows)


def jitter_job(job: tuple[Job, int]) -> tuple[int, float]:
    """Timestamps of the training split, which ends before an instant, and their jitter."""
    each, end = job
    timestamps = each.raw.read().timestamps
    training = timestamps[timestamps < end]
    return len(training), jitter(training, each.clock)


def decided_snap(jobs: Sequence[Job], looks: Sequence[Look], end: int) -> Params:
    """The params with a snap that is not ``auto``, as `with_snap` decides on it."""
    params = jobs[0].params
    if params.preprocess.snap != AUTO:
        return params
    scatter = 0.0
    if not all(each.on_rows for each in looks):
        work = Work(jitter_job, [(job, end) for job in jobs], [job.raw.path.name for job in jobs])
        counts, jitters = zip(*run_all(work, params.run, "snap"), strict=True)
        squares = sum(count * each**2 for count, each in zip(counts, jitters, strict=True))
        scatter = (squares / max(sum(counts), 1)) ** 0.5
    snap = INTERPOLATE if scatter > LARGEST_JITTER else HALF
    changed = params.preprocess.model_copy(update={"snap": snap})
    return params.model_copy(update={"preprocess": changed})


def summarise_job(job: tuple[Job, Int[np.ndarray, " instants"]]) -> PartitionSummary:
    """Second pass, of all series: how long one goes on must not count in what is fitted."""
    each, instants = job
    options = TargetOptions.of(each.params)
    schema, params = each.raw.schema, each.params.preprocess
    return summarise(each.raw.read(), schema, params, each.clock, instants, options)


def apply_job(
    job: tuple[Job, Preprocessor, Place, Path],
) -> tuple[Written, dict[str, ColumnQuality]]:
    """Third pass: write the arrays of a partition; what is left, and what was found in it."""
    each, preprocessor, place, folder = job
    table = each.table()
    layout = lay_out(table, each.clock, preprocessor.params.snap)
    own = preprocessor.of_series(table.series_names)
    applied = apply(table, own, layout=layout, assess=True)
    return write_rows(folder, place, applied.arrays, own), dict(applied.columns)


@dataclass(frozen=True)
class PreprocessedPartitions:
    """What the stage preprocess writes of a panel in partitions.

    Attributes
    ----------
    building : folder with the arrays, which `write` moves to its place
    preprocessor : Preprocessor
    facts : of all partitions
    columns : column -> what was found in it
    short : series that are left out
    first : job of the first partition, which is drawn
    """

    building: Path
    preprocessor: Preprocessor
    facts: TableFacts
    columns: dict[str, ColumnQuality]
    short: tuple[ShortSeries, ...]
    first: Job

    @cached_property
    def arrays(self) -> AsOfArrays:
        """All arrays, mapped into memory; they stay so when `write` moves the files."""
        return load_folder(self.building)

    @cached_property
    def quality(self) -> dict[str, Any]:
        """Content of metrics/data.json."""
        return quality_report(self.facts, self.arrays, self.columns, self.preprocessor, self.short)

    def write(self, pipeline: Pipeline) -> Preprocessed:
        """Move the arrays to their place, write the constants; the first partition, to be drawn."""
        target = pipeline.array_folder
        pipeline.processed.unlink(missing_ok=True)
        replace_folder(self.building, target)
        self.preprocessor.save(pipeline.preprocessor)
        table = self.first.table()
        fitted = self.preprocessor.of_series(table.series_names)
        applied = apply(table, fitted, layout=lay_out(table, self.first.clock, fitted.params.snap))
        return Preprocessed(applied.arrays, fitted, self.quality, table)


def preprocess_partitions(folder: Path, params: Params) -> PreprocessedPartitions:
    """Preprocess the partitions of a pipeline folder.

    Raises
    ------
    ParamsError
        An option needs all values at once, see `check_supported`.
    DataContractError, SchemaError, TooLittleDataError
        As `spline_lstm.series.preprocess.preprocess`.
    """
    check_supported(params)
    pipeline = Pipeline(folder)
    where = str(pipeline.raw_folder)
    raw, index = partition_jobs(folder, params), read_index(pipeline.raw_folder)
    schema, options = raw[0].schema, TargetOptions.of(params)
    ends = np.array([[part.first, part.last] for part in index])
    clock = bind(params.clock, ends.reshape(-1))
    check_clock(clock, schema, params.preprocess)
    check_names(schema, params.preprocess, options)
    names = [part.file for part in index]
    jobs = [Job(each, params, clock) for each in raw]
    looks = run_all(Work(look, jobs, names), params.run, "look")
    found = [each.facts for each in looks if each.facts is not None]
    short = tuple(each for one in looks for each in one.short)
    count = sum(len(facts.names) for facts in found) + len(short)
    too_short(short, count, params.data.short_series, where)
    facts = TableFacts.of_all(found)
    rows = sum(each.grid_rows for each in looks)
    check_size(facts, rows, clock, params.preprocess, where)
    instants = split_instants(_span(facts, clock, params), params.preprocess.split)
    params = decided_snap(jobs, looks, int(instants[0]))
    jobs = [replace(job, params=params) for job in jobs]
    parts = run_all(
        Work(summarise_job, [(job, instants) for job in jobs], names), params.run, "fit"
    )
    fitted = combine(
        parts, schema, params.preprocess, clock, instants, Reading.of(params.data), options
    ).of_series(facts.names)
    fitted = replace(
        fitted,
        short_series=params.data.short_series,
        skipped={each.name: each.rows for each in short},
    ).identified()
    dropped = frozenset(each.name for each in short)
    places = _places(looks, index)
    kept = [replace(jobs[names.index(place.file)], dropped=dropped) for place in places]
    building = pipeline.array_folder.with_name(".tmp-arrays")
    shutil.rmtree(building, ignore_errors=True)
    try:
        create(building, rows, fitted)
        # Each job with the constants of its own series: all of them with every job would grow with
        # the square of the series.
        work = [
            (
                job,
                fitted.of_series(facts.names[place.first_series : place.end_series]),
                place,
                building,
            )
            for job, place in zip(kept, places, strict=True)
        ]
        files = [place.file for place in places]
        results = run_all(Work(apply_job, work, files), params.run, "apply")
        write_index(building, places, [written for written, _ in results], fitted.run_id)
        columns = _merged([found for _, found in results])
        result = PreprocessedPartitions(building, fitted, facts, columns, short, kept[0])
        check_targets(columns, fitted, where, result.quality)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return result


def _span(facts: TableFacts, clock: Clock, params: Params) -> Layout:
    """A layout from the first to the last row of all series."""
    ends = np.array([facts.first, facts.last], dtype=np.int64)
    table = RawTable(ends, np.zeros((2, 0)), (), np.array([0, 2], dtype=np.int64), ("",), 0, ())
    return lay_out(table, clock, params.preprocess.snap)


def _places(looks: Sequence[Look], parts: Sequence[Partition]) -> list[Place]:
    """Where the partitions with series that are long enough have their rows."""
    places, row, series = [], 0, 0
    for part, each in zip(parts, looks, strict=True):
        if each.facts is None:
            continue
        end, end_series = row + each.grid_rows, series + len(each.facts.names)
        places.append(Place(part.file, part.sha256, row, end, series, end_series))
        row, series = end, end_series
    return places


def _merged(parts: Sequence[dict[str, ColumnQuality]]) -> dict[str, ColumnQuality]:
    """Findings in the columns of all partitions."""
    return {name: ColumnQuality.of_all([part[name] for part in parts]) for name in parts[0]}
