"""Score a pipeline folder: what its promoted model says at the end of dates, stored once each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import StoreError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params, load_params
from spline_lstm.store.dates import check_date, dates_from, end_of
from spline_lstm.store.files import Store, remove_strays
from spline_lstm.store.predictions import dates_of
from spline_lstm.store.registry import FAILED, Model, Registry
from spline_lstm.store.score_partitions import score_partitions
from spline_lstm.store.score_table import Outcome, Place, score_dates
from spline_lstm.store.scorer import Scorer, check_dates, load_scorer
from spline_lstm.tables.sources import read_source

# Dates without a score that are named one by one; before a whole lookback each date is one.
MOST_DATES = 3


@dataclass(frozen=True)
class Request:
    """What to score.

    Attributes
    ----------
    asof : str
        The date whose end is the limit of what is known; None: see `start`.
    start : str
        The first of all dates with rows; None: see `asof`.
    model : str
        Id of a registered model, or its beginning; None: the promoted one.
    absent : str
        What becomes of known-future rows that are not there: error or blank.
    """

    asof: str | None = None
    start: str | None = None
    model: str | None = None
    absent: str = "error"


def score_folder(folder: Path, request: Request, note: Callable[[str], object]) -> str:
    """Store the scores that a request asks for; returns what was done.

    The data are those of ``data.source`` in params.yaml, read anew: rows that came after the last
    run of the stages count. Of several dates, those at which nothing can be scored are named and
    left out.

    Parameters
    ----------
    folder : Path
        Of the pipeline.
    request : Request
    note : callable
        Gets each remark once.

    Raises
    ------
    UsageError
        The date is not one, or no row has it or a later one.
    StoreError
        No model is promoted, there is no such model, or its files are gone.
    SplineLstmError
        The data cannot be read, or nothing could be scored.
    """
    params = load_params(folder)
    check_dates(params, "score")
    # A date that is none is a mistake of the call, whatever the store has.
    check_date(request.asof or request.start or "", params.clock)
    store = Store.of(folder, params.store)
    remove_strays(store.predictions)
    registry = Registry(store.registry)
    model = chosen_model(registry, params, request.model, folder)
    place = Place(store.predictions.resolve(), model, datetime.now(UTC))
    done, clock = _score(folder, params, registry.folder(model), request, place)
    for remark in _remarks(done, request, clock):
        note(remark)
    if done.refused and (request.asof is not None or not done.total):
        raise [*done.refused.values()][-1]
    return (
        f"{store.predictions}: {plural(done.new, 'new row')} of model {model.model_id}, "
        f"{done.total - done.new} stored before"
    )


def _score(
    folder: Path, params: Params, files: Path, request: Request, place: Place
) -> tuple[Outcome, Clock]:
    """Score the source, of a panel in partitions piece by piece; and the clock of the model."""
    if params.data.partition_rows is not None:
        chosen = request.asof, request.start
        return score_partitions(folder, params, files, chosen, request.absent, place)
    source = read_source(params.data.source, folder)
    scorer = load_scorer(params, files, source, params.data.source)
    return score_dates(scorer, _dates(request, scorer), request.absent, place), scorer.clock


def _dates(request: Request, scorer: Scorer) -> list[tuple[str, int]]:
    if request.asof is not None:
        return [(request.asof, end_of(request.asof, scorer.clock))]
    return dates_from(request.start or "", scorer.instants, scorer.clock)


def _remarks(done: Outcome, request: Request, clock: Clock) -> Iterator[str]:
    """Dates that are left out, what a reader of the scores must know, and whether data are old."""
    if request.asof is None:
        refused = list(done.refused.items())
        for date, error in refused[:MOST_DATES]:
            where = " in a partition" if date in done.newest else ""
            yield from (f"{date} is left out{where}: {line}" for line in error.lines)
        if more := refused[MOST_DATES:]:
            yield f"{plural(len(more), 'more date')} until {more[-1][0]}: left out, too"
    yield from done.notes
    if request.asof is not None:
        for newest in done.newest.values():
            (date,) = dates_of(np.array([newest]), clock)
            if date != request.asof:
                yield f"the newest row with a target until {request.asof} is of {date}"


def chosen_model(registry: Registry, params: Params, name: str | None, folder: Path) -> Model:
    """The model of a name, by default the promoted one of the pipeline's task.

    Raises
    ------
    StoreError
        There is none, or its training failed.
    """
    if name is None:
        model = registry.promoted(params.task)
        if model is not None:
            return model
        raise StoreError(
            f"{registry.path}: no model of task {params.task} is promoted; "
            f"`python -m spline_lstm train {folder}` registers one, `python -m spline_lstm "
            f"registry promote MODEL {folder}` promotes it, and --model MODEL takes any"
        )
    model = registry.get(name)
    if model.status == FAILED:
        raise StoreError(f"model {model.model_id} cannot score: its training failed")
    if model.task_id != params.task:
        raise StoreError(
            f"model {model.model_id} is of task {model.task_id}, the pipeline of {params.task}; "
            "name another"
        )
    return model
