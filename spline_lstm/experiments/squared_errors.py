"""The forecasts of the experiments, from the DVC cache, as squared errors on the same windows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.pipeline import Pipeline, TrackedPipeline
from spline_lstm.experiments.cached_outputs import output
from spline_lstm.experiments.results import Record

FILE = Pipeline().predictions.as_posix()
KEYS = ["origin", "series", "target", "step"]
# The metrics files have six significant digits.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Errors:
    """Squared errors of several forecasts, summed per forecast origin; origins in order of time.

    Attributes
    ----------
    squared : name -> [origins] float64, squared data units; with several targets, those of
        `Record.training_stds`
    counts : [origins] float64, observed values
    windows : number of test windows (origins of all series)
    """

    squared: Mapping[str, Float[np.ndarray, " origins"]]
    counts: Float[np.ndarray, " origins"]
    windows: int


def read_errors(
    pipeline: TrackedPipeline, cache: Path, records: Sequence[Record], baselines: Sequence[str]
) -> Errors:
    """Squared errors of each record (named as its run) and of the baselines of each feature mode.

    A baseline has the name ``<baseline> <mode>``.

    Raises
    ------
    ExperimentError
        A file is not in the cache, the experiments differ in test windows or truths, or the
        forecasts do not give the RMSE of the table.
    """
    squared: dict[str, np.ndarray] = {}
    first: pd.DataFrame | None = None
    for record in records:
        table = read_predictions(pipeline, cache, record)
        first = table if first is None else first
        check_same_windows(first, table, records[0].run.name, record.run.name)
        for name, column in columns_of(record, baselines, table).items():
            squared.setdefault(name, squares(table, column, record.training_stds))
        check_rmse(record, table)
    assert first is not None
    counts = per_origin(first, first["y_true"].notna().to_numpy(np.float64))
    return Errors(squared, counts, int(first.groupby(["origin", "series"], observed=True).ngroups))


def columns_of(record: Record, baselines: Sequence[str], table: pd.DataFrame) -> dict[str, str]:
    """Name of a forecast -> its column."""
    mode = record.run.feature_mode
    return {record.run.name: "y_pred"} | {
        f"{name} {mode}": name for name in baselines if name in table
    }


def read_predictions(pipeline: TrackedPipeline, cache: Path, record: Record) -> pd.DataFrame:
    """The forecasts of an experiment, sorted by origin, series, target and step."""
    path = output(pipeline, cache, record, FILE)
    return pd.read_parquet(path).sort_values(KEYS, ignore_index=True)


def check_same_windows(
    first: pd.DataFrame, table: pd.DataFrame, first_name: str, name: str
) -> None:
    """Raise ExperimentError unless two experiments have the same test windows and truths."""
    same = [*KEYS, "y_true"]
    if not first[same].equals(table[same]):
        raise ExperimentError(
            f"experiments {first_name} ({len(first)} forecasts) and {name} ({len(table)}) have "
            "different test windows or truths, so their errors cannot be compared; compare feature "
            "modes that keep the same windows (params.yaml compare.feature_modes)"
        )


def check_rmse(record: Record, table: pd.DataFrame) -> None:
    """Raise ExperimentError unless the forecasts give the RMSE of the metrics that decides."""
    errors = (table["y_pred"] - table["y_true"]) / units(table, record.training_stds)
    rmse = float(np.sqrt((errors**2).mean()))
    if math.isnan(rmse) and math.isnan(record.rmse):
        return
    if not abs(rmse - record.rmse) <= ROUNDING * rmse:
        raise ExperimentError(
            f"experiment {record.run.name}: its forecasts have {record.measure} {rmse:.6g}, "
            f"its metrics {record.rmse:.6g}; run it again with --redo {record.run.name}"
        )


def squares(
    table: pd.DataFrame, column: str, training_stds: Mapping[str, float]
) -> Float[np.ndarray, " origins"]:
    """Sum of squared errors per origin; unobserved values count 0, missing forecasts give NaN.

    With several targets in `training_stds`, each error is divided by that of its target.
    """
    error = (
        (table[column] - table["y_true"]).where(table["y_true"].notna(), 0.0).to_numpy(np.float64)
    )
    return per_origin(table, (error / units(table, training_stds)) ** 2)


def units(
    table: pd.DataFrame, training_stds: Mapping[str, float]
) -> Float[np.ndarray, " rows"] | float:
    """What the errors of each row are divided by: 1 for a single target."""
    if len(training_stds) < 2:
        return 1.0
    return table["target"].astype("str").map(training_stds).to_numpy(np.float64)


def per_origin(
    table: pd.DataFrame, values: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " origins"]:
    """Sum of the values of each origin, in order of time; the table is sorted by origin."""
    starts = np.flatnonzero(table["origin"].ne(table["origin"].shift()).to_numpy())
    return np.add.reduceat(values, starts)
