"""The covariate schema: which columns the raw table has and what they mean.

One JSON file per data set (``configs/covariates/*.json``), validated by a frozen pydantic model.
Nothing about the file is guessed: it declares missing markers, separator, decimal mark and
timestamp format.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import lazy_loader
import pandas as pd
import pydantic
from pydantic import Field

from spline_lstm.core.errors import SchemaError, shorten

# Few schemas use holidays, and the package takes a quarter of a second to load.
holidays: Any = lazy_loader.load("holidays")

Name = Annotated[str, Field(min_length=1)]

CalendarFeature = Literal[
    "hour_sin",
    "hour_cos",
    "dow_sin",
    "dow_cos",
    "doy_sin",
    "doy_cos",
    "month_sin",
    "month_cos",
    "is_holiday",
]
DynamicPolicy = Literal["interpolate", "ffill", "ffill_bfill_then_zero", "zero", "unknown_token"]
# The first encoding of each dtype is its default.
ENCODINGS = {
    "float": ("scaled",),
    "int": ("scaled",),
    "boolean": ("binary",),
    "categorical": ("one_hot", "embedding"),
}


# Keys of older schemas -> what they are called now.
RENAMED = {"known_ahead": "known_future"}


class Element(pydantic.BaseModel):
    """Frozen, strict, closed: the base of every element of the schema."""

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )


class TableFormat(Element):
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

    @pydantic.field_validator("timestamp_format")
    @classmethod
    def _format_is_known(cls, value: str) -> str:
        if value in ("ISO8601", "unix_s", "unix_ms"):
            return value
        try:
            # The parser that will read the timestamps; a pattern without a directive reads none.
            pd.to_datetime(pd.Series(["2020"]), format=value, errors="coerce")
        except ValueError as error:
            raise ValueError(f"not a strftime pattern ({error})") from None
        if "%" not in value:
            raise ValueError("must be ISO8601, unix_s, unix_ms or a pattern such as %d.%m.%Y %H:%M")
        return value

    @pydantic.model_validator(mode="after")
    def _marks_differ(self) -> "TableFormat":
        if self.separator == self.decimal:
            raise ValueError("separator and decimal must differ")
        return self


class DynamicCovariate(Element):
    """A column that changes over time.

    Attributes
    ----------
    dtype : str
        ``float``, ``int``, ``boolean`` (0, 1, true, false) or ``categorical`` (any text).
    encoding : str
        ``scaled`` (numbers; default), ``binary`` (booleans; default), ``one_hot`` (categories;
        default) or ``embedding`` (categories as ids, 0 being the unknown token, for a learned
        vector of `dim` numbers).
    required : bool
        A table without the column is refused (exit code 13); otherwise the column is left out.
    known_future : bool
        The column is known in advance for the whole horizon, such as a planned promotion.
    missing : str
        How a missing value is replaced, if not by `missing_policy`.
    """

    name: Name
    dtype: Literal["float", "int", "boolean", "categorical"] = "float"
    encoding: Literal["scaled", "binary", "one_hot", "embedding"] | None = None
    dim: Annotated[int, Field(ge=1)] | None = None
    required: bool = True
    known_future: bool = False
    missing: DynamicPolicy | None = None

    @property
    def coding(self) -> str:
        """The encoding, or the default of the dtype."""
        return self.encoding or ENCODINGS[self.dtype][0]

    @pydantic.model_validator(mode="after")
    def _encoding_fits(self) -> "DynamicCovariate":
        if self.coding not in ENCODINGS[self.dtype]:
            raise ValueError(
                f"a {self.dtype} column is encoded as {' or '.join(ENCODINGS[self.dtype])}"
            )
        if (self.coding == "embedding") != (self.dim is not None):
            raise ValueError(
                "dim belongs to the encoding embedding, and only to it; add or remove it"
            )
        if self.missing == "unknown_token" and self.dtype != "categorical":
            raise ValueError(
                "only a categorical column has an unknown token; choose another policy"
            )
        return self


class CalendarFeatures(Element):
    """Functions of only the timestamp, known for any time.

    Attributes
    ----------
    country, subdivision : str
        Whose public holidays `is_holiday` marks, as in the package holidays: DE and BY, US and CA.
    """

    enabled: bool = False
    features: tuple[CalendarFeature, ...] = ()
    country: Name | None = None
    subdivision: Name | None = None

    @pydantic.model_validator(mode="after")
    def _country_is_known(self) -> "CalendarFeatures":
        if "is_holiday" in self.features and self.country is None:
            raise ValueError(
                "is_holiday needs the country whose holidays count; add country, such as DE"
            )
        known = holidays.list_supported_countries() if self.country else {}
        if self.country is not None and self.country not in known:
            raise ValueError(
                f"the package holidays knows no country {self.country!r}; write its two-letter code"
            )
        if self.country is not None and self.subdivision not in (None, *known[self.country]):
            raise ValueError(
                f"{self.country} has no subdivision {self.subdivision!r} in the package holidays"
            )
        return self


class StaticCovariate(Element):
    """A property of a whole series, such as its region; the series key itself may be one.

    It becomes an id per series, 0 being the unknown token, for a learned vector of `dim` numbers.
    """

    name: Name
    dtype: Literal["categorical"] = "categorical"
    encoding: Literal["embedding"] = "embedding"
    dim: Annotated[int, Field(ge=1)]
    required: bool = True


class MissingPolicy(Element):
    """How missing values are replaced.

    Attributes
    ----------
    target : str
        ``interpolate``: `preprocess.fill` of params.yaml, up to `preprocess.max_gap`.
    dynamic_covariates : str
        ``interpolate`` (numbers by `preprocess.fill`; booleans and categories keep their last
        value), ``ffill`` (the last value), ``zero``, ``ffill_bfill_then_zero`` (the last value, and
        zero before the first one; a column that is known in advance takes its first value there
        instead) or ``unknown_token`` (categories: the unknown one; other columns keep their last
        value).
    static_covariates : str
        ``unknown_token``.
    """

    target: Literal["interpolate"] = "interpolate"
    dynamic_covariates: DynamicPolicy = "interpolate"
    static_covariates: Literal["unknown_token"] = "unknown_token"


class Schema(Element):
    """The whole covariate schema."""

    model_config = pydantic.ConfigDict(title="Covariate schema")

    editor_schema: str | None = Field(default=None, alias="$schema", exclude=True)
    version: Literal[1]
    timestamp_col: Name
    series_col: Name | None = None
    target_cols: Annotated[tuple[Name, ...], Field(min_length=1)]
    dynamic_covariates: tuple[DynamicCovariate, ...] = ()
    calendar_features: CalendarFeatures = CalendarFeatures()
    static_covariates: tuple[StaticCovariate, ...] = ()
    missing_policy: MissingPolicy = MissingPolicy()
    table_format: TableFormat = TableFormat()

    @pydantic.model_validator(mode="after")
    def _no_name_twice(self) -> "Schema":
        names = [
            self.timestamp_col,
            *self.target_cols,
            *(item.name for item in self.dynamic_covariates),
        ]
        statics = [item.name for item in self.static_covariates]
        names += [name for name in statics if name != self.series_col] + [self.series_col] * (
            self.series_col is not None
        )
        names += list(self.calendar_features.features)
        twice = {name for name in names if names.count(name) > 1} | {
            n for n in statics if statics.count(n) > 1
        }
        if twice:
            raise ValueError(
                f"each name may appear only once; duplicated: {', '.join(sorted(map(str, twice)))}"
            )
        return self

    def covariate(self, name: str) -> DynamicCovariate | None:
        """The dynamic covariate of that name; None for other columns."""
        return next((item for item in self.dynamic_covariates if item.name == name), None)


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
    try:
        text = path.read_text(encoding="utf-8-sig")
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
    return parse_schema(text, str(path))


def parse_schema(text: str, where: str) -> Schema:
    """Validate the JSON text of a schema; `where` names it in errors."""
    try:
        return Schema.model_validate_json(
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
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]
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
