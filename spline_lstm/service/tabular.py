"""Rows of a body to classes or numbers, by the exported network of the task tabular."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
from jaxtyping import Float
from pydantic import Field

from spline_lstm.core.errors import DataContractError, SplineLstmError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.row_schema import RowSchema
from spline_lstm.export.sessions import Session
from spline_lstm.inference.conformal import ConformalRows
from spline_lstm.inference.row_cells import (
    cell_schema,
    exported_file,
    ordinary_row,
    table_of_cells,
)
from spline_lstm.inference.row_files import RowPredictor
from spline_lstm.service.bodies import Body, Cell
from spline_lstm.service.errors import (
    MAX_FINDINGS,
    TOO_LARGE,
    UNPROCESSABLE,
    CallError,
    Finding,
    body_error,
    contract_error,
    refused,
)
from spline_lstm.service.forecasts import read_json
from spline_lstm.service.served_file import open_trees
from spline_lstm.service.served_model import ServedModel
from spline_lstm.service.settings import Settings
from spline_lstm.service.source import Source
from spline_lstm.store.registry import Model

WHERE = "rows"
# Of a table as messages count lines: after its header.
FIRST_LINE = 2


class TableRows(Body):
    """Rows of a table: each is an object with a cell per column, null where it is missing."""

    rows: Annotated[list[dict[str, Cell]], Field(min_length=1)]
    model: str | None = None


class RowBounds(pydantic.BaseModel):
    """The set of classes or the ends of the interval of one level, percent; null: no bound."""

    level: float
    classes: list[str] | None
    lower: float | None
    upper: float | None


class RowAnswer(pydantic.BaseModel):
    """The prediction of one row; `probabilities` of classes only."""

    prediction: str | float
    probabilities: dict[str, float] | None
    intervals: list[RowBounds]


class RowAnswers(pydantic.BaseModel):
    """The predictions of one call, in the order of its rows."""

    model_id: str
    run_id: str
    pipeline: str
    target: str
    rows: list[RowAnswer]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class LoadedRows(ServedModel):
    """A model of rows that answers calls.

    Attributes
    ----------
    predictor : RowPredictor
    exported : path -> Session
        The exported files of the network and of trees.
    """

    predictor: RowPredictor
    exported: Mapping[Path, Session]

    @property
    def sessions(self) -> Mapping[Path, Session]:
        """The exported files of the network and of trees."""
        return self.exported

    @property
    def run_id(self) -> str:
        """Content id of the trained model."""
        return self.predictor.run_id

    @property
    def takes_missing(self) -> bool:
        """The graph of the network fills missing numbers, and trees read them."""
        return True

    @property
    def schema(self) -> RowSchema:
        """Of the rows of a body, with numbers as JSON has them."""
        return cell_schema(self.predictor.preprocessor)

    def summary(self) -> dict[str, Any]:
        """What a list of models says."""
        fitted, conformal = self.predictor.preprocessor, self.predictor.conformal
        return {
            **self.source.summary(self.row, self.run_id),
            "targets": [fitted.target],
            "kind": fitted.kind,
            "classes": list(fitted.classes),
            "levels": [] if conformal is None else list(conformal.levels),
        }

    def details(self) -> dict[str, Any]:
        """What is known about the model: schema, metrics and hash of the data, too."""
        fitted = self.predictor.preprocessor
        return {
            **self.summary(),
            **self.source.measured(self.row),
            "schema": fitted.table_schema.model_dump(mode="json"),
            "model_type": self.predictor.model_type,
            "features": list(fitted.features),
        }


def load_rows_model(source: Source, row: Model | None) -> LoadedRows:
    """The model of a row of the registry, or the exported files of the folder.

    Raises
    ------
    StoreError, ArtifactError
        Files are missing or damaged, or do not belong together.
    """
    pipeline = Pipeline(source.files_of(row))
    path = exported_file(pipeline.exported)
    predictor = RowPredictor.of_file(path, pipeline.preprocessor)
    assert predictor.session is not None
    exported = {path: predictor.session, **open_trees(pipeline.exported)}
    return LoadedRows(source, row, predictor, exported)


def read_table_rows(content: bytes, settings: Settings) -> TableRows:
    """The rows of a body.

    Raises
    ------
    CallError
        A key is missing, unknown or of another type, or there are too many rows.
    """
    try:
        body = TableRows.model_validate(read_json(content))
    except pydantic.ValidationError as error:
        raise body_error(error) from None
    if len(body.rows) > settings.max_rows:
        text = f"{len(body.rows)} rows, at most {settings.max_rows} in a call; send fewer"
        raise refused(TOO_LARGE, ("body", "rows"), "max_rows", text)
    return body


def answers_of(model: LoadedRows, body: TableRows) -> dict[str, Any]:
    """The prediction of each row, in the order of the body.

    Raises
    ------
    CallError
        A column is missing or unknown, or a cell is not of its kind.
    """
    schema = model.schema
    _check_keys(body, schema, model.predictor.preprocessor.table_schema)
    try:
        predicted = model.predictor.of_table(table_of_cells(body.rows, schema, WHERE))
    except DataContractError as error:
        raise _cell_errors(error) from None
    except SplineLstmError as error:
        raise contract_error(error) from None
    return {
        "model_id": model.model_id,
        "run_id": model.run_id,
        "pipeline": model.source.name,
        "target": model.predictor.preprocessor.target,
        "rows": _answers(model, predicted.values),
        "warnings": list(predicted.warnings),
    }


def _check_keys(body: TableRows, schema: RowSchema, known: RowSchema) -> None:
    """Each row has the columns that the model reads; others of the table are allowed."""
    needed, allowed = {*schema.names}, {*known.names}
    for index, row in enumerate(body.rows):
        loc = ("body", "rows", index)
        if missing := sorted(needed - row.keys()):
            text = f"column {missing[0]!r} is missing; add it, null if it has no value"
            raise refused(422, (*loc, missing[0]), "column", text)
        if unknown := sorted(row.keys() - allowed):
            text = f"the model has no column {unknown[0]!r}; remove it or correct its name"
            raise refused(422, (*loc, unknown[0]), "column", text)


def _cell_errors(error: DataContractError) -> CallError:
    """The cells that break the contract, by the position of their row in the body."""
    found = [each for each in error.quality["violations"] if isinstance(each, dict)]
    if not found or not all(each["rows"] for each in found):
        return contract_error(error)
    findings = []
    for each in found[:MAX_FINDINGS]:
        index = each["rows"][0] - FIRST_LINE
        also = f" ({each['count']} rows in all)" if each["count"] > 1 else ""
        loc = ("body", "rows", index, each["column"])
        message = f"{WHERE}[{index}]: {each['text']}"
        _, _, remedy = each["text"].rpartition("; ")
        findings.append(Finding(loc, error.title, f"{message}{also}", remedy))
    return CallError(UNPROCESSABLE, *findings)


def _answers(model: LoadedRows, values: Float[np.ndarray, "rows outputs"]) -> list[dict[str, Any]]:
    classes, conformal = model.predictor.preprocessor.classes, model.predictor.conformal
    bounds: list[list[dict[str, Any]]] = [[] for _ in values]
    bounds = bounds if conformal is None else _bounds(conformal, values, classes)
    if not classes:
        return [
            {"prediction": float(value), "probabilities": None, "intervals": bounds[index]}
            for index, value in enumerate(values[:, 0])
        ]
    return [
        {
            "prediction": classes[int(p.argmax())],
            "probabilities": dict(zip(classes, map(float, p), strict=True)),
            "intervals": bounds[index],
        }
        for index, p in enumerate(values)
    ]


def _bounds(
    conformal: ConformalRows, values: Float[np.ndarray, "rows outputs"], classes: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """Of each row the set or the interval of each level; bounds that are infinite become null."""
    empty = {"classes": None, "lower": None, "upper": None}
    if classes:
        sets = conformal.sets(values)
        return [
            [
                {
                    **empty,
                    "level": level,
                    "classes": [classes[i] for i in np.flatnonzero(inside).tolist()],
                }
                for level, inside in zip(conformal.levels, sets[:, index], strict=True)
            ]
            for index in range(len(values))
        ]
    low, high = conformal.bounds(values)
    return [
        [
            {**empty, "level": level, "lower": float(low[k, index]), "upper": float(high[k, index])}
            for k, level in enumerate(conformal.levels)
        ]
        for index in range(len(values))
    ]


def rows_example(model: LoadedRows) -> dict[str, Any]:
    """A body of ``POST /v1/rows``: one row with ordinary cells."""
    return {"rows": [ordinary_row(model.predictor.preprocessor)]}
