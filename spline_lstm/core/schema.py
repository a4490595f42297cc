"""The covariate schema: which columns the raw table has and what they mean.

One JSON file per data set (``configs/covariates/*.json``), validated by a frozen pydantic model.
Nothing about the file is guessed: it declares its layout, encoding, missing markers, separator,
decimal mark and timestamp format.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field

from spline_lstm.core.covariates import (
    CalendarFeatures,
    DynamicCovariate,
    MissingPolicy,
    StaticCovariate,
)
from spline_lstm.core.errors import SchemaError, shorten
from spline_lstm.core.schema_words import VERSIONS, read_as
from spline_lstm.core.table_format import (
    INDEX,
    TIMESTAMP_KINDS,
    Element,
    Name,
    TableFormat,
    TimestampColumn,
    Wide,
)

# Keys of older schemas -> what they are called now.
RENAMED = {"known_ahead": "known_future"}


# Lowest and highest possible value of a target, data units; None: no bound.
Bounds = tuple[float | None, float | None]


class SchemaModel(Element):
    """The base of the schemas: a file may name the JSON Schema that an editor checks it with."""

    editor_schema: str | None = Field(default=None, alias="$schema", exclude=True)


Model = TypeVar("Model", bound=SchemaModel)


class Schema(SchemaModel):
    """The whole covariate schema.

    Attributes
    ----------
    version : int
        1; ``phase5.v1``, the data-contract document, is read as the same (`core.schema_words`).
    target_bounds : pair, or target -> pair
        Lowest and highest possible value of the targets, such as [0, null]: forecasts and their
        intervals are clipped to it. Observations outside are a warning.
    """

    model_config = pydantic.ConfigDict(title="Covariate schema")

    version: Annotated[Literal[1], read_as(VERSIONS, Literal[1, "phase5.v1"])]
    timestamp_col: TimestampColumn
    series_col: Name | None = None
    target_cols: Annotated[tuple[Name, ...], Field(min_length=1)]
    dynamic_covariates: tuple[DynamicCovariate, ...] = ()
    calendar_features: CalendarFeatures = CalendarFeatures()
    static_covariates: tuple[StaticCovariate, ...] = ()
    missing_policy: MissingPolicy = MissingPolicy()
    wide: Wide | None = None
    target_bounds: Bounds | dict[Name, Bounds] | None = None
    table_format: TableFormat = TableFormat()

    @pydantic.model_validator(mode="after")
    def _bounds_fit(self) -> "Schema":
        given = self.target_bounds
        unknown = set(given) - set(self.target_cols) if isinstance(given, dict) else set()
        if unknown:
            raise ValueError(
                f"target_bounds names {', '.join(sorted(unknown))}, which is not in target_cols"
            )
        for low, high in self.bounds_of_targets:
            if low is not None and high is not None and not low < high:
                raise ValueError(f"target_bounds [{low:g}, {high:g}]: the lower must be smaller")
        return self

    @property
    def bounds_of_targets(self) -> tuple[Bounds, ...]:
        """Lowest and highest possible value of each target, None without a bound."""
        given = self.target_bounds or (None, None)
        if not isinstance(given, dict):
            return (given,) * len(self.target_cols)
        return tuple(given.get(name, (None, None)) for name in self.target_cols)

    @pydantic.model_validator(mode="after")
    def _no_name_twice(self) -> "Schema":
        names = [
            *self.timestamp_cols,
            *(self.wide.columns if self.wide else ()),
            *self.target_cols,
            *(item.name for item in self.dynamic_covariates),
        ]
        statics = [item.name for item in self.static_covariates]
        names += [name for name in statics if name != self.series_col] + [self.series_col] * (
            self.series_col is not None
        )
        made = [name for name in self.calendar_features.features if name in names]
        if made:
            raise ValueError(
                f"the column {made[0]} has the name of a calendar feature, which is made of the "
                "timestamp; rename the column in the table and in the schema, or leave the name "
                "out of calendar_features"
            )
        names += list(self.calendar_features.features)
        twice = {name for name, count in Counter(names).items() if count > 1} | {
            n for n in statics if statics.count(n) > 1
        }
        if twice:
            raise ValueError(
                f"each name may appear only once; duplicated: {', '.join(sorted(map(str, twice)))}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _timestamp_form_fits(self) -> "Schema":
        form = self.table_format.timestamp_format
        if len(self.timestamp_cols) > 1 and form != "ISO8601" and "%" not in form:
            raise ValueError(
                f"table_format.timestamp_format {form} reads one column; for a composed timestamp "
                "leave it out or write a pattern such as %Y-%m-%d %H"
            )
        if self.timestamp_col is None and form not in ("ISO8601", INDEX):
            raise ValueError(
                f"table_format.timestamp_format {form} reads a column, but timestamp_col is null: "
                "the row number is the index; leave the format out"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _wide_fits(self) -> "Schema":
        if self.wide is None:
            return self
        if self.target_cols != (self.wide.value,):
            raise ValueError(f"target_cols must be [{self.wide.value!r}], the value of wide")
        if self.series_col != self.wide.series:
            raise ValueError(f"series_col must be {self.wide.series!r}, the series of wide")
        if self.timestamp_col is None and any(c.known_future for c in self.dynamic_covariates):
            raise ValueError(
                "future rows of a wide table need timestamps, so known_future covariates do, too; "
                "name the timestamp_col"
            )
        other = [item.name for item in self.static_covariates if item.name != self.series_col]
        if other:
            raise ValueError(
                f"a wide table has no column for the static covariate {other[0]!r}; only the "
                f"series key {self.wide.series!r} can be one"
            )
        return self

    @property
    def timestamp_cols(self) -> tuple[str, ...]:
        """The columns of the timestamp; none if the row number is the index."""
        if self.timestamp_col is None:
            return ()
        return (self.timestamp_col,) if isinstance(self.timestamp_col, str) else self.timestamp_col

    @property
    def is_indexed(self) -> bool:
        """Whole numbers take the place of instants: those of the file, or row numbers."""
        return self.timestamp_col is None or self.table_format.timestamp_format == INDEX

    @property
    def long(self) -> "Schema":
        """The schema of the table that reading makes of a wide one; any other schema is its own."""
        if self.wide is None:
            return self
        form = INDEX if self.is_indexed else "ISO8601"
        table_format = self.table_format.model_copy(update={"timestamp_format": form})
        return self.model_copy(
            update={
                "timestamp_col": self.melted_timestamp,
                "wide": None,
                "table_format": table_format,
            }
        )

    @property
    def melted_timestamp(self) -> str:
        """Name of the timestamp in the rows of a wide table."""
        return "+".join(self.timestamp_cols) or "row number"

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Columns of dynamic and then of static covariates."""
        return tuple(item.name for item in (*self.dynamic_covariates, *self.static_covariates))

    def covariate(self, name: str) -> DynamicCovariate | None:
        """The dynamic covariate of that name; None for other columns."""
        return next((item for item in self.dynamic_covariates if item.name == name), None)

    def delay(self, name: str) -> int:
        """Rows after which a value of a column becomes known."""
        covariate = self.covariate(name)
        return covariate.delay if covariate else 0

    @property
    def delayed(self) -> tuple[DynamicCovariate, ...]:
        """The covariates that become known late."""
        return tuple(item for item in self.dynamic_covariates if item.delay)


def json_schema() -> str:
    """JSON Schema of the covariate schema, for editors (configs/covariates.schema.json)."""
    content = Schema.model_json_schema(by_alias=True)
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def load_schema(path: Path) -> Schema:
    """Read and validate a schema file.

    Raises
    ------
    SchemaError
        The file is missing, not JSON, or breaks a rule; the message names the JSON path.
    """
    return parse_schema(read_schema_text(path), str(path))


def read_schema_text(path: Path) -> str:
    """The text of a schema file; errors are those of `load_schema`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SchemaError(
            f"{path} is missing; set data.schema_file in params.yaml to your schema"
        ) from None
    except UnicodeDecodeError:
        raise SchemaError(f"{path} is not UTF-8 text; write the schema as UTF-8 JSON") from None
    except OSError as error:
        raise SchemaError(
            f"{path}: {error.strerror}; set data.schema_file in params.yaml to your schema"
        ) from None


def parse_schema(text: str, where: str) -> Schema:
    """Validate the JSON text of a covariate schema; `where` names it in errors."""
    return parse_model(Schema, text, where)


def parse_model(model: type[Model], text: str, where: str) -> Model:
    """Validate the JSON text of a schema of any model; `where` names it in errors.

    Raises
    ------
    SchemaError
        It is not JSON, or breaks a rule of the model.
    """
    try:
        return model.model_validate_json(
            json.dumps(json.loads(text, object_pairs_hook=_each_key_once))
        )
    except json.JSONDecodeError as error:
        raise SchemaError(
            f"{where} line {error.lineno}: not valid JSON ({error.msg}); fix the line"
        ) from None
    except RecursionError:
        raise SchemaError(f"{where}: nested too deeply; a schema has three levels") from None
    except (RepeatedKeyError, ValueError) as error:
        if not isinstance(error, pydantic.ValidationError):
            raise SchemaError(f"{where}: {shorten(str(error), 200)}; fix it") from None
        raise SchemaError(
            f"{where}: {'; '.join(_describe(item) for item in error.errors())}"
        ) from None


class RepeatedKeyError(ValueError):
    """A key appears twice in one JSON object."""


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RepeatedKeyError(f"the key {twice} appears twice")
    return dict(pairs)


def _describe(item: Any) -> str:
    path = "$" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in item["loc"]
        if part not in TIMESTAMP_KINDS
    )
    if item["type"] == "extra_forbidden":
        name = str(item["loc"][-1])
        if name in RENAMED:
            return f"{path}: this key is now called {RENAMED[name]}; rename it"
        return f"{path}: unknown key; remove it or fix its spelling"
    if item["type"] == "missing":
        return f"{path}: the key is missing; add it"
    rule = item["msg"].removeprefix("Value error, ")
    value = "" if isinstance(item["input"], dict) else f" = {shorten(item['input'])}"
    return f"{path}{value}: {rule[0].lower()}{rule[1:]}"
