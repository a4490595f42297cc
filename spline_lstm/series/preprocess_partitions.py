"""Preprocessing of a panel in partitions: look at each, fit on all, apply to each.

Three passes over the partitions, each in parallel by `params.run`: sizes and ends of all series,
which decide the grid and the splits; summaries of the training split, from which the constants
follow; and the arrays, which each partition writes into its rows of the files in
data/processed/arrays. A worker has one partition in memory.
"""

import shutil
from collections.abc import Callable, Sequence
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
from spline_lstm.core.params import Params, RunParams
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
    if not len(table.timestamps):
        return Look(None, 0, (), on_rows=True)
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


def decided_snap(panel: "Panel", jobs: Sequence[Job], looks: Sequence[Look], end: int) -> Params:
    """The params with a snap that is not ``auto``, as `with_snap` decides on it."""
    params = jobs[0].params
    if params.preprocess.snap != AUTO:
        return params
    scatter = 0.0
    if not all(each.on_rows for each in looks):
        found = panel.run(jitter_job, [(job, end) for job in jobs], params, "snap")
        counts, jitters = zip(*found, strict=True)
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


@dataclass(frozen=True)
class Panel:
    """Partitions that are preprocessed together.

    Attributes
    ----------
    jobs : what reads each of them
    parts : what is in each of them
    building : Path
        Folder in which the arrays are written.
    where : str
        Name of the panel in messages.
    is_here : bool
        One process does it all: this one.
    """

    jobs: Sequence[PartitionJob]
    parts: Sequence[Partition]
    building: Path
    where: str
    is_here: bool = False

    @classmethod
    def of(cls, folder: Path, params: Params) -> "Panel":
        """The partitions of a pipeline folder; errors as in `partition_jobs`."""
        pipeline = Pipeline(folder)
        return cls(
            partition_jobs(folder, params),
            read_index(pipeline.raw_folder),
            pipeline.array_folder.with_name(".tmp-arrays"),
            str(pipeline.raw_folder),
        )

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [part.file for part in self.parts]

    @property
    def ends(self) -> Int[np.ndarray, "parts two"]:
        """First and last timestamp of each partition."""
        return np.array([[part.first, part.last] for part in self.parts])

    def run(
        self, function: Callable[[Any], Any], jobs: Sequence[Any], params: Params, title: str
    ) -> list[Any]:
        """The results of jobs, one for each partition."""
        work = Work(function, jobs, self.names, is_short=self.is_here)
        return run_all(work, RunParams() if self.is_here else params.run, title)


def preprocess_partitions(folder: Path, params: Params) -> PreprocessedPartitions:
    """Preprocess the partitions of a pipeline folder; errors as in `preprocess_panel`."""
    check_supported(params)
    return preprocess_panel(Panel.of(folder, params), params)


def preprocess_panel(
    panel: Panel,
    params: Params,
    clock: Clock | None = None,
    instants: Int[np.ndarray, " two"] | None = None,
) -> PreprocessedPartitions:
    """Preprocess a panel in partitions.

    Parameters
    ----------
    panel : Panel
    params : Params
    clock : Clock
        By default bound to the panel.
    instants : [2] int64
        Starts of the validation and the test split; by default as the params say.

    Raises
    ------
    ParamsError
        An option needs all values at once, see `check_supported`.
    DataContractError, SchemaError, TooLittleDataError
        As `spline_lstm.series.preprocess.preprocess`.
    """
    check_supported(params)
    schema, options, where = panel.jobs[0].schema, TargetOptions.of(params), panel.where
    clock = clock or bind(params.clock, panel.ends.reshape(-1))
    check_clock(clock, schema, params.preprocess)
    check_names(schema, params.preprocess, options)
    jobs = [Job(each, params, clock) for each in panel.jobs]
    looks: list[Look] = panel.run(look, jobs, params, "look")
    panel, jobs, looks = _with_rows(panel, jobs, looks)
    found = [each.facts for each in looks if each.facts is not None]
    short = tuple(each for one in looks for each in one.short)
    count = sum(len(facts.names) for facts in found) + len(short)
    too_short(short, count, params.data.short_series, where)
    facts = TableFacts.of_all(found)
    rows = sum(each.grid_rows for each in looks)
    check_size(facts, rows, clock, params.preprocess, where)
    if instants is None:
        span = layout_of_ends(facts.first, facts.last, clock, params)
        instants = split_instants(span, params.preprocess.split)
    params = decided_snap(panel, jobs, looks, int(instants[0]))
    jobs = [replace(job, params=params) for job in jobs]
    parts = panel.run(summarise_job, [(job, instants) for job in jobs], params, "fit")
    fitted = combine(
        parts, schema, params.preprocess, clock, instants, Reading.of(params.data), options
    ).of_series(facts.names)
    fitted = replace(
        fitted,
        short_series=params.data.short_series,
        skipped={each.name: each.rows for each in short},
    ).identified()
    return _written(panel, jobs, looks, fitted, facts, short)


def _with_rows(
    panel: Panel, jobs: Sequence[Job], looks: Sequence[Look]
) -> tuple[Panel, list[Job], list[Look]]:
    """Without partitions that have no row in the span that is read."""
    chosen = [number for number, each in enumerate(looks) if each.facts or each.short]
    panel = replace(panel, parts=[panel.parts[number] for number in chosen])
    return panel, [jobs[number] for number in chosen], [looks[number] for number in chosen]


def _written(
    panel: Panel,
    jobs: Sequence[Job],
    looks: Sequence[Look],
    fitted: Preprocessor,
    facts: TableFacts,
    short: tuple[ShortSeries, ...],
) -> PreprocessedPartitions:
    """Third pass: write the arrays of all partitions with the fitted constants."""
    dropped = frozenset(each.name for each in short)
    places, building, params = _places(looks, panel.parts), panel.building, jobs[0].params
    kept = [
        replace(job, dropped=dropped)
        for job, each in zip(jobs, looks, strict=True)
        if each.facts is not None
    ]
    shutil.rmtree(building, ignore_errors=True)
    try:
        create(building, places[-1].end, fitted)
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
        files = {place.file for place in places}
        own = replace(panel, parts=[part for part in panel.parts if part.file in files])
        results = own.run(apply_job, work, params, "apply")
        write_index(building, places, [written for written, _ in results], fitted.run_id)
        columns = _merged([found for _, found in results])
        result = PreprocessedPartitions(building, fitted, facts, columns, short, kept[0])
        check_targets(columns, fitted, panel.where, result.quality)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return result


def layout_of_ends(first: int, last: int, clock: Clock, params: Params) -> Layout:
    """A layout from the first to the last timestamp of all series."""
    ends = np.array([first, last], dtype=np.int64)
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
