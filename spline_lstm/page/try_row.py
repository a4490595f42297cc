"""A row that a person fills in, and what the exported model says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.row_schema import Kind
from spline_lstm.rows.preprocessor import RowPreprocessor

WHERE = "the row"


@dataclass(frozen=True)
class Cell:
    """One cell to fill in.

    Attributes
    ----------
    name, kind : of the column
    choices : texts of a category or boolean that the model knows
    ordinary : what the form begins with; of texts the first of the choices
    """

    name: str
    kind: Kind
    choices: tuple[str, ...]
    ordinary: Any


def cells_of(pipeline: Pipeline) -> list[Cell] | None:
    """The cells of a row; None if the model was not exported yet.

    Raises
    ------
    ArtifactError
        A file is damaged.
    """
    # Only who opens the tab of rows waits for the runtime of the exported files.
    from spline_lstm.inference.row_cells import FILES, ordinary_row  # noqa: PLC0415

    if not any((pipeline.exported / name).is_file() for name in FILES):
        return None
    fitted = RowPreprocessor.load(pipeline.preprocessor)
    ordinary = ordinary_row(fitted)
    return [
        Cell(
            name,
            fitted.table_schema.kind(name),
            tuple(text for text in fitted.categories.get(name, ()) if text is not None),
            ordinary[name],
        )
        for name in fitted.columns
    ]


@dataclass(frozen=True, eq=False)
class TriedRow:
    """What the model says of a row.

    Attributes
    ----------
    predicted : DataFrame
        One row: the prediction, probabilities of classes, sets or intervals.
    warnings : tuple of str
        What the model does not know of the row.
    """

    predicted: pd.DataFrame
    warnings: tuple[str, ...]


def try_row(pipeline: Pipeline, cells: Mapping[str, Any]) -> TriedRow:
    """The prediction for one row, as ``POST /v1/rows`` makes it of the same exported file.

    Parameters
    ----------
    pipeline : Pipeline
    cells : column -> number or text, None where it is missing

    Raises
    ------
    ArtifactError, DataContractError
        A file is missing or damaged, or a cell is not of its kind.
    """
    # As in `cells_of`.
    from spline_lstm.inference.row_cells import (  # noqa: PLC0415
        cell_schema,
        exported_file,
        table_of_cells,
    )
    from spline_lstm.inference.row_files import LINE, RowPredictor  # noqa: PLC0415

    predictor = RowPredictor.of_file(exported_file(pipeline.exported), pipeline.preprocessor)
    table = table_of_cells([cells], cell_schema(predictor.preprocessor), WHERE)
    predicted = predictor.of_table(table)
    return TriedRow(predicted.frame().drop(columns=LINE), tuple(predicted.warnings))
