"""Rows of days with a label: what trees learn from, and what every forecast is judged on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import read_preprocessor
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.market.windows import DirectionWindows, load_direction_windows
from spline_lstm.trees.tree_data import TRAIN, VALIDATION, TreeData
from spline_lstm.trees.trees import Objective, TreeRows

TREE_SPLITS = (TRAIN, VALIDATION)
OBJECTIVE = Objective("binary")


@dataclass(frozen=True)
class DayRows:
    """The labelled windows of a split, each by its last day.

    Attributes
    ----------
    X : [rows, lookback, features] float32, z-scores
    labels : [rows] 0 or 1
    returns : [rows] forward return, as a share
    days : [rows] int64, instant of the last day
    symbols : [rows] int64, index of the symbol
    """

    X: Float[np.ndarray, "rows lookback features"]
    labels: Float[np.ndarray, " rows"]
    returns: Float[np.ndarray, " rows"]
    days: Int[np.ndarray, " rows"]
    symbols: Int[np.ndarray, " rows"]

    @property
    def last(self) -> Float[np.ndarray, "rows features"]:
        """Features of the last day, z-scores, float64."""
        return self.X[:, -1].astype(np.float64)


def day_rows(windows: DirectionWindows, split: str) -> DayRows:
    """The windows of a split whose label is known."""
    batch = windows.gather(split)
    labels = windows.labels(batch)[:, 0, 0]
    seen = ~np.isnan(labels)
    return DayRows(
        batch.X[seen],
        labels[seen].astype(np.float64),
        windows.forward_return(batch)[seen],
        batch.origin_time[seen],
        batch.series[seen],
    )


def direction_tree_rows(folder: Path, params: Params) -> TreeData:
    """Part `rows` of the task: the features of the last day of each labelled window."""
    windows = load_direction_windows(folder)
    splits = {name: day_rows(windows, name) for name in TREE_SPLITS}
    return TreeData(
        OBJECTIVE,
        windows.feature_names,
        {name: TreeRows(rows.last, rows.labels) for name, rows in splits.items()},
        str(read_preprocessor(Pipeline(folder).preprocessor)["run_id"]),
    )
