"""The test split of a panel in partitions, part by part, by tasks that run in parallel.

A task forecasts and judges some batches of test windows, and leaves the rows of their predictions
in a file. What depends on all windows, the constants of baselines, intervals and terciles, is found
before and goes to each task. Sums and rows are put together in the order of the windows, so the
bits are those of one pass over all of them.
"""

import functools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from spline_lstm.core.artifacts import write_atomically
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import EvaluateParams, Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.assess import Assessment, assessment_of
from spline_lstm.evaluation.batch_sums import BatchCollector, BatchSums, Judge, Marks, PerSeries
from spline_lstm.evaluation.forecast_batches import (
    WINDOWS_PER_BATCH,
    FittedBaselines,
    TestForecasts,
)
from spline_lstm.evaluation.interval_sums import IntervalSums
from spline_lstm.evaluation.predictions_file import PredictionsWriter, prediction_rows
from spline_lstm.evaluation.scales import percentage_floor
from spline_lstm.evaluation.totals import SeriesRange
from spline_lstm.inference.intervals import Intervals
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import SavedModel, load_model
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import Windows, open_windows

# Windows of a task: a whole number of batches, so that the batches are those of one pass.
PART_WINDOWS = 4 * WINDOWS_PER_BATCH


@dataclass(frozen=True)
class Constants:
    """What depends on all windows.

    Attributes
    ----------
    params : EvaluateParams
    intervals, judged, baselines
        Of the model and the windows.
    floors : [series, targets] of the robust MAPE
    """

    params: EvaluateParams
    intervals: Intervals
    judged: IntervalSums
    baselines: FittedBaselines
    floors: PerSeries


@dataclass(frozen=True)
class PartJob:
    """Test windows from one position to another.

    Attributes
    ----------
    folder : Path
        Of the pipeline.
    start, end : first, and the one after the last
    marks : Marks
        Of these windows.
    constants : Constants
    rows : Path
        File for the rows of the predictions.
    """

    folder: Path
    start: int
    end: int
    marks: Marks
    constants: Constants
    rows: Path


def is_in_parts(folder: Path, windows: Windows, params: Params) -> bool:
    """Whether an evaluation is by tasks: of a panel in partitions, if several can run at once."""
    if not Pipeline(folder).array_folder.is_dir():
        return False
    several = len(windows.splits["test"]) > PART_WINDOWS
    return several and (params.run.workers > 1 or params.run.executor != "local")


def assess_parts(
    folder: Path,
    model: SavedModel,
    windows: Windows,
    params: Params,
    intervals: Intervals,
    series_names: Sequence[str],
) -> Assessment:
    """`assess` of a pipeline folder by the engine of `params.run`: the same result and file."""
    predictions, marks = Pipeline(folder).predictions, Marks.of(windows)
    constants = Constants(
        params.evaluate,
        intervals,
        IntervalSums.of(windows, intervals, model.config.quantiles),
        FittedBaselines.fit(windows, params.evaluate),
        percentage_floor(windows),
    )
    building = predictions.with_name(".tmp-predictions").resolve()
    bounds = [*range(0, len(marks.whole), PART_WINDOWS), len(marks.whole)]
    jobs = [
        PartJob(
            folder.resolve(), start, end, marks.part(start, end), constants, building / f"{start}"
        )
        for start, end in pairwise(bounds)
    ]
    names = [f"test windows {job.start} to {job.end - 1}" for job in jobs]
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        parts = run_all(Work(run_part, jobs, names), params.run, "evaluate")
        write_atomically(predictions, lambda path: _join([job.rows for job in jobs], path))
    finally:
        shutil.rmtree(building, ignore_errors=True)
    collected = BatchCollector(len(series_names))
    for batch in (batch for part in parts for batch in part):
        collected.add(batch)
    baselines = constants.baselines.of(windows)
    forecasts = TestForecasts(model, windows, intervals, baselines, series_names)
    return assessment_of(collected, forecasts, params.evaluate)


def run_part(job: PartJob) -> list[BatchSums]:
    """Forecast and judge the windows of a part; its rows go to a file."""
    configure_threads(1)
    configure_compilation_cache(job.folder)
    model, windows, names = _loaded(job.folder)
    own = job.constants
    judge = Judge.make(windows, own.params, own.judged, own.floors, _series_of(windows, job))
    baselines = own.baselines.of(windows)
    forecasts = TestForecasts(model, windows, own.intervals, baselines, names)
    found, seen = [], 0
    with closing(_RowsWriter(job.rows)) as writer:
        for batch in forecasts.part(job.start, job.end):
            end = seen + len(batch.y_true)
            writer.write(prediction_rows(batch, names))
            found.append(judge.of(batch, job.marks.part(seen, end)))
            seen = end
    return found


# A worker judges many parts of the same folder. The stage has checked that its files belong
# together, for which all rows must be read.
@functools.lru_cache(maxsize=1)
def _loaded(folder: Path) -> tuple[SavedModel, Windows, tuple[str, ...]]:
    names = Preprocessor.load(Pipeline(folder).preprocessor).series
    return load_model(folder), open_windows(folder)[0], names


def _series_of(windows: Windows, job: PartJob) -> SeriesRange:
    ends = windows.splits["test"][[job.start, job.end - 1]]
    return SeriesRange.of(np.searchsorted(windows.arrays.series_offsets, ends, side="right") - 1)


class _RowsWriter:
    """Tables one after another as an Arrow stream, in which each keeps its own dictionaries."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: pa.RecordBatchStreamWriter | None = None

    def write(self, table: pa.Table) -> None:
        self._stream = self._stream or pa.ipc.new_stream(str(self._path), table.schema)
        self._stream.write_table(table)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _tables(path: Path) -> Iterator[pa.Table]:
    """The tables of a file, as they were written."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            yield pa.Table.from_batches([batch])


def _join(parts: Sequence[Path], path: Path) -> None:
    """Write the rows of all parts as one file; each is removed when its rows are in it."""
    with closing(PredictionsWriter(path)) as writer:
        for part in parts:
            for table in _tables(part):
                writer.write(table)
            part.unlink()
