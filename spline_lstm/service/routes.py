"""The calls of version 1: forecasts, models, stored predictions."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from spline_lstm.service import stored
from spline_lstm.service.bodies import Answers, Options
from spline_lstm.service.direction import (
    Directions,
    LoadedDirection,
    bars_of_body,
    directions_of,
    read_bars,
)
from spline_lstm.service.forecasts import answer_of, read_body
from spline_lstm.service.loaded import LoadedModel
from spline_lstm.service.openapi import DIRECTION_BODY, FORECAST_BODY, ROWS_BODY
from spline_lstm.service.rows import Rows, rows_of
from spline_lstm.service.tabular import (
    LoadedRows,
    RowAnswers,
    TableRows,
    answers_of,
    read_table_rows,
)
from spline_lstm.service.work import (
    SMALL_BODY,
    SMALL_ROWS,
    catalog_of,
    done,
    in_thread,
    json_answer,
    settings_of,
)

router = APIRouter(prefix="/v1")
MAX_PAGE = 10_000


@router.post(
    "/forecast",
    tags=["forecasts"],
    openapi_extra=FORECAST_BODY,
    responses={200: {"model": Answers}},
)
async def forecast(request: Request) -> Response:
    """Forecast the horizon of one or many series from their histories.

    The body is one series (`timestamps`, `values`), a batch (`series`), or many series in flat
    arrays (`y`, `sizes`, `timestamps`).
    """
    content = await request.body()
    served, settings = catalog_of(request).served, settings_of(request)

    def asked() -> tuple[LoadedModel, Options, list[Rows]]:
        body = read_body(content)
        model = served.of_kind(LoadedModel, body.model, ("body", "model"))
        return model, body, rows_of(body, model.preprocessor.schema, settings)

    if len(content) > SMALL_BODY:
        return await in_thread(request, lambda: json_answer(answer_of(*asked())))
    model, body, series = asked()
    small = sum(len(each.timestamps) for each in series) <= SMALL_ROWS and model.shares_threads
    return await done(request, small, lambda: json_answer(answer_of(model, body, series)))


@router.post(
    "/direction",
    tags=["direction"],
    openapi_extra=DIRECTION_BODY,
    responses={200: {"model": Directions}},
)
async def direction(request: Request) -> Response:
    """The probability that the price of one or many symbols rises, from their daily bars.

    The body is one symbol (`timestamps`, `values`: a list per column of the bars) or many
    (`series`). Each is answered for its last day.
    """
    content = await request.body()
    served, settings = catalog_of(request).served, settings_of(request)

    def answered() -> Response:
        body = read_bars(content)
        model = served.of_kind(LoadedDirection, body.model, ("body", "model"))
        symbols = bars_of_body(body, model.model.preprocessor.schema, settings)
        return json_answer(directions_of(model, symbols))

    # Always in the thread, so that trees are asked by one call at a time.
    return await in_thread(request, answered)


@router.post(
    "/rows",
    tags=["rows"],
    openapi_extra=ROWS_BODY,
    responses={200: {"model": RowAnswers}},
)
async def rows(request: Request) -> Response:
    """A class or a number for each row of a table, with sets or intervals.

    The body has `rows`: an object per row with a cell for each column that the model reads.
    """
    content = await request.body()
    served, settings = catalog_of(request).served, settings_of(request)

    def asked() -> tuple[LoadedRows, TableRows]:
        body = read_table_rows(content, settings)
        return served.of_kind(LoadedRows, body.model, ("body", "model")), body

    if len(content) > SMALL_BODY:
        return await in_thread(request, lambda: json_answer(answers_of(*asked())))
    model, body = asked()
    return await done(request, model.shares_threads, lambda: json_answer(answers_of(model, body)))


@router.get("/models", tags=["models"])
async def models(request: Request) -> dict[str, list[dict[str, Any]]]:
    """The models that are served."""
    served = catalog_of(request).served
    return {"models": [model.summary() for model in served.models.values()]}


@router.get("/models/{name}", tags=["models"])
async def model_details(request: Request, name: str) -> Response:
    """One model, by its id or the name of its pipeline, with schema, metrics and data hash."""
    model = catalog_of(request).served.get(name, ("path", "name"))
    return json_answer(await in_thread(request, model.details))


@router.get("/predictions", tags=["predictions"])
async def predictions(
    request: Request,
    *,
    pipeline: Annotated[str | None, Query(description="by default the only one")] = None,
    symbol: Annotated[str | None, Query(description="name of a series")] = None,
    first: Annotated[date | None, Query(alias="from", description="first date of ts")] = None,
    last: Annotated[date | None, Query(alias="to", description="last date of ts")] = None,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """Stored predictions, one page at a time; `next_offset` is null on the last page."""
    source = catalog_of(request).served.get(pipeline, ("query", "pipeline")).source
    query = stored.Query(
        symbol, first and first.isoformat(), last and last.isoformat(), offset, limit
    )
    return json_answer(await in_thread(request, lambda: stored.page_of(source, query)))
