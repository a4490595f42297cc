"""The covariate schema: which columns the raw table has and what they mean.

One JSON file per data set (``configs/covariates/*.json``), validated by a frozen pydantic model.
Nothing about the file is guessed: missing markers, separator, decimal mark and stamp format are
declared here.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from spline_lstm.errors import SchemaError

Name = Annotated[str, Field(min_length=1)]

CalendarFeature = Literal[
    "hour_sin", "hour_cos", "dow_sin", "dow_cos", "doy_sin", "doy_cos", "month_sin", "month_cos"
]  # fmt: skip


class Part(pydantic.BaseModel):
    """Frozen, strict, closed: the base of every part of the schema."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class TableFormat(Part):
    """How the text of a CSV file is to be read.

    Attributes
    ----------
    separator, decimal : str
        One character each.
    missing_markers : tuple of str
        Texts that mean "no value", beside the empty cell.
    timestamp_format : str
        ``ISO8601``, a strftime pattern such as ``%d.%m.%Y %H:%M``, or ``unix_s`` / ``unix_ms``.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Annotated[str, Field(min_length=1, max_length=1)] = "."
    missing_markers: tuple[str, ...] = ()
    timestamp_format: Name = "ISO8601"


class DynamicCovariate(Part):
    """A column that changes over time.

    Attributes
    ----------
    required : bool
        A table without the column is refused (exit code 13); otherwise the column is left out.
    """

    name: Name
    dtype: Literal["float", "int"] = "float"
    required: bool = True


class CalendarFeatures(Part):
    """Functions of the stamp alone, known for any time."""

    enabled: bool = False
    features: tuple[CalendarFeature, ...] = ()


class Schema(Part):
    """The whole covariate schema."""

    version: Literal[1]
    timestamp_col: Name
    series_col: Name | None = None
    target_cols: Annotated[tuple[Name, ...], Field(min_length=1)]
    dynamic_covariates: tuple[DynamicCovariate, ...] = ()
    calendar_features: CalendarFeatures = CalendarFeatures()
    table_format: TableFormat = TableFormat()

    @pydantic.model_validator(mode="after")
    def _no_name_twice(self) -> "Schema":
        names = [self.timestamp_col, *self.target_cols, *(item.name for item in self.dynamic_covariates)]
        names += [self.series_col] if self.series_col else []
        names += list(self.calendar_features.features)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"no name may stand twice; {', '.join(twice)} does")
        return self


def load_schema(path: Path) -> Schema:
    """Read and validate a schema file.

    Raises
    ------
    SchemaError
        The file is missing, no JSON, or breaks a rule; the message names the JSON path.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise SchemaError(f"{path} is missing; set data.schema_file in params.yaml to your schema") from None
    except UnicodeDecodeError:
        raise SchemaError(f"{path} is no UTF-8 text; write the schema as UTF-8 JSON") from None
    return parse_schema(text, str(path))


def parse_schema(text: str, where: str) -> Schema:
    """Validate the JSON text of a schema; `where` names it in errors."""
    try:
        return Schema.model_validate_json(json.dumps(json.loads(text)))
    except json.JSONDecodeError as error:
        raise SchemaError(f"{where} line {error.lineno}: no valid JSON ({error.msg}); mend the line") from None
    except RecursionError:
        raise SchemaError(f"{where}: nested too deeply; a schema has three levels") from None
    except pydantic.ValidationError as error:
        raise SchemaError(f"{where}: {'; '.join(_describe(item) for item in error.errors())}") from None


def _describe(item: Any) -> str:
    path = "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{path}: unknown key; remove it or mend its spelling"
    if item["type"] == "missing":
        return f"{path}: the key is missing; add it"
    rule = item["msg"].removeprefix("Value error, ")
    value = "" if isinstance(item["input"], dict) else f" = {item['input']!r}"
    return f"{path}{value}: {rule[0].lower()}{rule[1:]}"
