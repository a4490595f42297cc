"""What /openapi.json says about bodies, which are read by hand, with examples for a model."""

from typing import Any

import pydantic
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from spline_lstm.service.bodies import Forecasts
from spline_lstm.service.catalog import Served
from spline_lstm.service.direction import (
    LoadedDirection,
    OneSymbol,
    Symbols,
    direction_example,
)
from spline_lstm.service.examples import forecast_example, infer_example
from spline_lstm.service.loaded import LoadedModel
from spline_lstm.service.tabular import LoadedRows, TableRows, rows_example

REFERENCE = "#/components/schemas/{model}"
TENSORS = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "inputs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"type": "string", "enum": ["FP32", "FP64", "INT32", "INT64"]},
                    "data": {"type": "array", "items": {}},
                },
            },
        },
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}},
            },
        },
    },
}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


_FORECASTS = pydantic.TypeAdapter(Forecasts).json_schema(ref_template=REFERENCE)
_BARS = pydantic.TypeAdapter(OneSymbol | Symbols).json_schema(ref_template=REFERENCE)
_ROWS = pydantic.TypeAdapter(TableRows).json_schema(ref_template=REFERENCE)
_COMPONENTS = {**_FORECASTS.pop("$defs"), **_BARS.pop("$defs")}
FORECAST_BODY, INFER_BODY, DIRECTION_BODY = _body(_FORECASTS), _body(TENSORS), _body(_BARS)
ROWS_BODY = _body(_ROWS)
FINDINGS = {
    "type": "object",
    "required": ["detail", "request_id"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "rule", "message", "remedy"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "rule": {"type": "string"},
                    "message": {"type": "string"},
                    "remedy": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
PROTOCOL_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
STATUSES = {
    "400": "the call does not fit the model",
    "401": "the API key is missing or wrong",
    "404": "no such model or call",
    "413": "the body, a series or the batch is beyond its limit",
    "422": "the call breaks a rule; each finding says where, which one and what to do",
    "503": "the call took too long",
}


def install(app: FastAPI) -> None:
    """Have the application describe itself, with examples for its first model."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            served = app.state.catalog.served
            app.openapi_schema = _described(app, served)
        return app.openapi_schema

    app.openapi = described


def _described(app: FastAPI, served: Served) -> dict[str, Any]:
    first = next(iter(served.models.values()))
    files = [file.name for model in served.models.values() for file in model.files]
    names = {"name": first.source.name, **({"model": files[0]} if files else {})}
    content = get_openapi(
        title=app.title, version="1", description=app.description, routes=app.routes
    )
    content["components"].setdefault("schemas", {}).update(_COMPONENTS)
    content["components"]["schemas"] |= {"Findings": FINDINGS, "ProtocolError": PROTOCOL_ERROR}
    for path, calls in content["paths"].items():
        kind = "ProtocolError" if path.startswith("/v2") else "Findings"
        schema = {"schema": {"$ref": REFERENCE.format(model=kind)}}
        for call in calls.values():
            for status, text in STATUSES.items():
                call["responses"][status] = {
                    "description": text,
                    "content": {"application/json": schema},
                }
            for parameter in call.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in names:
                    parameter["example"] = names[parameter["name"]]
    for path, example in examples(served).items():
        body = content["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        body["example"] = example
    return content


def examples(served: Served) -> dict[str, Any]:
    """A body for each call that takes one and has a model: path -> body."""
    found: dict[str, Any] = {}
    for model in served.models.values():
        chosen = {"model": model.source.name} if len(served.models) > 1 else {}
        if isinstance(model, LoadedModel):
            found.setdefault("/v1/forecast", forecast_example(model) | chosen)
        elif isinstance(model, LoadedDirection):
            found.setdefault("/v1/direction", direction_example(model) | chosen)
        elif isinstance(model, LoadedRows):
            found.setdefault("/v1/rows", rows_example(model) | chosen)
        for file in model.files[:1]:
            found.setdefault("/v2/models/{model}/infer", infer_example(file))
    return found
