"""All exported files of a model: float32 by the converters, and smaller variants of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.artifacts import write_bytes
from spline_lstm.core.params import ExportParams, Params
from spline_lstm.export.formats import ExportedModel, conversion, exported_files
from spline_lstm.export.onnx_export import export_onnx, onnx_variant
from spline_lstm.export.spec import AnySpec
from spline_lstm.export.tflite_export import export_tflite, tflite_variant


def export_all(spec: AnySpec, params: ExportParams) -> dict[str, ExportedModel]:
    """Name of each file -> its content.

    The variants are made from the float32 files, without TensorFlow. One that would be a copy of
    its float32 file, since no weight is large enough to be stored in fewer bits, is left out.

    Raises
    ------
    ExportError
        A file could not be converted.
    """
    models: dict[str, ExportedModel] = {}
    for name, variant in exported_files(params).values():
        kind = Path(name).suffix
        if variant is None:
            models[name] = (
                export_onnx(spec, params.opset) if kind == ".onnx" else export_tflite(spec)
            )
            continue
        quantized = onnx_variant if kind == ".onnx" else tflite_variant
        with conversion(name):
            smaller = quantized(models[f"model{kind}"].content, variant)
        if smaller is not None:
            models[name] = smaller
    return models


def copies(params: ExportParams, models: Mapping[str, object]) -> list[str]:
    """Variants that are left out because they would be copies of their float32 files."""
    return [name for name, _ in exported_files(params).values() if name not in models]


def copies_text(params: ExportParams, models: Mapping[str, object]) -> str:
    """The same in words."""
    names = ", ".join(copies(params, models))
    return f"; no weight is large enough for fewer bits, so left out: {names}" if names else ""


def export_metrics(
    origin: tuple[str, str, str], params: ExportParams, figures: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Content of metrics/export.json; `origin`: run ids of model and preprocessor, model type."""
    run_id, preprocessor_run_id, model_type = origin
    return {
        "run_id": run_id,
        "preprocessor_run_id": preprocessor_run_id,
        "model_type": model_type,
        "opset": params.opset,
        # A list: DVC would make a column of every operator of a mapping.
        "files": [{"file": name, **content} for name, content in figures.items()],
        "copies_left_out": copies(params, figures),
    }


def write_models(folder: Path, models: Mapping[str, ExportedModel]) -> None:
    """Write the files, and remove those that an earlier run with other formats or trees left."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        write_bytes(folder / name, model.content)
    for old in set(folder.glob("*.onnx")) | set(folder.glob("*.tflite")):
        if old.name not in models:
            old.unlink()


def no_more_files(folder: Path, params: Params) -> dict[str, tuple[ExportedModel, dict[str, Any]]]:
    """Part `more_files` of a task that exports its network only."""
    return {}
