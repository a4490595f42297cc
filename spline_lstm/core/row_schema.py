"""The schema of a table without timestamps: which columns are features, and what they contain.

One JSON file per table, beside params.yaml. Which of the columns is the target is a param
(`tabular.target`), so that one schema serves several targets.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from spline_lstm.core.schema import SchemaModel, parse_model, read_schema_text
from spline_lstm.core.table_format import Element, Name, TableFormat

Kind = Literal["number", "category", "boolean", "date"]


class RowColumn(Element):
    """A column of the table.

    Attributes
    ----------
    kind : str
        ``number``; ``category`` (any text); ``boolean`` (two texts, such as true and false, kept
        as a category); ``date`` (enters as numbers: the day since 1970, year, month, day of the
        month, day of the week, and the hour if it differs between rows).
    """

    name: Name
    kind: Kind = "number"


class RowSchema(SchemaModel):
    """The whole schema of a table of rows.

    Attributes
    ----------
    version : int
    columns : tuple of RowColumn
        Every column that is read: the features, the target, and the column of the split. Other
        columns of the table are left out.
    """

    model_config = pydantic.ConfigDict(title="Schema of a table of rows")

    version: Literal[1] = 1
    columns: Annotated[tuple[RowColumn, ...], Field(min_length=1)]
    table_format: TableFormat = TableFormat()

    @pydantic.model_validator(mode="after")
    def _no_name_twice(self) -> "RowSchema":
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"each name may appear only once; duplicated: {', '.join(twice)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    def kind(self, name: str) -> Kind:
        """Kind of a column; KeyError if the schema does not have it."""
        kinds: dict[str, Kind] = {column.name: column.kind for column in self.columns}
        return kinds[name]


def load_row_schema(path: Path) -> RowSchema:
    """Read and validate a schema file; errors are those of `spline_lstm.core.schema.load_schema`.

    Raises
    ------
    SchemaError
    """
    return parse_row_schema(read_schema_text(path), str(path))


def parse_row_schema(text: str, where: str) -> RowSchema:
    """Validate the JSON text of a schema; `where` names it in errors.

    Raises
    ------
    SchemaError
    """
    return parse_model(RowSchema, text, where)


def row_json_schema() -> str:
    """JSON Schema of the schema, for editors (configs/rows.schema.json)."""
    content = RowSchema.model_json_schema(by_alias=True)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
