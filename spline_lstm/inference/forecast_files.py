"""Forecasts of raw tables as CSV text: of one table, or of each partition of a panel in parallel.

A panel in partitions is never in memory at once: a task reads one partition and writes its file.
The files one after another have the rows of a single table's forecasts, in the same order.
"""

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spline_lstm.core.artifacts import replace_folder, write_text
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import UsageError
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import RunParams
from spline_lstm.inference.exported import ExportedForecaster
from spline_lstm.inference.frames import forecast_texts
from spline_lstm.tables.sources import read_source

PARTS = "part-*.parquet"


@dataclass(frozen=True)
class Question:
    """What is to be forecast from a table.

    Attributes
    ----------
    model, preprocessor : files of one run
    history, future : raw tables, CSV or Parquet; no `future`: None
    start, absent : see `ExportedForecaster.predict`
    """

    model: Path
    preprocessor: Path
    history: Path
    future: Path | None
    start: str
    absent: str


@dataclass(frozen=True)
class Answer:
    """Forecasts as CSV text.

    Attributes
    ----------
    text : with a header and a final newline
    rows : of the text, but for the header
    remarks : (warning or note, text), beside the forecasts
    """

    text: str
    rows: int
    remarks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Written:
    """Files with forecasts, and their rows together."""

    files: int
    rows: int
    remarks: tuple[tuple[str, str], ...]


def answer(question: Question) -> Answer:
    """Forecast a table; errors as in `ExportedForecaster.load` and `predict`."""
    return _answer(ExportedForecaster.load(question.model, question.preprocessor), question)


def _answer(forecaster: ExportedForecaster, question: Question) -> Answer:
    forecast = forecaster.predict(
        _bytes_of(question.history),
        None if question.future is None else _bytes_of(question.future),
        start=question.start,
        absent=question.absent,
        where=str(question.history),
        where_future=str(question.future),
    )
    clock = forecaster.preprocessor.clock
    table = forecast_texts(forecast, clock, forecaster.scales_of(forecast.series))
    text = table.set_index(_texts_of(table.index, clock)).to_csv(lineterminator="\n")
    remarks = [("warning", text) for text in forecast.warnings]
    remarks += [("note", text) for text in (*forecast.notes, clock.note()) if text]
    return Answer(text, len(table), tuple(remarks))


def answer_partitions(question: Question, output: Path, params: RunParams) -> Written:
    """Forecast each partition of the folder `history`; the folder `output` gets a file for each.

    `output` is replaced as a whole, once all forecasts are there.

    Raises
    ------
    UsageError
        The folder has no partition, or the one of the future lacks one.
    SplineLstmError
        A partition cannot be forecast; the message starts with its name.
    """
    parts = sorted(question.history.glob(PARTS))
    if not parts:
        raise UsageError(
            f"{question.history}: the folder has no {PARTS}; name a file, or data/raw/series"
        )
    building = output.with_name(f".tmp-{output.name}")
    jobs = [(_of_part(question, part), building / f"{part.stem}.csv") for part in parts]
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        found = run_all(Work(_write, jobs, [part.name for part in parts]), params, "predict")
        replace_folder(building, output)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    remarks = dict.fromkeys(remark for each in found for remark in each.remarks)
    return Written(len(found), sum(each.rows for each in found), tuple(remarks))


def _bytes_of(path: Path) -> bytes:
    return read_source(path.name, path.parent)


def _of_part(question: Question, part: Path) -> Question:
    future = None
    if question.future is not None:
        future = question.future / part.name
        if not future.is_file():
            raise UsageError(
                f"{question.future}: there is no {part.name}; of a history in partitions --future "
                "is a folder with a file of the same name for each"
            )
    return Question(
        question.model, question.preprocessor, part, future, question.start, question.absent
    )


def _write(job: tuple[Question, Path]) -> Written:
    """Forecast one partition and write its file."""
    question, path = job
    found = _answer(_forecaster(question.model, question.preprocessor), question)
    write_text(path, found.text)
    return Written(1, found.rows, found.remarks)


# A worker forecasts many partitions with the same files.
@functools.lru_cache(maxsize=1)
def _forecaster(model: Path, preprocessor: Path) -> ExportedForecaster:
    return ExportedForecaster.load(model, preprocessor)


def _texts_of(index: pd.Index, clock: Clock) -> pd.MultiIndex:
    """Series, and timestamps as the clock writes them."""
    times = index.get_level_values("timestamp")
    numbers = times if clock.kind == "index" else pd.DatetimeIndex(times).as_unit("ns").asi8
    texts = clock.texts_of(np.asarray(numbers, dtype=np.int64))
    return pd.MultiIndex.from_arrays([index.get_level_values("series"), texts], names=index.names)
