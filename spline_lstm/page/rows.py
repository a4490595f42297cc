"""What was measured of a model of rows (task tabular): its metrics, importance and predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.page.reading import json_if_made, parquet_columns, parquet_rows

MODEL = "model"
# Rows of the test split that are shown at most.
MAX_ROWS = 2_000


@dataclass(frozen=True, eq=False)
class RowsView:
    """What is shown of a model of rows.

    Attributes
    ----------
    kind : classification or regression
    metrics : DataFrame
        One row per prediction, the model first: `prediction` and its metrics.
    importance : DataFrame
        One row per feature: `feature` and a column per model, the most important one first.
    calibration, intervals : DataFrame
    predictions : DataFrame
        Rows of the test split: their line in the table, the truth, the prediction and its sets; of
        numbers also the error.
    """

    kind: str
    metrics: pd.DataFrame
    importance: pd.DataFrame
    calibration: pd.DataFrame
    intervals: pd.DataFrame
    predictions: pd.DataFrame

    @property
    def importances(self) -> list[str]:
        """What importance was measured of."""
        return [str(name) for name in self.importance if name != "feature"]


def rows_view(pipeline: Pipeline) -> RowsView | None:
    """What was measured; None if evaluate has not run, or its task is another one.

    Raises
    ------
    ArtifactError
        A file is damaged.
    """
    path = pipeline.metrics("evaluate")
    content = json_if_made(path)
    if "kind" not in content or "importance" not in content:
        return None
    try:
        return RowsView(
            kind=str(content["kind"]),
            metrics=_metrics(content),
            importance=pd.DataFrame(content["importance"]),
            calibration=pd.DataFrame(content["calibration"]),
            intervals=pd.DataFrame(content["intervals"]),
            predictions=_predictions(pipeline),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{path} was written by another version of the code ({error}); run `dvc repro`"
        ) from None


def _metrics(content: Mapping[str, Any]) -> pd.DataFrame:
    """The metrics that the model shares with what it is compared with."""
    others = _by_name(content["baselines"])
    names = list(dict.fromkeys(name for row in others.values() for name in row))
    rows = [
        {"prediction": name} | {key: row.get(key) for key in names}
        for name, row in {MODEL: content, **others}.items()
    ]
    return pd.DataFrame(rows, columns=["prediction", *names])


def _by_name(records: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Details of a metrics file: name -> values, also if it has them as a list of records."""
    if isinstance(records, Mapping):
        return dict(records)
    keyed = {}
    for record in records:
        key, *_ = record
        keyed[str(record[key])] = {name: value for name, value in record.items() if name != key}
    return keyed


def _predictions(pipeline: Pipeline) -> pd.DataFrame:
    path = pipeline.predictions
    if not path.is_file():
        return pd.DataFrame()
    table = parquet_rows(path, parquet_columns(path)).head(MAX_ROWS)
    if pd.api.types.is_numeric_dtype(table["y_pred"]):
        return table.assign(error=table["y_pred"] - table["y_true"])
    return table.assign(right=table["y_pred"] == table["y_true"])
