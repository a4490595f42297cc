"""Daily bars of a body to the probability that a price rises, by an ensemble."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
from pydantic import Field

from spline_lstm.core.errors import SplineLstmError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.schema import Schema
from spline_lstm.export.sessions import Session
from spline_lstm.inference.direction import DirectionForecast, DirectionModel, network_file
from spline_lstm.inference.reading import history_frame, read_rows
from spline_lstm.market.bars import check_bars
from spline_lstm.market.windows import TARGETS, reach
from spline_lstm.service.bodies import Body, Numbers, Timestamps
from spline_lstm.service.errors import body_error, contract_error
from spline_lstm.service.forecasts import check_span, read_json, texts
from spline_lstm.service.loaded import rows_preprocessor
from spline_lstm.service.quick import WHERE
from spline_lstm.service.rows import Rows, by_target, check_rows, history_rows, places_of
from spline_lstm.service.served_file import open_trees
from spline_lstm.service.served_model import ServedModel
from spline_lstm.service.settings import Settings
from spline_lstm.service.source import Source
from spline_lstm.store.direction import DirectionScorer
from spline_lstm.store.registry import Model


class Bars(Body):
    """The daily bars of one symbol: prices and volumes by the names of their columns."""

    name: str = ""
    timestamps: Annotated[Timestamps, Field(min_length=1)]
    values: dict[str, Numbers]


class OneSymbol(Bars):
    """The daily bars of one symbol."""

    model: str | None = None


class Symbols(Body):
    """The daily bars of many symbols."""

    series: Annotated[list[Bars], Field(min_length=1)]
    model: str | None = None


class Reason(pydantic.BaseModel):
    """A feature, its value, and what it adds to the log odds of the trees."""

    feature: str
    value: float | None
    contribution: float


class Direction(pydantic.BaseModel):
    """One probability, of the last day of a symbol.

    `members` are the probabilities of those that contributed, before any calibration.
    """

    name: str
    day: str | int
    probability: float
    word: str
    members: dict[str, float]
    reasons: list[Reason]


class Directions(pydantic.BaseModel):
    """The probabilities of one call, in the order of its series."""

    model_id: str
    run_id: str
    pipeline: str
    target: str
    horizon: int
    series: list[Direction]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class LoadedDirection(ServedModel):
    """An ensemble that answers calls.

    Attributes
    ----------
    model : DirectionModel
        With the preprocessor of `rows_preprocessor`.
    table_schema : Schema
        Of the raw table, as the pipeline has it.
    exported : path -> Session
        The exported files of the members.
    """

    model: DirectionModel
    table_schema: Schema
    exported: Mapping[Path, Session]

    @property
    def run_id(self) -> str:
        """Content id of the ensemble and its members."""
        return self.model.run_id

    @property
    def sessions(self) -> Mapping[Path, Session]:
        """The exported files of the members."""
        return self.exported

    @cached_property
    def target(self) -> str:
        """What has the probability."""
        return TARGETS[self.model.params.direction.label]

    def summary(self) -> dict[str, Any]:
        """What a list of models says."""
        params, clock = self.model.params, self.model.preprocessor.clock
        return {
            **self.source.summary(self.row, self.run_id),
            "targets": [self.target],
            "lookback": params.window.lookback,
            "horizon": params.direction.horizon,
            "frequency": clock.frequency,
            "time_zone": clock.zone or "UTC",
            "levels": [],
        }

    def details(self) -> dict[str, Any]:
        """What is known about the model: schema, members, metrics and hash of the data, too."""
        ensemble = self.model.ensemble
        return {
            **self.summary(),
            **self.source.measured(self.row),
            "schema": self.table_schema.model_dump(mode="json"),
            "features": list(self.model.preprocessor.features),
            "weights": dict(ensemble.weights),
            "chosen": ensemble.chosen,
            "absent": dict(self.model.absent),
        }


def load_direction(source: Source, row: Model | None) -> LoadedDirection:
    """The ensemble of a row of the registry, or that of the folder.

    Raises
    ------
    StoreError, ArtifactError
        Files are missing or damaged, or no member of the ensemble can be used.
    """
    folder = source.files_of(row)
    model = DirectionModel.load(folder)
    served = replace(model, preprocessor=rows_preprocessor(model.preprocessor))
    pipeline = Pipeline(folder)
    network = {} if model.network is None else {network_file(pipeline): model.network}
    exported = {**network, **open_trees(pipeline.exported)}
    return LoadedDirection(source, row, served, model.preprocessor.table_schema, exported)


def read_bars(content: bytes) -> OneSymbol | Symbols:
    """One of the two forms of a body.

    Raises
    ------
    CallError
        A key is missing, unknown or of another type.
    """
    given = read_json(content)
    form = Symbols if isinstance(given, dict) and "series" in given else OneSymbol
    try:
        return form.model_validate(given)
    except pydantic.ValidationError as error:
        raise body_error(error) from None


def bars_of_body(body: OneSymbol | Symbols, schema: Schema, settings: Settings) -> list[Rows]:
    """The symbols of a body, each with its columns; errors as in `rows_of`."""
    many = isinstance(body, Symbols)
    given = body.series if isinstance(body, Symbols) else [body]
    locs = [("body", "series", index) if many else ("body",) for index in range(len(given))]
    found = [
        Rows(
            bars.name,
            bars.timestamps,
            by_target(bars.values, schema.target_cols, (*loc, "values")),
            {},
            None,
            places_of("values", bars.values, schema.target_cols),
        )
        for bars, loc in zip(given, locs, strict=True)
    ]
    check_rows(found, locs, schema, settings)
    return found


def directions_of(model: LoadedDirection, symbols: Sequence[Rows]) -> dict[str, Any]:
    """The probability of each symbol at its last day, in the order of the body.

    Raises
    ------
    CallError
        The bars break the data contract or are impossible, or no symbol has enough days.
    """
    preprocessor = model.model.preprocessor
    columns = model.model.params.direction.columns
    try:
        frame = history_rows(symbols, preprocessor.schema)
        table = read_rows(preprocessor, history_frame(preprocessor, frame, WHERE), WHERE)
        check_span(table, preprocessor)
        check_bars(table, columns, WHERE)
        scorer = DirectionScorer(model.model, table, WHERE)
        rows, forecast, notes = scorer.last_days(int(table.timestamps.max()) + 1)
    except SplineLstmError as error:
        raise contract_error(error) from None
    names = [scorer.symbols[index] for index in scorer.batch.series[rows].tolist()]
    days = texts(scorer.clock, scorer.batch.origin_time[rows])
    answers = {
        name: _answer(name, day, number, forecast)
        for number, (name, day) in enumerate(zip(names, days, strict=True))
    }
    asked = [each.name if preprocessor.schema.series_col else "" for each in symbols]
    return {
        "model_id": model.model_id,
        "run_id": model.run_id,
        "pipeline": model.source.name,
        "target": model.target,
        "horizon": model.model.params.direction.horizon,
        "series": [answers[name] for name in asked if name in answers],
        "warnings": list(notes),
    }


def _answer(name: str, day: str | int, number: int, forecast: DirectionForecast) -> dict[str, Any]:
    return {
        "name": name,
        "day": day,
        "probability": float(forecast.probability[number]),
        "word": forecast.words[number],
        "members": {each: float(forecast.by_member[each][number]) for each in forecast.members},
        "reasons": [
            {"feature": each.feature, "value": each.value, "contribution": each.contribution}
            for each in forecast.reasons[number]
        ],
    }


def direction_example(model: LoadedDirection) -> dict[str, Any]:
    """A body of ``POST /v1/direction``: waves of prices for as many days as a window needs."""
    preprocessor, params = model.model.preprocessor, model.model.params
    clock, columns = preprocessor.clock, params.direction.columns
    count = reach(params.window) + 2
    first = int(clock.first_rows(preprocessor.split_instants[-1:])[0])
    close = 100.0 + 5.0 * np.sin(np.arange(count) / 5)
    factors = {"open": 1.0, "high": 1.01, "low": 0.99, "close": 1.0, "adjusted_close": 1.0}
    values = {
        name: np.round(close * factors[role] if role in factors else 1e6 + 1e4 * close, 2).tolist()
        for role, name in columns.roles.items()
    }
    return {
        "name": preprocessor.series[0],
        "timestamps": texts(clock, clock.timestamps_of(first + np.arange(count))),
        "values": values,
    }
