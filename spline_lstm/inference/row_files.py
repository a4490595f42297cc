"""Predictions for new rows from the files of a pipeline: an exported file, or the saved network.

With an exported file neither JAX nor TensorFlow is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import lazy_loader
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.formatting import listed, plural
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.formats import CATEGORIES, NUMBERS, PREDICTION
from spline_lstm.export.sessions import Session, open_session, read_metadata
from spline_lstm.inference.conformal import ConformalRows
from spline_lstm.inference.row_predictions import (
    Predict,
    finished,
    network_predictor,
    prediction_columns,
)
from spline_lstm.rows.preprocessor import RowInputs, RowPreprocessor
from spline_lstm.tables.row_table import RowTable, read_row_table

saved_model: Any = lazy_loader.load("spline_lstm.models.saved_model", suppress_warning=True)

LINE = "line"


@dataclass(frozen=True)
class PredictedRows:
    """Predictions for the rows of a table.

    Attributes
    ----------
    values : [rows, classes] probabilities, or [rows, 1] numbers
    columns : name -> [rows]
        See `row_predictions.prediction_columns`.
    lines : [rows] int64
        Line of each row in the table.
    warnings : sequence of str
        What the model does not know of these rows.
    """

    values: Float[np.ndarray, "rows outputs"]
    columns: Mapping[str, Any]
    lines: Int[np.ndarray, " rows"]
    warnings: Sequence[str]

    def frame(self) -> pd.DataFrame:
        """The columns after the line of each row."""
        return pd.DataFrame({LINE: self.lines, **self.columns})


@dataclass(frozen=True)
class RowPredictor:
    """What predicts rows, with what it needs to read them.

    Attributes
    ----------
    preprocessor : RowPreprocessor
    conformal : ConformalRows
        None: predictions have no sets or intervals.
    predict : callable
        See `spline_lstm.inference.row_predictions.Predict`.
    run_id : str
        Content id of the trained model.
    model_type : str
    session : Session
        Of an exported file; None: the saved network.
    """

    preprocessor: RowPreprocessor
    conformal: ConformalRows | None
    predict: Predict
    run_id: str
    model_type: str
    session: Session | None = None

    @classmethod
    def of_file(cls, model: Path, preprocessor: Path) -> Self:
        """With an exported file, .onnx or .tflite.

        Raises
        ------
        ArtifactError
            A file is missing or damaged, is one of trees, or they come from different runs.
        """
        session, metadata = open_session(model), read_metadata(model)
        fitted = RowPreprocessor.load(preprocessor)
        if "preprocessor_run_id" not in metadata:
            raise ArtifactError(
                f"{model} is not the file of a network; trees are read by other programs, here "
                f"name {model.with_name('model.onnx')}"
            )
        if metadata["preprocessor_run_id"] != fitted.run_id:
            raise ArtifactError(
                f"{model} was trained with preprocessor {metadata['preprocessor_run_id']}, but "
                f"{preprocessor} is {fitted.run_id}; use the files of one run"
            )
        run_id = str(metadata["run_id"])
        conformal = load_conformal(preprocessor.parent / "intervals.json", run_id)
        predict = _session_predictor(session, fitted)
        return cls(fitted, conformal, predict, run_id, str(metadata["model_type"]), session)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """With the saved network of a pipeline folder, by JAX; errors as in `load_network`."""
        pipeline = Pipeline(folder)
        fitted = RowPreprocessor.load(pipeline.preprocessor)
        network = saved_model.load_network(folder)
        conformal = load_conformal(pipeline.intervals, network.run_id)
        predict = network_predictor(network, fitted)
        return cls(fitted, conformal, predict, network.run_id, network.config.model_type)

    def rows_of(self, content: bytes, where: str) -> RowTable:
        """Rows of CSV text or Parquet; only the columns that the model reads must be there.

        Raises
        ------
        DataContractError
            See `read_row_table`.
        """
        schema = self.preprocessor.feature_schema
        return read_row_table(content, schema, where=where)

    def of_table(self, table: RowTable) -> PredictedRows:
        """Predictions for the rows of a table."""
        inputs = self.preprocessor.table_inputs(table)
        values = self.predict(inputs)
        columns = prediction_columns(values, self.conformal, self.preprocessor.classes)
        return PredictedRows(values, columns, table.lines, self._warnings(inputs))

    def _warnings(self, inputs: RowInputs) -> list[str]:
        unseen = self.preprocessor.unseen(inputs)
        names = [f"{name!r} ({plural(count, 'row')})" for name, count in unseen.items()]
        if not names:
            return []
        return [
            f"categories that training does not have, or hardly, count as unknown: {listed(names)}"
        ]


def _session_predictor(session: Session, preprocessor: RowPreprocessor) -> Predict:
    """Predictions of an exported file, which reads raw numbers and ids, and answers data units."""

    def predict(inputs: RowInputs) -> np.ndarray:
        given = {NUMBERS: inputs.raw, CATEGORIES: inputs.categories}
        used = {name: value for name, value in given.items() if value.shape[1]}
        return finished(session.answer(used)[PREDICTION], preprocessor)

    return predict


def load_conformal(path: Path, run_id: str) -> ConformalRows | None:
    """The limits in models/intervals.json; None if there is no such file.

    Raises
    ------
    ArtifactError
        They are of another model.
    """
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("run_id") != run_id:
        raise ArtifactError(
            f"{path} is of the model {content.get('run_id')}, not of {run_id}; run `dvc repro`"
        )
    return ConformalRows.from_json(content)
