"""All exported files of a model: float32 by the converters, and smaller variants of them."""

from pathlib import Path

from spline_lstm.core.params import ExportParams
from spline_lstm.export.formats import ExportedModel, conversion, exported_files
from spline_lstm.export.onnx_export import export_onnx, onnx_variant
from spline_lstm.export.spec import EdgeSpec
from spline_lstm.export.tflite_export import export_tflite, tflite_variant


def export_all(spec: EdgeSpec, params: ExportParams) -> dict[str, ExportedModel]:
    """Name of each file -> its content.

    The variants are made from the float32 files, without TensorFlow.

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
            models[name] = quantized(models[f"model{kind}"].content, variant)
    return models
