"""What scoring asks of a task: a model with the data that it scores.

A task names in its entry (`spline_lstm.tasks`) a function ``(folder, source, where) -> Scorer``.
The folder is that of a registered model, or a pipeline folder: both have the same files at the same
paths (`spline_lstm.core.pipeline.Pipeline`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import UsageError
from spline_lstm.core.params import Params
from spline_lstm.store.predictions import Scored
from spline_lstm.tasks.parts import load_part, task_of


class Scorer(Protocol):
    """A loaded model beside a raw table."""

    @property
    def model_id(self) -> str:
        """Content run id of the model."""
        ...

    @property
    def clock(self) -> Clock:
        """Of the model."""
        ...

    @property
    def instants(self) -> Int[np.ndarray, " rows"]:
        """Instant of each row of the table, in any order."""
        ...

    @property
    def unseen_from(self) -> int:
        """The first instant whose labels neither training nor validation has seen."""
        ...

    def score(self, end: int, absent: str) -> Scored:
        """Score every series with what has a timestamp before the instant `end`.

        `absent` says what becomes of known-future rows that are not there: error or blank.

        Raises
        ------
        TooLittleDataError
            No series has enough rows.
        MissingCovariateError
            As `spline_lstm.inference.inputs.serving_inputs`.
        """
        ...

    def errors(self, start: int) -> pd.DataFrame:
        """Squared errors of all scores whose labels begin at or after an instant.

        Returns
        -------
        DataFrame
            Indexed by `ts`, `symbol` and `target`; columns `squared`, the sum over the steps with a
            label, in squared data units (of a probability: its distance to the label); `count`, how
            many they are; `scale`, data units per unit of comparison.
        """
        ...


def check_dates(params: Params, command: str) -> None:
    """Raise UsageError for a task whose data have no dates, which `command` needs."""
    if not task_of(params).scorer:
        raise UsageError(
            f"{command} needs dates, and the rows of the task {params.task} have none; predict new "
            "rows with `python -m spline_lstm predict FOLDER ROWS.csv`, and choose a model with "
            "`registry list` and `registry promote`"
        )


def model_id_of(params: Params, folder: Path, source: Callable[[], bytes]) -> str:
    """Content id of the model in a folder, which is loaded; `source` reads a raw table for it.

    Raises
    ------
    ArtifactError
        A file of the model is missing or damaged.
    """
    if not task_of(params).scorer:
        identify: Callable[[Path], str] = load_part(params, "model_id")
        return identify(folder)
    return load_scorer(params, folder, source(), "the raw table").model_id


def load_scorer(params: Params, folder: Path, source: bytes, where: str) -> Scorer:
    """The model in a folder with a raw table; `where` names the table in messages.

    Raises
    ------
    ArtifactError
        A file of the model is missing or damaged.
    DataContractError
        The table cannot be read.
    """
    make: Callable[[Path, bytes, str], Scorer] = load_part(params, "scorer")
    return make(folder, source, where)
