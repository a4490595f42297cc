"""Bodies of ``POST /v1/forecast``: one series, a batch, or many series in flat arrays."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Discriminator, Field, Tag

from spline_lstm.inference.start import LAST_OBSERVED

Timestamps = list[str] | list[int]
Numbers = list[float | None]
Cells = list[float | None] | list[bool | None] | list[str | None]
Cell = float | bool | str | None
# A default that is made anew costs less than one that is copied.
NOTHING: Any = Field(default_factory=dict)


class Body(pydantic.BaseModel):
    """JSON as it is: no text is read as a number, no unknown key is passed over."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Future(Body):
    """Rows to forecast, with the columns that are known in the future."""

    timestamps: Timestamps
    covariates: dict[str, Cells]


class Series(Body):
    """The history of one series."""

    name: str = ""
    timestamps: Annotated[Timestamps, Field(min_length=1)]
    values: Numbers | dict[str, Numbers]
    covariates: dict[str, Cells] = NOTHING
    static: dict[str, Cell] = NOTHING
    future: Future | None = None


class Options(Body):
    """What is asked of the model."""

    model: str | None = None
    levels: list[float] | None = None
    start: str | int = LAST_OBSERVED
    absent: Literal["error", "blank"] = "error"


class OneSeries(Series, Options):
    """The history of one series, and what is asked."""


class Batch(Options):
    """Series of one call."""

    series: Annotated[list[Series], Field(min_length=1)]


class Flat(Options):
    """Series one after the other: `sizes` says how many rows each has."""

    y: Numbers | dict[str, Numbers]
    sizes: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    timestamps: Timestamps
    names: list[str] | None = None
    covariates: dict[str, Cells] = NOTHING


def form_of(content: Any) -> str:
    """The form of a body, by the key that only it has."""
    keys = content.keys() if isinstance(content, dict) else ()
    return next((form for key, form in (("series", "batch"), ("y", "flat")) if key in keys), "one")


Forecasts = Annotated[
    Annotated[OneSeries, Tag("one")]
    | Annotated[Batch, Tag("batch")]
    | Annotated[Flat, Tag("flat")],
    Discriminator(form_of),
]
FORMS: dict[str, type[Options]] = {"one": OneSeries, "batch": Batch, "flat": Flat}


class Answer(pydantic.BaseModel):
    """One forecast."""

    name: str
    origin: str | int
    timestamps: list[str] | list[int]
    point: dict[str, list[float]]
    intervals: list["Interval"]
    quantiles: dict[str, dict[str, list[float]]] | None


class Interval(pydantic.BaseModel):
    """Bounds of one level, percent; null: no bound."""

    level: float
    lower: dict[str, list[float | None]]
    upper: dict[str, list[float | None]]


class Answers(pydantic.BaseModel):
    """The forecasts of one call, in the order of its series."""

    model_id: str
    run_id: str
    pipeline: str
    series: list[Answer]
    warnings: list[str]
    notes: list[str]
