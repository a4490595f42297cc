"""What is measured on the content of an exported file before it is written."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.export.formats import ExportedModel, conversion
from spline_lstm.export.golden import AnyGolden, answers, differences, load_golden
from spline_lstm.export.sessions import session_of
from spline_lstm.export.spec import AnySpec


def matching_golden(folder: Path, spec: AnySpec) -> AnyGolden:
    """The golden windows; ArtifactError if their shapes are not those of the model."""
    path = Pipeline(folder).golden
    golden = load_golden(path)
    expected = {**spec.inputs, **spec.outputs}
    found = {name: value.shape[1:] for name, value in {**golden.inputs, **golden.outputs}.items()}
    if found != expected:
        raise ArtifactError(
            f"{path} has windows and forecasts of the shapes {found}, but the model has "
            f"{expected}; run `dvc repro`"
        )
    return golden


def file_metrics(
    name: str, model: ExportedModel, golden: AnyGolden, spec: AnySpec
) -> dict[str, Any]:
    """Size, hash, operators, and the distance to the trained model on the golden windows."""
    with conversion(name):
        answered = answers(session_of(model.content, Path(name).suffix).answer, golden)
    if not all(np.isfinite(value).all() for value in answered.values()):
        raise ExportError(
            f"{name} forecasts values that are not finite for golden windows; retrain the model"
        )
    target_scale = golden.target_scale(spec.target_indices, spec.unit)
    distances = differences(answered, golden, target_scale)
    return {
        "bytes": len(model.content),
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "operators": dict(model.operators),
        "max_abs_diff": max(float(np.max(value)) for value in distances.values()),
    }
