"""A model of rows, the trees and the baselines on the test split: parts of the task tabular."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from spline_lstm.core.artifacts import write_atomically
from spline_lstm.core.formatting import listed, number, plain
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.row_baselines import row_baselines
from spline_lstm.evaluation.row_importance import (
    Predict,
    permutation_importance,
    tree_importance,
)
from spline_lstm.evaluation.row_metrics import (
    calibration_table,
    names_of,
    row_metrics,
    verdict_of,
)
from spline_lstm.inference.conformal import ConformalRows, coverage_rows, fit_conformal
from spline_lstm.inference.row_predictions import (
    network_predictor,
    prediction_columns,
    tree_predictors,
)
from spline_lstm.rows.arrays import Rows, RowSplit
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.trees.saved_trees import SavedTrees, load_trees

Predictions = Float[np.ndarray, "rows outputs"]


@dataclass(frozen=True)
class RowScores:
    """Scores of the test split.

    Attributes
    ----------
    content : dict
        metrics/evaluate.json, details as mappings.
    intervals : dict
        models/intervals.json.
    """

    content: dict[str, Any]
    intervals: dict[str, Any]


def score_rows(folder: Path, model: Any, rows: Rows, params: Params) -> RowScores:
    """Score the test split and write data/predictions.parquet.

    Parameters
    ----------
    folder : Path
        The pipeline folder.
    model : SavedModel
        Of models/rnn.
    rows : Rows
    params : Params
    """
    pipeline = Pipeline(folder)
    preprocessor = RowPreprocessor.load(pipeline.preprocessor)
    trees = load_trees(pipeline.trees) if params.trees.members else None
    models = {MODEL: network_predictor(model, preprocessor)}
    models |= tree_predictors(trees, preprocessor)
    baselines = row_baselines(rows, preprocessor)
    validation, test = rows.split("validation"), rows.split("test")
    predicted = {name: f(test.inputs) for name, f in (models | baselines).items()}
    conformal = fit_conformal(
        models[MODEL](validation.inputs),
        validation.truth,
        preprocessor.kind,
        params.evaluate.interval_levels,
    )
    content = row_content(predicted, test, preprocessor.kind)
    content |= {
        "classes": list(preprocessor.classes),
        "intervals": coverage_rows(conformal, predicted[MODEL], test.truth),
        "importance": _importance(models | baselines, trees, test, preprocessor, params),
        "splits": [{"split": name, "rows": len(chosen)} for name, chosen in rows.splits.items()],
    }
    table = prediction_table(predicted[MODEL], conformal, test, preprocessor)
    write_atomically(pipeline.predictions, lambda path: pq.write_table(table, path))
    return RowScores(content, conformal.to_json())


def row_content(predicted: Mapping[str, Predictions], test: RowSplit, kind: str) -> dict[str, Any]:
    """Metrics of the model (the key `MODEL` of `predicted`) and of everything beside it.

    Returns
    -------
    dict
        The metrics of the model (`row_metrics.names_of`), what `row_metrics.verdict_of` says,
        `kind`, `n_windows` (rows), the table `calibration`, and nested `baselines`.
    """
    metrics = {name: row_metrics(test.truth, values, kind) for name, values in predicted.items()}
    model = metrics.pop(MODEL)
    table = calibration_table(test.truth, predicted[MODEL], kind)
    return {
        **model,
        **verdict_of(model, metrics, kind),
        "kind": kind,
        "n_windows": len(test),
        "baselines": metrics,
        "calibration": [asdict(row) for row in table],
    }


def _importance(
    models: Mapping[str, Predict],
    trees: SavedTrees | None,
    test: RowSplit,
    preprocessor: RowPreprocessor,
    params: Params,
) -> list[dict[str, Any]]:
    """A record per feature: permutation importance of each model, SHAP of each library of trees."""
    kept = {name: predict for name, predict in models.items() if name not in ("majority", "mean")}
    settings = params.tabular
    permuted = permutation_importance(
        kept, test, preprocessor, settings.importance_repeats, settings.seed
    )
    shap = {} if trees is None else tree_importance(trees, test)
    records = [
        {
            "feature": feature,
            **{name: values[feature] for name, values in permuted.items()},
            **{f"shap_{name}": values[feature] for name, values in shap.items()},
        }
        for feature in preprocessor.features
    ]
    return sorted(records, key=lambda record: -record[MODEL])


def prediction_table(
    predictions: Predictions,
    conformal: ConformalRows,
    split: RowSplit,
    preprocessor: RowPreprocessor,
) -> pa.Table:
    """One row per test row: its line in the table, the truth, the prediction, and its sets.

    Returns
    -------
    pa.Table
        line, y_true and y_pred (texts of classes, or numbers); of classes `probability_CLASS` and
        `set_LEVEL` (texts with a comma between the classes), of numbers `lower_LEVEL` and
        `upper_LEVEL`.
    """
    columns: dict[str, Any] = {"line": split.lines}
    if preprocessor.classes:
        names = np.array(preprocessor.classes)
        columns["y_true"] = names[split.truth.astype(np.int64)]
    else:
        columns["y_true"] = split.truth
    return pa.table({**columns, **prediction_columns(predictions, conformal, preprocessor.classes)})


def row_tables(folder: Path, scores: RowScores) -> None:
    """Write plots/importance.csv and plots/calibration.csv."""
    for name in ("importance", "calibration"):
        write_plot_table(folder / f"{name}.csv", pd.DataFrame(scores.content[name]))


def row_verdict(scores: Mapping[str, Any]) -> str:
    """One clause on the model, the trees and the baselines; `scores` as `row_content` has them."""
    key, name = next(iter(names_of(scores["kind"]).items()))
    best, value = scores["best_baseline"], number(scores[key])
    lowest = number(scores["baselines"][best][key])
    if not scores["beats_baselines"]:
        losers = listed([plain(loser) for loser in scores["loses_to"]])
        return (
            f"the model LOSES TO {losers}: {name} {value} against {lowest} of the best, "
            f"{plain(best)}"
        )
    return (
        f"the model beats all {len(scores['baselines'])} others: {name} {value}, "
        f"{100 * scores['skill']:.1f} % below that of the best, {plain(best)} ({lowest})"
    )
