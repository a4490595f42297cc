"""Forecasts as a table for people: one row per series and timestamp, the bounds beside each target."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.intervals import (
    CONFORMAL,
    QUANTILES,
    Intervals,
    conformal_bounds,
    interval_columns,
    quantile_bounds,
)

Point = Float[np.ndarray, "series horizon targets"]


def load_intervals(path: Path, model_run_id: str) -> Intervals | None:
    """models/intervals.json of a pipeline folder; None where there is none.

    Raises
    ------
    ArtifactError
        The file is damaged, or was measured on another model.
    """
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("run_id") != model_run_id:
        raise ArtifactError(
            f"{path} was measured on model {content.get('run_id')}, but the model is {model_run_id}; use the files of "
            "one run"
        )
    return Intervals.from_json(content)


def bounds_of(
    intervals: Intervals | None,
    point: Point,
    rows: Int[np.ndarray, " series"],
    quantiles: Float[np.ndarray, "series horizon targets quantiles"] | None = None,
    quantile_levels: Sequence[float] = (),
) -> tuple[tuple[float, ...], Float[np.ndarray, "levels two series horizon targets"]]:
    """Levels in percent, and lower and upper bound of each; data units.

    `rows` are the places of the series in preprocessor.json, -1 for one that was not there.
    """
    if intervals is not None and intervals.method == CONFORMAL:
        return intervals.levels, conformal_bounds(point, intervals, rows)
    if intervals is not None and intervals.method == QUANTILES and quantiles is not None:
        return intervals.levels, quantile_bounds(quantiles, quantile_levels)
    return (), np.empty((0, 2, *point.shape))


def forecast_table(
    point: Point,
    bounds: Float[np.ndarray, "levels two series horizon targets"],
    levels: Sequence[float],
    spread: Point | None = None,
    *,
    targets: Sequence[str],
    series: Sequence[str],
    origin_time: Int[np.ndarray, " series"],
    step_ns: int,
) -> pd.DataFrame:
    """One row per series and step.

    Returns
    -------
    pd.DataFrame
        Indexed by `series` and `timestamp` (UTC); columns of each target: its forecast under its own name, and
        ``<target>_lower_80``, ``<target>_upper_80`` for each level; ``<target>_spread`` where `spread`, that of an
        ensemble's members, is given; data units.
    """
    count, horizon, _ = point.shape
    timestamps = origin_time[:, None] + step_ns * np.arange(horizon)
    index = pd.MultiIndex.from_arrays(
        [
            np.repeat(np.array(series, dtype=object), horizon),
            pd.to_datetime(timestamps.ravel(), utc=True),
        ],
        names=["series", "timestamp"],
    )
    sides = bounds.reshape(-1, count, horizon, len(targets))
    columns = {}
    for place, target in enumerate(targets):
        columns[target] = point[:, :, place].ravel()
        for name, side in zip(interval_columns(levels), sides, strict=True):
            columns[f"{target}_{name}"] = side[:, :, place].ravel()
        if spread is not None:
            columns[f"{target}_spread"] = spread[:, :, place].ravel()
    return pd.DataFrame(columns, index=index)
