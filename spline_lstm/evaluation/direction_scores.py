"""Trees, network, ensemble and baselines of the task direction on the test split.

Parts of the task (see `tasks.task`): the ensemble is fitted on validation here and kept in
models/ensemble.json; what counts is judged by `evaluation.day_content`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from spline_lstm.core.artifacts import content_id, write_atomically, write_json
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.evaluation.assess import split_records
from spline_lstm.evaluation.day_content import ENSEMBLE, DayForecasts, day_content
from spline_lstm.evaluation.day_fit import fit_days, rows_of_splits
from spline_lstm.evaluation.day_plots import calibration_table, lift_table, year_table
from spline_lstm.evaluation.ensemble_fit import EnsembleFit
from spline_lstm.inference.intervals import no_intervals
from spline_lstm.market.day_rows import DayRows
from spline_lstm.market.windows import DirectionWindows
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.trees.ensemble import NETWORK, Ensemble, params_of_scoring
from spline_lstm.trees.reasons import largest_reasons, mean_contributions, reasons_text
from spline_lstm.trees.saved_trees import SavedTrees, load_trees
from spline_lstm.trees.words import word_of
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.scaling import Scaler

Probabilities = Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class DirectionScores:
    """What the stage evaluate writes of the task direction.

    Attributes
    ----------
    content : content of metrics/evaluate.json, details as mappings
    intervals : content of models/intervals.json: there are none
    tables : name -> table in plots/
    """

    content: dict[str, Any]
    intervals: dict[str, Any]
    tables: Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Members:
    """The trained members and their probabilities.

    Attributes
    ----------
    network : SavedModel
    trees : SavedTrees
    """

    network: SavedModel
    trees: SavedTrees

    def predict(self, rows: DayRows) -> dict[str, Probabilities]:
        """Member -> [rows] probabilities."""
        network = self.network.predict(rows.X)[:, 0].astype(np.float64)
        return {**self.trees.predict(rows.last), NETWORK: network}


def score_direction(
    folder: Path, model: SavedModel, windows: DirectionWindows, params: Params
) -> DirectionScores:
    """Part `scores` of the task: fit the ensemble, score the test split, write both to files.

    Raises
    ------
    ArtifactError
        The trees are missing, damaged, or were trained on other features than the network.
    """
    pipeline = Pipeline(folder)
    trees = load_trees(pipeline.trees)
    _check_together(trees, windows)
    members = Members(model, trees)
    rows = rows_of_splits(windows)
    predicted = {name: members.predict(each) for name, each in rows.items()}
    found = fit_days(windows, rows, predicted, params.ensemble)
    fit, forecasts, test = found.fit, found.forecasts, rows["test"]
    content = {
        **day_content(forecasts, found.aucs, params.probability),
        "ensemble": ensemble_content(fit),
        "splits": split_records(windows),
    }
    run_id = write_ensemble(pipeline, fit.ensemble, (model.run_id, trees.run_id), params)
    reasons = reasons_of_rows(trees, fit.ensemble, test.last, windows.scaler)
    table = prediction_table(forecasts, test, windows.clock, symbols_of(pipeline))
    words = [word_of(p, params.probability.words) for p in forecasts.forecasts[ENSEMBLE].tolist()]
    table = table.append_column("word", pa.array(words)).append_column("reasons", pa.array(reasons))
    write_atomically(pipeline.predictions, lambda path: pq.write_table(table, path))
    tables = {
        "calibration": calibration_table(content["calibration"]),
        "years": year_table(content["years"]),
        "lift": lift_table(forecasts),
    }
    return DirectionScores(
        content | {"ensemble_run_id": run_id}, no_intervals(1, 1).to_json(), tables
    )


def direction_tables(folder: Path, scores: DirectionScores) -> None:
    """Part `tables` of the task: calibration.csv, years.csv and lift.csv."""
    for name, table in scores.tables.items():
        write_plot_table(folder / f"{name}.csv", table)


def ensemble_content(fit: EnsembleFit) -> dict[str, Any]:
    """What metrics/evaluate.json says of the ensemble."""
    ensemble = fit.ensemble
    return {
        "weights": dict(ensemble.weights),
        "chosen": ensemble.chosen,
        "calibration": ensemble.calibration.method,
        "reason": ensemble.reason,
        "validation_log_losses": dict(fit.log_losses),
    }


def write_ensemble(
    pipeline: Pipeline, ensemble: Ensemble, run_ids: tuple[str, str], params: Params
) -> str:
    """Write models/ensemble.json; returns its run id, which chains those of its members.

    `run_ids` are of the network and the trees. The params that scoring needs are beside the run id:
    those of the folder may be others by then.
    """
    content = {
        "network_run_id": run_ids[0],
        "trees_run_id": run_ids[1],
        **ensemble.to_json(),
    }
    run_id = content_id(content)
    write_json(
        pipeline.ensemble, {"run_id": run_id, **content, "params": params_of_scoring(params)}
    )
    return run_id


def reasons_of_rows(
    trees: SavedTrees,
    ensemble: Ensemble,
    X: Float[np.ndarray, "rows features"],
    scaler: Scaler,
) -> list[str]:
    """The three largest contributions of the trees that count, a text per row, "" without any.

    Parameters
    ----------
    trees, ensemble
    X : np.ndarray
        [rows, features] z-scores; the texts give their data units.
    scaler : Scaler
    """
    added = mean_contributions(trees, X, ensemble.used({**trees.members, NETWORK: None}))
    if added is None:
        return [""] * len(X)
    return [
        reasons_text(reasons)
        for reasons in largest_reasons(trees.features, scaler.inverse(X), added)
    ]


def prediction_table(
    forecasts: DayForecasts, rows: DayRows, clock: Clock, symbols: Sequence[str]
) -> pa.Table:
    """data/predictions.parquet: a row per symbol and day of the test split, with all forecasts."""
    times = pa.array(clock.to_pandas(rows.days))
    return pa.table(
        {
            "symbol": pa.array([symbols[index] for index in rows.symbols.tolist()]),
            "day": times,
            "label": pa.array(rows.labels),
            "forward_return": pa.array(rows.returns),
            **{name: pa.array(p) for name, p in forecasts.forecasts.items()},
        }
    )


def symbols_of(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the symbols, by their index."""
    return Preprocessor.load(pipeline.preprocessor).series


def _check_together(trees: SavedTrees, windows: DirectionWindows) -> None:
    if trees.features != tuple(windows.feature_names):
        raise ArtifactError(
            "models/trees was trained on other features than the windows have; run `dvc repro`"
        )
