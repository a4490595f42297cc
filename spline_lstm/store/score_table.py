"""Scores of one raw table at the end of dates: of all series, or of one partition of a panel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from spline_lstm.core.errors import MissingCovariateError, SplineLstmError, TooLittleDataError
from spline_lstm.store.predictions import add_predictions
from spline_lstm.store.registry import Model
from spline_lstm.store.scorer import Scorer

# The text of a date, and the instant at which it ends.
Date = tuple[str, int]


@dataclass(frozen=True)
class Place:
    """Where scores are stored, and what a row says beside them.

    Attributes
    ----------
    predictions : folder
    model : Model
    now : when the call began
    """

    predictions: Path
    model: Model
    now: datetime


@dataclass(frozen=True)
class Outcome:
    """What came of scoring.

    Attributes
    ----------
    new, total : rows that were not stored before, and all
    notes : remarks, each once
    newest : date -> instant of the newest row that its scores know
    refused : date -> why nothing could be scored, or not all partitions
    """

    new: int = 0
    total: int = 0
    notes: tuple[str, ...] = ()
    newest: dict[str, int] = field(default_factory=dict)
    refused: dict[str, SplineLstmError] = field(default_factory=dict)


def score_dates(scorer: Scorer, dates: Sequence[Date], absent: str, place: Place) -> Outcome:
    """Score a table at the end of each date, and store the rows that are new.

    `absent` says what becomes of known-future rows that are not there: error or blank. A date at
    which nothing can be scored is refused.
    """
    new = total = 0
    notes: dict[str, None] = {}
    newest: dict[str, int] = {}
    refused: dict[str, SplineLstmError] = {}
    for date, end in dates:
        try:
            scored = scorer.score(end, absent)
        except (TooLittleDataError, MissingCovariateError) as error:
            refused[date] = error
            continue
        notes |= dict.fromkeys(scored.notes)
        newest[date] = int(scored.rows["ts"].to_numpy(np.int64).max())
        total += len(scored.rows)
        model = place.model
        new += add_predictions(
            place.predictions, model.task_id, model.model_id, scored, scorer.clock, place.now
        )
    return Outcome(new, total, tuple(notes), newest, refused)


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """What came of all tables: a date is refused if all of them refused it.

    It is, too, if known-future rows of any are absent, as in one table of all series. Of a date
    that only some refused for other reasons, each reason is a remark.
    """
    found = list(outcomes)
    newest: dict[str, int] = {}
    for date, instant in (item for each in found for item in each.newest.items()):
        newest[date] = max(newest.get(date, instant), instant)
    notes = [note for each in found for note in each.notes]
    refused: dict[str, SplineLstmError] = {}
    for date, error in (item for each in found for item in each.refused.items()):
        if date not in newest or isinstance(error, MissingCovariateError):
            refused.setdefault(date, error)
        else:
            notes += [f"{line}: it has no forecast" for line in error.lines]
    return Outcome(
        sum(each.new for each in found),
        sum(each.total for each in found),
        tuple(dict.fromkeys(notes)),
        newest,
        refused,
    )
