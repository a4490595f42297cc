"""The folds of the backtest over time, from metrics/backtest.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.reading import json_if_made, numbers_of

# Of a fold: when, and how much; everything else that is a number measures it.
TIMES = ("train_start", "validation_start", "test_start", "test_end")
COUNTS = ("train_windows", "validation_windows", "test_windows", "n_windows", "best_step", "steps")
# What is shown first, as far as a task measures it.
FIRST = ("rmse", "root_brier", "brier", "auc", "mae", "skill")
PREFIX = "backtest_"


@dataclass(frozen=True, eq=False)
class BacktestView:
    """What is shown of a backtest.

    Attributes
    ----------
    summary : what was measured over all folds
    folds : one row per fold, in the order of time
    measures : columns of `folds` to choose from
    """

    summary: Mapping[str, Any]
    folds: pd.DataFrame
    measures: tuple[str, ...]


def backtest_view(pipeline: Pipeline) -> BacktestView | None:
    """The backtest of a pipeline; None if it was not run.

    Raises
    ------
    ArtifactError
        The file is damaged.
    """
    path = pipeline.metrics("backtest")
    content = json_if_made(path)
    folds = content.get("folds", [])
    if not folds:
        return None
    if not all(isinstance(fold, Mapping) and {"fold", "test_start"} <= {*fold} for fold in folds):
        raise ArtifactError(f"{path} has folds without their times; run `dvc repro` again")
    table = pd.DataFrame([numbers_of(fold) for fold in folds])
    times = {name: _times(table[name]) for name in TIMES if name in table}
    table = table.assign(**times).sort_values("test_start", kind="stable", ignore_index=True)
    summary = {key.removeprefix(PREFIX): value for key, value in numbers_of(content).items()}
    return BacktestView(summary, table, _measures(table))


def long_folds(view: BacktestView, measure: str) -> pd.DataFrame:
    """One measure for a chart: columns fold, start, end and value."""
    folds = view.folds
    end = folds["test_end"] if "test_end" in folds else folds["test_start"]
    return pd.DataFrame(
        {"fold": folds["fold"], "start": folds["test_start"], "end": end, "value": folds[measure]}
    )


def _times(column: pd.Series) -> pd.Series:
    """Instants as UTC wall times; whole numbers of an index as they are."""
    texts = column.astype(str)
    if texts.str.fullmatch(r"-?\d+").all():
        return texts.astype("int64")
    try:
        return pd.to_datetime(texts, utc=True, format="ISO8601").dt.tz_localize(None)
    except ValueError:
        return texts


def _measures(table: pd.DataFrame) -> tuple[str, ...]:
    numbers = table.select_dtypes("number").columns
    names = [name for name in numbers if name not in (*TIMES, *COUNTS) and name != "fold"]
    return tuple(sorted(names, key=_rank(FIRST)))


def _rank(first: Sequence[str]) -> Any:
    """A key that sorts the names of `first` before all others, which keep their order."""
    return lambda name: first.index(name) if name in first else len(first)
