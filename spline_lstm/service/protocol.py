"""The calls of the Open Inference Protocol, version 2: health, model metadata, raw tensors."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from spline_lstm.service.openapi import INFER_BODY
from spline_lstm.service.tensors import infer, metadata_of, read_inference
from spline_lstm.service.work import SMALL_BODY, catalog_of, done, json_answer, settings_of

router = APIRouter(prefix="/v2", tags=["open inference protocol"])


@router.get("")
async def server() -> dict[str, Any]:
    """Name and version of the service."""
    return {"name": "spline-lstm", "version": version("spline-lstm"), "extensions": []}


@router.get("/health/live", tags=["health"], responses={200: {"model": dict[str, bool]}})
async def live(request: Request) -> Response:
    """The process answers."""
    del request
    return json_answer({"live": True})


@router.get("/health/ready", tags=["health"], responses={200: {"model": dict[str, Any]}})
async def ready(request: Request) -> Response:
    """Which model is loaded for each pipeline, and which promoted ones could not be."""
    catalog = catalog_of(request)
    models = {name: model.model_id for name, model in catalog.served.models.items()}
    return json_answer({"ready": True, "models": models, "failures": dict(catalog.failures)})


@router.get("/models/{model}")
async def metadata(request: Request, model: str) -> dict[str, Any]:
    """Names, types and shapes of the tensors of an exported file."""
    return metadata_of(catalog_of(request).served.file(model))


@router.get("/models/{model}/ready")
async def model_ready(request: Request, model: str) -> dict[str, Any]:
    """The model is loaded."""
    return {"name": catalog_of(request).served.file(model).name, "ready": True}


@router.post("/models/{model}/infer", openapi_extra=INFER_BODY)
async def infer_tensors(request: Request, model: str) -> Response:
    """Outputs of an exported file for given tensors, without preprocessing."""
    file = catalog_of(request).served.file(model)
    content = await request.body()
    limit = settings_of(request).max_series
    small = len(content) <= SMALL_BODY and file.shares_threads
    return await done(
        request, small, lambda: json_answer(infer(file, read_inference(content), limit))
    )
