"""What an exported file says about itself: model, features, shapes, units."""

import json
from pathlib import Path
from typing import Any

import lazy_loader
import onnxruntime

from spline_lstm.core.errors import ArtifactError
from spline_lstm.export.formats import METADATA_KEY

# Only .tflite files need it, and it takes a fifth of a second to load.
schema: Any = lazy_loader.load("ai_edge_litert.schema_py_generated", suppress_warning=True)


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of an exported file, as `EdgeSpec.metadata` wrote it.

    Raises
    ------
    ArtifactError
        The file carries none.
    """
    text = (
        _of_tflite(path.read_bytes()) if path.suffix == ".tflite" else _of_onnx(path.read_bytes())
    )
    if text is None:
        raise ArtifactError(
            f"{path} carries no metadata, so it was not exported here; run `dvc repro`"
        )
    return json.loads(text)


def _of_onnx(content: bytes) -> str | None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)


def _of_tflite(content: bytes) -> str | None:
    model: Any = schema.Model.GetRootAs(content)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == METADATA_KEY.encode():
            return model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    return None
