"""A body to its forecasts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import orjson
import pydantic
import pydantic_core
from jaxtyping import Float, Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import SplineLstmError
from spline_lstm.inference.forecast import Forecast, ModelInputs, make_forecast
from spline_lstm.inference.inputs import serving_inputs
from spline_lstm.inference.intervals import level_name
from spline_lstm.inference.reading import future_frame, history_frame, read_rows
from spline_lstm.service.bodies import FORMS, Options, form_of
from spline_lstm.service.errors import (
    TOO_LARGE,
    CallError,
    Finding,
    body_error,
    contract_error,
    refused,
)
from spline_lstm.service.given_up import check_wanted
from spline_lstm.service.loaded import LoadedModel
from spline_lstm.service.quick import WHERE, plain_table, quick_inputs
from spline_lstm.service.remarks import remarks
from spline_lstm.service.rows import Rows, future_rows, history_rows
from spline_lstm.service.whole import whole_inputs
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.preprocessor import Preprocessor

SECOND = 10**9
# Some hundred megabytes.
MOST_GRID_ROWS = 1_000_000


def read_json(content: bytes) -> Any:
    """The content of a body; whole numbers beyond 64 bits become floats.

    Raises
    ------
    CallError
        It is not JSON, or has a number that is not finite.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _read_slowly(content)


def _read_slowly(content: bytes) -> Any:
    """What orjson refuses; the message of pydantic says more of what is wrong."""
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
    answers: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    notes: dict[str, None] = {}
    for part in _parts(model, body, series):
        check_wanted()
        table, inputs, is_whole = part.read
        forecast = _forecast(model, inputs)
        answered = _answers(model, forecast, part.names, body.levels)
        answers |= zip(part.names, answered, strict=True)
        warnings += [part.label + text for text in forecast.warnings]
        warnings += remarks(
            table,
            inputs,
            model.preprocessor,
            model.forecaster.metadata["lookback"],
            part.names if model.is_panel or len(series) > 1 else [""],
            is_whole=is_whole,
        )
        notes |= dict.fromkeys(part.label + text for text in forecast.notes)
    return {
        "model_id": model.model_id,
        "run_id": model.run_id,
        "pipeline": model.source.name,
        "series": [answers[each.name] for each in series if each.name in answers],
        "warnings": warnings,
        "notes": list(notes),
    }


class Read(NamedTuple):
    """Series as they are read.

    Attributes
    ----------
    table : RawTable
    inputs : ModelInputs
    is_whole : bool
        Every row of each window was observed.
    """

    table: RawTable
    inputs: ModelInputs
    is_whole: bool = False


@dataclass(frozen=True)
class _Part:
    """Series that the model reads together.

    Attributes
    ----------
    read : with a window for each series that has a forecast
    names : [windows] what the body calls them
    label : what stands before a message that does not name its series
    """

    read: Read
    names: Sequence[str]
    label: str = ""


def _parts(model: LoadedModel, body: Options, series: Sequence[Rows]) -> Iterator[_Part]:
    """All series at once, or one after the other if they are not to be told apart and are odd."""
    names = [each.name for each in series]
    if model.is_panel or len(series) == 1:
        try:
            read = model_inputs(model, body, series)
        except SplineLstmError as error:
            raise contract_error(error) from None
        yield _Part(read, read.inputs.series if model.is_panel else names)
    elif together := _quick(model, body, series):
        yield _Part(together, names)
    else:
        for each in series:
            check_wanted()
            label = f"series {each.name!r}: "
            try:
                read = model_inputs(model, body, [each])
            except SplineLstmError as error:
                raise _of_series(contract_error(error), label, each.name) from None
            yield _Part(read, [each.name], label)


def _of_series(error: CallError, label: str, name: str) -> CallError:
    """The error of one of several series that are forecast each by itself."""
    findings = (
        replace(
            found,
            loc=("body", "series", name, *found.loc[1:]),
            message=label + found.message,
        )
        for found in error.findings
    )
    return CallError(error.status, *findings)


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


def _forecast(model: LoadedModel, inputs: ModelInputs) -> Forecast:
    forecaster = model.forecaster
    return make_forecast(
        forecaster.outputs(inputs),
        inputs,
        forecaster.intervals,
        tuple(forecaster.metadata["quantiles"]),
        tuple(forecaster.metadata["targets"]),
        model.limits,
    )


def _quick(model: LoadedModel, body: Options, group: Sequence[Rows]) -> Read | None:
    """Series that nothing is odd about, else None."""
    metadata = model.forecaster.metadata
    table = plain_table(group, model.preprocessor)
    if table is None:
        return None
    check_span(table, model.preprocessor)
    for read, is_whole in ((whole_inputs, True), (quick_inputs, False)):
        inputs = read(
            model.preprocessor,
            table,
            lookback=metadata["lookback"],
            horizon=metadata["horizon"],
            start=body.start,
        )
        if inputs is not None:
            return Read(table, inputs, is_whole)
    return None


def model_inputs(
    model: LoadedModel, body: Options, group: Sequence[Rows], *, quick: bool = True
) -> Read:
    """The raw table of series and the inputs of the model.

    Parameters
    ----------
    model, body, group
    quick : bool
        Try arrays first; False: read everything by pandas.
    """
    found = _quick(model, body, group) if quick else None
    if found is not None:
        return found
    preprocessor, metadata = model.preprocessor, model.forecaster.metadata
    schema = preprocessor.schema
    history = history_frame(preprocessor, history_rows(group, schema), WHERE)
    table = read_rows(preprocessor, history, WHERE)
    check_span(table, preprocessor)
    ahead = future_rows(group, schema)
    inputs = serving_inputs(
        preprocessor,
        history,
        lookback=metadata["lookback"],
        horizon=metadata["horizon"],
        future=None if ahead is None else future_frame(preprocessor, ahead, "future"),
        start=body.start,
        absent=body.absent,
        where=WHERE,
        where_future="future",
        # `remarks` counts every filled value.
        tell_filled=False,
    )
    return Read(table, inputs)


def check_span(table: RawTable, preprocessor: Preprocessor) -> None:
    """Refuse histories whose grid would take memory beyond measure: few rows, centuries apart.

    Raises
    ------
    CallError
        All series together reach over more than `MOST_GRID_ROWS` rows of the clock.
    """
    first, last = table.series_offsets[:-1], table.series_offsets[1:] - 1
    clock = preprocessor.clock.extended(table.timestamps)
    ends = clock.locate(table.timestamps[np.concatenate([first, last])])[0]
    if (count := int(ends[len(first) :].sum() - ends[: len(first)].sum())) > MOST_GRID_ROWS:
        raise refused(
            TOO_LARGE,
            ("body", "timestamps"),
            "span",
            f"the history reaches over {count} rows of {clock.frequency}, more than "
            f"{MOST_GRID_ROWS}; send its newest rows",
        )


def _answers(
    model: LoadedModel, forecast: Forecast, names: Sequence[str], levels: list[float] | None
) -> Iterator[dict[str, Any]]:
    """The answer of each window."""
    clock = model.preprocessor.clock
    horizon = forecast.timestamps.shape[1]
    known = texts(clock, forecast.timestamps.ravel())
    point = _by_target(forecast.point, forecast.targets)
    chosen = [
        (
            level,
            _by_target(forecast.lower[..., number], forecast.targets),
            _by_target(forecast.upper[..., number], forecast.targets),
        )
        for number, level in enumerate(forecast.levels)
        if levels is None or level in levels
    ]
    quantiles = _quantiles(model, forecast)
    for window, name in enumerate(names):
        timestamps = known[window * horizon : (window + 1) * horizon]
        yield {
            "name": name,
            "origin": timestamps[0],
            "timestamps": timestamps,
            "point": point[window],
            "intervals": [
                {"level": level, "lower": lower[window], "upper": upper[window]}
                for level, lower, upper in chosen
            ],
            "quantiles": {level: values[window] for level, values in quantiles.items()} or None,
        }


def _quantiles(model: LoadedModel, forecast: Forecast) -> dict[str, list[dict[str, list[float]]]]:
    """Level of each quantile in percent -> its values of each window."""
    if forecast.quantiles is None:
        return {}
    return {
        level_name(100 * level): _by_target(forecast.quantiles[..., number], forecast.targets)
        for number, level in enumerate(model.forecaster.metadata["quantiles"])
    }


def _by_target(
    values: Float[np.ndarray, "windows horizon targets"], targets: Sequence[str]
) -> list[dict[str, list[float]]]:
    """Values of each window by target."""
    windows = values.transpose(0, 2, 1).tolist()
    return [dict(zip(targets, window, strict=True)) for window in windows]


def texts(clock: Clock, instants: Int[np.ndarray, " rows"]) -> list[Any]:
    """Timestamps as `Clock.text_of` writes them; whole numbers of an index."""
    if clock.kind == "index":
        return instants.tolist()
    if clock.zone is None and not (instants % SECOND).any():
        seconds = (instants // SECOND).view("datetime64[s]")
        return [f"{time.isoformat()}Z" for time in seconds.tolist()]
    return clock.texts_of(instants)
