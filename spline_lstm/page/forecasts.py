"""Forecasts of the test split, with what the model knew when it made them.

From data/predictions.parquet (stage evaluate) and data/processed (stage preprocess).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.time_zones import UTC
from spline_lstm.page.reading import (
    instants_of,
    levels_of,
    parquet_columns,
    parquet_rows,
    version_of,
    wall_times,
)
from spline_lstm.windows.array_files import identity_file, load_arrays
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.preprocessor import Preprocessor

KEYS = ("series", "target", "origin", "step")
NEEDED = (*KEYS, "timestamp", "y_true", "y_pred")
# Origins of an index are offered in groups of so many numbers.
GROUP = 100
# Rows before the origin that are shown at least.
MIN_ROWS = 30


@dataclass(frozen=True)
class Choice:
    """One forecast.

    Attributes
    ----------
    series : its name, "" for the only one of a table without names
    target : name of the column
    origin : instant of the first row that was forecast
    """

    series: str
    target: str
    origin: int


@dataclass(frozen=True, eq=False)
class ForecastView:
    """What is shown of one forecast.

    Attributes
    ----------
    history : DataFrame
        One row per row of the grid up to the origin, with the columns `time`; `raw`, the
        observation; `repaired`, what the model was given, as it was known at the origin; `made`:
        filled, replaced (an outlier) or "" (observed).
    forecast : DataFrame
        One row per step: `time`, `step`, `forecast`, `observed` and the bounds of each level, such
        as `lower_80`.
    levels : tuple of str
        Of the intervals, the widest first.
    """

    history: pd.DataFrame
    forecast: pd.DataFrame
    levels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Stored:
    """What is in data/predictions.parquet, without the numbers.

    Attributes
    ----------
    path : Path
    columns : tuple of str
    keys : DataFrame
        Columns series, target and origin (int64), each combination once, in the order of time.
    """

    path: Path
    columns: tuple[str, ...]
    keys: pd.DataFrame

    @property
    def series(self) -> list[str]:
        """Names of the series."""
        return self.keys["series"].drop_duplicates().tolist()

    def targets(self, series: str) -> list[str]:
        """Targets with forecasts of a series."""
        return self.keys.loc[self.keys["series"] == series, "target"].drop_duplicates().tolist()

    def origins(self, series: str, target: str) -> Int[np.ndarray, " origins"]:
        """Instants of the origins, increasing."""
        keys = self.keys
        return keys["origin"][(keys["series"] == series) & (keys["target"] == target)].to_numpy()


def stored_forecasts(pipeline: Pipeline) -> Stored | None:
    """The forecasts of a pipeline; None if it has none yet.

    Raises
    ------
    ArtifactError
        The file is damaged, or its rows are not forecasts.
    """
    path = pipeline.predictions
    return _stored(path, version_of(path)) if path.is_file() else None


@lru_cache(maxsize=8)
def _stored(path: Path, _version: tuple[int, int]) -> Stored:
    keys = parquet_rows(path, KEYS)
    keys = keys[keys["step"] == keys["step"].min()]
    table = pd.DataFrame(
        {
            "series": keys["series"].astype(str).to_numpy(),
            "target": keys["target"].astype(str).to_numpy(),
            "origin": instants_of(keys["origin"]),
        }
    )
    table = table.drop_duplicates().sort_values("origin", kind="stable", ignore_index=True)
    return Stored(path, tuple(parquet_columns(path)), table)


def groups_of(clock: Clock, origins: Int[np.ndarray, " origins"]) -> dict[str, np.ndarray]:
    """The origins by day, month or year, whatever has several; of an index by hundreds.

    Returns
    -------
    dict
        Name of the group -> its origins; both in the order of time.
    """
    if clock.kind == "index":
        names = np.array([_hundred(number) for number in (origins // GROUP * GROUP).tolist()])
    else:
        times = wall_times(clock, origins)
        for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
            names = pd.DatetimeIndex(times).strftime(form).to_numpy(str)
            if len(np.unique(names)) * 2 <= len(origins):
                break
    different, first = np.unique(names, return_index=True)
    return {str(name): origins[names == name] for name in different[np.argsort(first)]}


def _hundred(first: int) -> str:
    return f"{first} to {first + GROUP - 1}"


def view_of(pipeline: Pipeline, stored: Stored, choice: Choice, clock: Clock) -> ForecastView:
    """One forecast with its history: twice the lookback, as far as there are rows.

    Raises
    ------
    ArtifactError
        A file is missing or damaged, or files do not belong together.
    """
    levels = levels_of(stored.columns)
    bounds = [f"{side}_{level}" for level in levels for side in ("lower", "upper")]
    rows = parquet_rows(stored.path, (*NEEDED, *bounds), _filters(choice, clock))
    rows = rows.sort_values("step", ignore_index=True)
    forecast = pd.DataFrame(
        {
            "time": wall_times(clock, instants_of(rows["timestamp"])),
            "step": rows["step"],
            "forecast": rows["y_pred"],
            "observed": rows["y_true"].astype(float),
            **{name: rows[name] for name in bounds},
        }
    )
    return ForecastView(_history(pipeline, choice, clock), forecast, levels)


def _filters(choice: Choice, clock: Clock) -> list[tuple[str, str, object]]:
    instant = pa.scalar(choice.origin, pa.int64())
    if clock.kind != "index":
        instant = instant.cast(pa.timestamp("ns", tz=UTC))
    return [
        ("series", "==", choice.series),
        ("target", "==", choice.target),
        ("origin", "==", instant),
    ]


def _history(pipeline: Pipeline, choice: Choice, clock: Clock) -> pd.DataFrame:
    """The rows before the origin, as `ForecastView.history`."""
    arrays, fitted, lookback = _prepared(pipeline, _version(pipeline))
    if choice.series not in fitted.series or choice.target not in fitted.targets:
        raise ArtifactError(
            f"{identity_file(pipeline)} has no series {choice.series!r} with {choice.target!r}, of "
            f"which {pipeline.predictions} has a forecast; run `dvc repro`"
        )
    series, target = fitted.series.index(choice.series), fitted.targets.index(choice.target)
    first, end = arrays.series_offsets[series : series + 2]
    times = arrays.timestamps[first:end]
    origin = int(first + np.searchsorted(times, choice.origin))
    shown = slice(max(int(first), origin - max(2 * lookback, MIN_ROWS)), origin)
    raw = arrays.raw_target[shown, target]
    known = arrays.known_at[shown, arrays.target_indices[target]] < origin
    repaired = np.where(
        known, arrays.filled_target[shown, target], arrays.causal_target[shown, target]
    )
    replaced = arrays.replaced[shown, target] if arrays.replaced.size else np.zeros(len(raw), bool)
    made = np.where(replaced, "replaced", np.where(np.isnan(raw), "filled", ""))
    made = np.where(np.isnan(repaired), "", made)
    wall = wall_times(clock, arrays.timestamps[shown])
    return pd.DataFrame({"time": wall, "raw": raw, "repaired": repaired, "made": made})


def _version(pipeline: Pipeline) -> tuple[object, ...]:
    """Changes with the files of `_prepared`; ArtifactError if one is missing."""
    paths = (identity_file(pipeline), pipeline.preprocessor, pipeline.params)
    for path in paths:
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; run `dvc checkout` or `dvc repro`")
    return tuple(version_of(path) for path in paths)


@lru_cache(maxsize=2)
def _prepared(
    pipeline: Pipeline, _version: tuple[object, ...]
) -> tuple[AsOfArrays, Preprocessor, int]:
    """The arrays, the preprocessor and the lookback of a pipeline."""
    lookback = load_params(pipeline.folder).window.lookback
    return load_arrays(pipeline), Preprocessor.load(pipeline.preprocessor), lookback
