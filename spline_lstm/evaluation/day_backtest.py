"""The backtest of the task direction: trees that are trained anew for each calendar year.

::

    |-------- train --------|~~|-- val --|~~|= year =|
    |------------- train -------------|~~|-- val --|~~|= next year =|
                             ~~ what windows look back on: left out

The years are the last `backtest.folds` of the data; one with too few days before it, or too few of
its own, is left out and named. Of each, scaling, trees, calibration and
baselines are fitted again on what came before. The network is left out: it would take most of the
time, and the question, whether the probabilities say more than the volatility, is that of the
trees as well. The other settings of `backtest` do not matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from spline_lstm.core.errors import ParamsError, TooLittleDataError
from spline_lstm.core.params import Params
from spline_lstm.core.schema import Schema
from spline_lstm.core.time_zones import to_instants
from spline_lstm.evaluation.backtest import BacktestSummary
from spline_lstm.evaluation.day_content import (
    VOLATILITY,
    DayForecasts,
    day_content,
    years_of,
)
from spline_lstm.evaluation.day_fit import fit_days, rows_of_splits, tree_rows
from spline_lstm.market.day_rows import OBJECTIVE
from spline_lstm.market.preprocess import preprocess_bars
from spline_lstm.market.windows import embargo_of, make_direction_windows
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.trees.trees import fit_trees


@dataclass(frozen=True)
class Year:
    """What was forecast of one calendar year.

    Attributes
    ----------
    year : int
    forecasts : DayForecasts
    train_auc, validation_auc : of the ensemble
    train_windows : int
    """

    year: int
    forecasts: DayForecasts
    train_auc: float
    validation_auc: float
    train_windows: int


def day_backtest(table: RawTable, schema: Schema, params: Params, cache: Path) -> BacktestSummary:
    """Part `backtest` of the task: the last years, one after another.

    Raises
    ------
    ParamsError
        `backtest.strategy` is not expanding, or there are no trees.
    TooLittleDataError
        No year has enough days of its own and before it.
    """
    check_params(params)
    days = np.unique(table.timestamps)
    years = np.unique(years_of(days, params.data.time_zone))[-params.backtest.folds :]
    found, left_out = run_years(table, schema, params, days, years.tolist())
    aucs = {
        name: float(np.mean([getattr(each, f"{name}_auc") for each in found]))
        for name in ("train", "validation")
    }
    scores = day_content(pooled([each.forecasts for each in found]), aucs, params.probability)
    folds = [fold_record(each, scores["years"].get(str(each.year), {})) for each in found]
    content = {
        "backtest_folds": len(folds),
        "backtest_folds_lost": sum(fold["loses"] for fold in folds),
        **{f"backtest_{key}": scores[key] for key in ("auc", "auc_low", "auc_high", "brier")},
        # Ranks of all years together also compare the levels of different years.
        "backtest_increment": scores["increment"],
        "backtest_increment_within_years": float(np.nanmean([fold["increment"] for fold in folds])),
        "years_left_out": left_out,
        "folds": folds,
    }
    columns = ("fold", "auc", "auc_low", "auc_high", f"auc_{VOLATILITY}", "test_windows")
    rows = pd.DataFrame([{name: fold[name] for name in columns} for fold in folds])
    rows = rows.rename(columns={"fold": "year"})
    return BacktestSummary(content, rows, scores, ("auc", "AUC"))


def check_params(params: Params) -> None:
    """Raise ParamsError for settings without which there is nothing to do."""
    if params.backtest.strategy != "expanding":
        raise ParamsError("the backtest of the task direction is expanding: set backtest.strategy")
    if not params.trees.members:
        raise ParamsError("the backtest of the task direction needs trees: set trees.members")


def run_years(
    table: RawTable,
    schema: Schema,
    params: Params,
    days: Int[np.ndarray, " days"],
    years: Sequence[int],
) -> tuple[list[Year], list[str]]:
    """The years that can be forecast, and why the others cannot be.

    Raises
    ------
    TooLittleDataError
        No year can be.
    """
    found, reasons = [], []
    for year in years:
        try:
            found.append(run_year(table, schema, params, days, year))
        except TooLittleDataError as error:
            reasons.append(f"{year}: {error}")
    if not found:
        raise TooLittleDataError(*reasons)
    return found, reasons


def run_year(
    table: RawTable, schema: Schema, params: Params, days: Int[np.ndarray, " days"], year: int
) -> Year:
    """Fit everything on what was before a calendar year, and forecast the year."""
    zone = params.data.time_zone
    instants = split_instants(days, year, embargo_of(params.window), zone)
    preprocessed = preprocess_bars(table, schema, params, where="the raw table", instants=instants)
    windows = make_direction_windows(preprocessed.arrays, preprocessed.preprocessor, params)
    rows = rows_of_splits(windows)
    train, validation = tree_rows(rows["train"]), tree_rows(rows["validation"])
    trees = {
        name: fit_trees(name, train, validation, OBJECTIVE, params.trees)
        for name in params.trees.members
    }
    predicted = {
        split: {name: member.predict(each.last) for name, member in trees.items()}
        for split, each in rows.items()
    }
    found = fit_days(windows, rows, predicted, params.ensemble)
    areas = found.aucs["train"], found.aucs["validation"]
    return Year(year, found.forecasts, *areas, len(rows["train"].labels))


def split_instants(
    days: Int[np.ndarray, " days"], year: int, embargo: int, zone: str | None = None
) -> Int[np.ndarray, " 3"]:
    """Starts of validation and test, and the end of the test, in instants.

    The embargo comes before the first day of a year, so that the whole year is tested.
    """
    first = np.searchsorted(days, [january(each, zone) for each in (year - 1, year)])
    starts = days[np.maximum(first - embargo, 0)]
    return np.array([*starts, january(year + 1, zone)], dtype=np.int64)


def january(year: int, zone: str | None = None) -> int:
    """The instant at which a year begins in a time zone, by default UTC.

    >>> january(1970), january(1970, "Asia/Tokyo") / 3_600e9
    (0, -9.0)
    """
    wall = np.array([f"{year}-01-01"], "datetime64[ns]").astype(np.int64)
    return int(to_instants(wall, zone)[0])


def pooled(parts: Sequence[DayForecasts]) -> DayForecasts:
    """The forecasts of several years as one."""
    first = parts[0]
    return DayForecasts(
        np.concatenate([each.labels for each in parts]),
        np.concatenate([each.returns for each in parts]),
        np.concatenate([each.days for each in parts]),
        {
            name: np.concatenate([each.forecasts[name] for each in parts])
            for name in first.forecasts
        },
        first.members,
        first.baselines,
        first.zone,
    )


def fold_record(each: Year, scores: dict[str, Any]) -> dict[str, Any]:
    """One year in metrics/backtest.json; `scores` as `day_content.by_year` gives them."""
    area, other = (scores.get(key, math.nan) for key in ("auc", f"auc_{VOLATILITY}"))
    return {
        "fold": str(each.year),
        "test_start": _day(each.forecasts.days.min()),
        "test_end": _day(each.forecasts.days.max()),
        "train_windows": each.train_windows,
        "test_windows": len(each.forecasts.labels),
        "positive_share": scores.get("positive_share", math.nan),
        "auc": area,
        "auc_low": scores.get("auc_low", math.nan),
        "auc_high": scores.get("auc_high", math.nan),
        f"auc_{VOLATILITY}": other,
        "increment": scores.get("increment", math.nan),
        "increment_low": scores.get("increment_low", math.nan),
        "increment_high": scores.get("increment_high", math.nan),
        "train_auc": each.train_auc,
        "validation_auc": each.validation_auc,
        "loses": bool(area < other),
    }


def _day(instant: int) -> str:
    """An instant as ISO 8601, UTC."""
    return f"{pd.Timestamp(instant).isoformat()}Z"
