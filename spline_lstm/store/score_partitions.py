"""Scores of a panel in partitions: each by a task, which reads its series and stores their rows.

The source is cut anew, as the stage ingest cuts it, since rows that came after it count, too.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import UsageError
from spline_lstm.core.formatting import plural
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.store.dates import dates_from, end_of
from spline_lstm.store.files import temporary_name
from spline_lstm.store.score_table import Date, Outcome, Place, score_dates, together
from spline_lstm.store.scorer import Scorer, load_scorer
from spline_lstm.tables.partitions import write_partitions
from spline_lstm.windows.preprocessor import Preprocessor

# Remarks that a call shows.
MOST_NOTES = 20


@dataclass(frozen=True)
class Part:
    """A partition and the model that scores it.

    Attributes
    ----------
    table : its file
    model : folder of the files of the model
    params : of the pipeline
    """

    table: Path
    model: Path
    params: Params

    def load(self) -> Scorer:
        """The scorer of the partition."""
        return load_scorer(self.params, self.model, self.table.read_bytes(), self.table.name)


def score_partitions(
    folder: Path,
    params: Params,
    model: Path,
    chosen: tuple[str | None, str | None],
    absent: str,
    place: Place,
) -> tuple[Outcome, Clock]:
    """Score all partitions at one date (`chosen` is ``(asof, None)``) or from one on.

    Parameters
    ----------
    folder, params : of the pipeline
    model : folder of the files of the model
    chosen : the date, or the first of all dates with rows
    absent : see `score_dates`
    place : Place

    Returns
    -------
    tuple
        What came of it, and the clock of the model.

    Raises
    ------
    DataContractError
        The source cannot be cut.
    SplineLstmError
        A partition cannot be read; the message starts with its name.
    """
    preprocessor = Preprocessor.load(Pipeline(model).preprocessor)
    clock, rows = preprocessor.clock, params.data.partition_rows or 1
    # What a killed call leaves there is removed by the next one.
    cut = (place.predictions / temporary_name()).resolve()
    cut.mkdir(parents=True)
    try:
        source = folder / params.data.source
        tables = write_partitions(source, cut, preprocessor.source_schema, rows)
        parts = [Part(table, model.resolve(), params) for table in tables]
        names = [table.name for table in tables]
        dates = _dates(parts, names, chosen, clock)
        jobs = [(part, dates, absent, place) for part in parts]
        return _short(together(run_all(Work(_score, jobs, names), params.run, "score"))), clock
    finally:
        shutil.rmtree(cut, ignore_errors=True)


def _short(outcome: Outcome) -> Outcome:
    """The same with the first remarks only: each of many partitions has its own."""
    if len(outcome.notes) <= MOST_NOTES:
        return outcome
    others = f"and {plural(len(outcome.notes) - MOST_NOTES, 'more remark')}"
    return replace(outcome, notes=(*outcome.notes[:MOST_NOTES], others))


def _dates(
    parts: Sequence[Part], names: Sequence[str], chosen: tuple[str | None, str | None], clock: Clock
) -> list[Date]:
    """The date that is asked for, or those at which any partition has rows."""
    asof, start = chosen
    if asof is not None:
        return [(asof, end_of(asof, clock))]
    jobs = [(part, start or "") for part in parts]
    found = {
        date
        for own in run_all(Work(_dates_of, jobs, names), parts[0].params.run, "dates")
        for date in own
    }
    if not found:
        raise UsageError(f"no row of the data is from {start} or later; give an earlier date")
    return sorted(found, key=lambda date: date[1])


def _dates_of(job: tuple[Part, str]) -> list[Date]:
    part, start = job
    scorer = part.load()
    try:
        return dates_from(start, scorer.instants, scorer.clock)
    except UsageError:
        # No row of this partition is so late; those of others may be.
        return []


def _score(job: tuple[Part, list[Date], str, Place]) -> Outcome:
    part, dates, absent, place = job
    return score_dates(part.load(), dates, absent, place)
