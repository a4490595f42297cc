"""Elements of the covariate schema that describe covariates and what becomes of missing values."""

from typing import Annotated, Any, Literal

import lazy_loader
import pydantic
from pydantic import Field

from spline_lstm.core.schema_words import DTYPES, TARGET_POLICIES, read_as
from spline_lstm.core.table_format import Element, Name

# Few schemas use holidays, and the package takes a quarter of a second to load.
holidays: Any = lazy_loader.load("holidays")

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
ScalerKind = Literal["standard", "minmax", "robust", "none"]
Dtype = Literal["float", "int", "boolean", "categorical"]
# The words of the document, as literals for editors.
DocumentDtype = Literal["float32", "float64", "int8", "int16", "int32", "int64", "bool", "string"]
# The first encoding of each dtype is its default.
ENCODINGS = {
    "float": ("scaled", "binary"),
    "int": ("scaled", "binary"),
    "boolean": ("binary",),
    "categorical": ("one_hot", "embedding"),
}


class DynamicCovariate(Element):
    """A column that changes over time.

    Attributes
    ----------
    dtype : str
        ``float``, ``int``, ``boolean`` (0, 1, true, false) or ``categorical`` (any text); or a
        word of the data-contract document, such as ``float32``, ``int8`` or ``string``.
    encoding : str
        ``scaled`` (numbers; default), ``binary`` (booleans; default; numbers that are 0 or 1),
        ``one_hot`` (categories; default) or ``embedding`` (categories as ids, 0 being the unknown
        token, for a learned vector of `dim` numbers).
    scaler : str
        How scaled numbers are scaled, if not by `preprocess.scaler` of params.yaml: ``standard``,
        ``minmax``, ``robust`` or ``none``.
    required : bool
        A table without the column is refused (exit code 13); otherwise the column is left out.
    known_future : bool
        The column is known in advance for the whole horizon, such as a planned promotion.
    delay : int
        Rows after which a value becomes known, such as 1 for a figure of this month that is
        published next month; a forecast sees it only from then on.
    missing : str
        How a missing value is replaced, if not by `missing_policy`.
    """

    name: Name
    dtype: Annotated[Dtype, read_as(DTYPES, Dtype | DocumentDtype)] = "float"
    encoding: Literal["scaled", "binary", "one_hot", "embedding"] | None = None
    scaler: ScalerKind | None = None
    dim: Annotated[int, Field(ge=1)] | None = None
    required: bool = True
    known_future: bool = False
    delay: Annotated[int, Field(ge=0)] = 0
    missing: DynamicPolicy | None = None

    @property
    def coding(self) -> str:
        """The encoding, or the default of the dtype."""
        return self.encoding or ENCODINGS[self.dtype][0]

    @property
    def is_boolean(self) -> bool:
        """Its cells are 0 and 1, or true and false."""
        return self.coding == "binary"

    @property
    def is_discrete(self) -> bool:
        """Its cells are words to be read as they are written: booleans and categories."""
        return self.is_boolean or self.dtype == "categorical"

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
        if self.scaler is not None and self.coding != "scaled":
            raise ValueError(
                f"the encoding {self.coding} keeps its values, so scaler {self.scaler} has no "
                "meaning; remove the scaler"
            )
        if self.known_future and self.delay:
            raise ValueError(
                "known_future (known before its row) and delay (known after it) exclude each "
                "other; remove one"
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
    dtype: Annotated[Literal["categorical"], read_as(DTYPES, Literal["categorical", "string"])] = (
        "categorical"
    )
    encoding: Literal["embedding"] = "embedding"
    dim: Annotated[int, Field(ge=1)]
    required: bool = True


class MissingPolicy(Element):
    """How missing values are replaced.

    Attributes
    ----------
    target : str
        ``interpolate``: `preprocess.fill` of params.yaml, up to `preprocess.max_gap`; windows in
        longer gaps are dropped. ``interpolate_then_drop_if_remaining`` is another name for it.
    dynamic_covariates : str
        ``interpolate`` (numbers by `preprocess.fill`; booleans and categories keep their last
        value), ``ffill`` (the last value), ``zero``, ``ffill_bfill_then_zero`` (the last value, and
        zero before the first one; a column that is known in advance takes its first value there
        instead) or ``unknown_token`` (categories: the unknown one; other columns keep their last
        value).
    static_covariates : str
        ``unknown_token``.
    """

    target: Annotated[
        Literal["interpolate"],
        read_as(TARGET_POLICIES, Literal["interpolate", "interpolate_then_drop_if_remaining"]),
    ] = "interpolate"
    dynamic_covariates: DynamicPolicy = "interpolate"
    static_covariates: Literal["unknown_token"] = "unknown_token"
