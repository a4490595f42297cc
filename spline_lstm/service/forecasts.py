"""A body to its forecasts."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pydantic
import pydantic_core
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import SplineLstmError
from spline_lstm.inference.forecast import Forecast, ModelInputs, make_forecast
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.intervals import level_name
from spline_lstm.inference.reading import future_frame, history_frame, read_rows
from spline_lstm.service.bodies import FORMS, Options, form_of
from spline_lstm.service.errors import CallError, Finding, body_error, contract_error, refused
from spline_lstm.service.loaded import LoadedModel
from spline_lstm.service.quick import WHERE, plain_table, quick_inputs
from spline_lstm.service.remarks import remarks
from spline_lstm.service.rows import Rows, future_rows, history_rows
from spline_lstm.tables.raw_table import RawTable

SECOND = 10**9


def read_json(content: bytes) -> Any:
    """The content of a body.

    Raises
    ------
    CallError
        It is not JSON, or has a number that is not finite.
    """
    try:
        return pydantic_core.from_json(content, allow_inf_nan=False)
    except ValueError as error:
        finding = Finding(
            ("body",),
            "json",
            f"the body is not JSON ({error})",
            "send a JSON object; write null for a missing value",
        )
        raise CallError(422, finding) from None


def read_body(content: bytes) -> Options:
    """One of the three forms of a body.

    Raises
    ------
    CallError
        A key is missing, unknown or of another type.
    """
    given = read_json(content)
    try:
        return FORMS[form_of(given)].model_validate(given)
    except pydantic.ValidationError as error:
        raise body_error(error) from None


def answer_of(model: LoadedModel, body: Options, series: Sequence[Rows]) -> dict[str, Any]:
    """The forecasts of all series, in their order.

    Of a pipeline that tells no series apart each series is forecast by itself.

    Raises
    ------
    CallError
        The history breaks the data contract, is too short, or a level is not calibrated.
    """
    _check_levels(model, body)
    groups = [series] if model.is_panel else [[each] for each in series]
    answers: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    notes: dict[str, None] = {}
    for group in groups:
        label = "" if model.is_panel or len(series) == 1 else f"series {group[0].name!r}: "
        try:
            forecast, said = _forecast(model, body, group)
        except SplineLstmError as error:
            raise _of_series(contract_error(error), label, group) from None
        names = [each.name for each in group] if not model.is_panel else forecast.series
        for window, name in enumerate(names):
            answers[name] = _answer(model, forecast, window, name, body.levels)
        warnings += [label + text for text in (*forecast.warnings, *said)]
        notes |= dict.fromkeys(label + text for text in forecast.notes)
    return {
        "model_id": model.model_id,
        "run_id": model.run_id,
        "pipeline": model.source.name,
        "series": [answers[each.name] for each in series if each.name in answers],
        "warnings": warnings,
        "notes": list(notes),
    }


def _of_series(error: CallError, label: str, group: Sequence[Rows]) -> CallError:
    """The error of one of several series that were forecast each by itself."""
    if not label:
        return error
    return CallError(
        error.status,
        *(
            Finding(
                ("body", "series", group[0].name, *found.loc[1:]),
                found.rule,
                label + found.message,
                found.remedy,
            )
            for found in error.findings
        ),
    )


def _check_levels(model: LoadedModel, body: Options) -> None:
    unknown = [level for level in body.levels or [] if level not in model.levels]
    if unknown:
        known = ", ".join(f"{level:g}" for level in model.levels) or "none"
        raise refused(
            422,
            ("body", "levels"),
            "levels",
            f"the level {unknown[0]:g} is not calibrated; give some of these: {known}",
        )


def _forecast(
    model: LoadedModel, body: Options, group: Sequence[Rows]
) -> tuple[Forecast, list[str]]:
    """The forecast of rows, and what must be known about them."""
    forecaster, preprocessor = model.forecaster, model.preprocessor
    table, inputs = model_inputs(model, body, group)
    forecast = make_forecast(
        forecaster.outputs(inputs),
        inputs,
        forecaster.intervals,
        tuple(forecaster.metadata["quantiles"]),
        tuple(forecaster.metadata["targets"]),
        preprocessor.limits,
    )
    lookback = forecaster.metadata["lookback"]
    return forecast, remarks(table, inputs, preprocessor, lookback)


def model_inputs(
    model: LoadedModel, body: Options, group: Sequence[Rows], *, quick: bool = True
) -> tuple[RawTable, ModelInputs]:
    """The raw table of series and the inputs of the model.

    Parameters
    ----------
    model, body, group
    quick : bool
        Try arrays first; False: read everything by pandas.
    """
    preprocessor, metadata = model.preprocessor, model.forecaster.metadata
    lookback, horizon = metadata["lookback"], metadata["horizon"]
    table = plain_table(group, preprocessor) if quick else None
    if table is not None:
        inputs = quick_inputs(
            preprocessor, table, lookback=lookback, horizon=horizon, start=body.start
        )
        if inputs is not None:
            return table, inputs
    schema = preprocessor.schema
    history = history_frame(preprocessor, history_rows(group, schema), WHERE)
    ahead = future_rows(group, schema)
    inputs = serving_inputs(
        preprocessor,
        history,
        lookback=lookback,
        horizon=horizon,
        future=None if ahead is None else future_frame(preprocessor, ahead, "future"),
        start=body.start,
        absent=body.absent,
        where=WHERE,
        where_future="future",
    )
    return table or read_rows(preprocessor, history, WHERE), inputs


def _answer(
    model: LoadedModel, forecast: Forecast, window: int, name: str, levels: list[float] | None
) -> dict[str, Any]:
    timestamps = texts(model.preprocessor.clock, forecast.timestamps[window])
    targets = forecast.targets
    quantile_levels = model.forecaster.metadata["quantiles"]

    def by_target(values: np.ndarray) -> dict[str, list[float]]:
        return dict(zip(targets, values.T.tolist(), strict=True))

    quantiles = None
    if forecast.quantiles is not None:
        quantiles = {
            level_name(100 * level): by_target(forecast.quantiles[window, :, :, number])
            for number, level in enumerate(quantile_levels)
        }
    return {
        "name": name,
        "origin": timestamps[0],
        "timestamps": timestamps,
        "point": by_target(forecast.point[window]),
        "intervals": [
            {
                "level": level,
                "lower": by_target(forecast.lower[window, :, :, number]),
                "upper": by_target(forecast.upper[window, :, :, number]),
            }
            for number, level in _chosen(forecast, levels)
        ],
        "quantiles": quantiles,
    }


def _chosen(forecast: Forecast, levels: list[float] | None) -> Iterator[tuple[int, float]]:
    for number, level in enumerate(forecast.levels):
        if levels is None or level in levels:
            yield number, level


def texts(clock: Clock, instants: Int[np.ndarray, " rows"]) -> list[Any]:
    """Timestamps as `Clock.text_of` writes them; whole numbers of an index."""
    if clock.kind == "index":
        return instants.tolist()
    if clock.zone is None and not (instants % SECOND).any():
        seconds = np.datetime_as_string(instants.view("datetime64[ns]"), unit="s")
        return [f"{text}Z" for text in seconds.tolist()]
    return clock.texts_of(instants)
