"""Rows as cells of JSON, or of a form, to a table: numbers are numbers, other cells are texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.formatting import number_text
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.core.table_format import TableFormat
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.tables.row_table import RowTable, row_table_of_frame

FILES = ("model.onnx", "model.tflite")
# What a text of a date must look like: ISO 8601.
ORDINARY_DATE = "2024-01-31"
Row = Mapping[str, Any]


def cell_schema(preprocessor: RowPreprocessor) -> RowSchema:
    """The schema of rows to predict, with numbers and dates as JSON has them."""
    return preprocessor.feature_schema.model_copy(update={"table_format": TableFormat()})


def table_of_cells(rows: Sequence[Row], schema: RowSchema, where: str) -> RowTable:
    """The table of some rows, each with a cell per column of `cell_schema`, None where missing.

    Raises
    ------
    DataContractError
        A cell is not of its kind.
    """
    frame = pd.DataFrame.from_records(rows, columns=list(schema.names))
    columns = {
        name: _numbers(frame[name]) if schema.kind(name) == "number" else _texts(frame[name])
        for name in schema.names
    }
    return row_table_of_frame(pd.DataFrame(columns), schema, where=where)


def _numbers(column: pd.Series) -> pd.Series:
    if any(isinstance(cell, bool) for cell in column):
        return _texts(column)
    try:
        return column.astype("float64")
    except (TypeError, ValueError):
        # A text among them, which the contract then names as it does a boolean.
        return _texts(column)


def _texts(column: pd.Series) -> pd.Series:
    return pd.Series([None if pd.isna(cell) else cell_text(cell) for cell in column], dtype="str")


def cell_text(cell: Any) -> str:
    """JSON has no whole numbers of its own: 1.0 is the text 1.

    >>> cell_text(1.0), cell_text(True), cell_text("a")
    ('1', 'True', 'a')
    """
    return number_text(cell) if isinstance(cell, float) else str(cell)


def ordinary_row(preprocessor: RowPreprocessor) -> dict[str, Any]:
    """A row with a middle number, the first category and some date."""
    row: dict[str, Any] = {}
    for name in preprocessor.columns:
        kind = preprocessor.table_schema.kind(name)
        if kind == "number":
            transform = preprocessor.transforms.get(name)
            knots = () if transform is None else transform.knots
            middle = knots[len(knots) // 2] if knots else getattr(transform, "center", 0.0)
            row[name] = float(np.round(middle, 4))
        elif kind == "date":
            row[name] = ORDINARY_DATE
        else:
            row[name] = (preprocessor.categories.get(name) or (None,))[0]
    return row


def exported_file(folder: Path) -> Path:
    """The exported network of a pipeline in its folder of exported files.

    Raises
    ------
    ArtifactError
        There is none.
    """
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise ArtifactError(f"{folder / FILES[0]} is missing, the model to serve; run `dvc repro`")
