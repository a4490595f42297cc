"""The folds of a backtest: where their splits start, and what their params are."""

from dataclasses import dataclass

import numpy as np

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import BacktestParams, Params


@dataclass(frozen=True)
class Fold:
    """Instants of a fold: start and end of its data, and starts of its later splits."""

    start: int
    validation: int
    test: int
    end: int


def make_folds(clock: Clock, first_row: int, end_row: int, params: BacktestParams) -> list[Fold]:
    """Folds over rows of a clock, the last one not included.

    >>> params = BacktestParams(
    ...     strategy="rolling", folds=2, test=0.2, validation=0.5, embargo=None, stride=None,
    ...     max_epochs=None, max_steps=None,
    ... )
    >>> make_folds(Clock("index", step=1), 0, 10, params)
    [Fold(start=0, validation=3, test=6, end=8), Fold(start=2, validation=5, test=8, end=10)]
    """
    count = end_row - first_row
    # Of a short table, the shares rounded up may be all of it: the first fold keeps a row to train.
    length = min(round(params.test * count), (count - 1) // params.folds)
    first = count - params.folds * length
    folds = []
    for number in range(params.folds):
        test = first + number * length
        start = number * length if params.strategy == "rolling" else 0
        validation = test - round(params.validation * (test - start))
        rows = first_row + np.array([start, validation, test, test + length])
        folds.append(Fold(*clock.timestamps_of(rows).tolist()))
    return folds


def fold_params(params: Params) -> Params:
    """The params of a fold: those of the pipeline, unless `params.backtest` has others."""
    changes = params.backtest
    embargo = params.window.embargo if changes.embargo is None else changes.embargo
    window = {"stride": changes.stride or params.window.stride, "embargo": embargo}
    return params.model_copy(
        update={
            # The whole table was checked; a series may be short or constant within a fold.
            "data": params.data.model_copy(update={"short_series": "skip"}),
            "window": params.window.model_copy(update=window),
            "train": params.train.model_copy(update=_fold_budget(params)),
        }
    )


def _fold_budget(params: Params) -> dict[str, int | None]:
    """The limits of a fold's training that differ from those of `params.train`."""
    epochs, steps, fewest = (
        params.backtest.max_epochs,
        params.backtest.max_steps,
        params.train.min_steps,
    )
    if steps is not None:
        return {
            "max_epochs": None,
            "max_steps": steps,
            "min_steps": None if fewest is None else min(fewest, steps),
        }
    return {} if epochs is None else {"max_epochs": epochs, "max_steps": None}
