"""Stage export: the trained model as ONNX and TFLite files, all of them written or none."""

<<<<<<< HEAD
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.artifacts import read_json, write_bytes, write_metrics
from spline_lstm.core.params import ExportParams, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.export.export_all import export_all
from spline_lstm.export.formats import ExportedModel
from spline_lstm.export.measures import file_metrics, matching_golden
from spline_lstm.export.spec import load_spec
=======
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.artifacts import read_json, write_metrics
from spline_lstm.core.errors import ArtifactError, ExportError
from spline_lstm.core.params import ExportParams, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.export.export_all import (
    copies_text,
    export_all,
    export_metrics,
    write_models,
)
from spline_lstm.export.formats import ExportedModel, conversion
from spline_lstm.export.golden import Golden, answers, differences, load_golden
from spline_lstm.export.sessions import session_of
from spline_lstm.export.spec import EdgeSpec, load_spec, output_shapes
>>>>>>> 622b4de (Leave out variants that would be copies of their float32 files)


def main(folder: Path) -> str:
    """Write the files in models/edge and metrics/export.json, all of them or none.

    Without export.formats the folder is empty, and the model need not have an exported form.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    if not params.export.formats:
        return export_nothing(pipeline, params.export)
    spec = load_spec(folder)
    golden = matching_golden(folder, spec)
    models = export_all(spec, params.export)
    figures = {name: file_metrics(name, model, golden, spec) for name, model in models.items()}
    write_models(pipeline.exported, models)
    origin = (spec.run_id, spec.preprocessor_run_id, spec.config.model_type)
    write_metrics(pipeline.metrics("export"), export_metrics(origin, params.export, figures))
    files = (
        f"{name}: {content['bytes'] / 1e3:.0f} kB, {content['max_abs_diff']:.1e} off"
        for name, content in figures.items()
    )
    return f"{'; '.join(files)} in z-scores{copies_text(params.export, models)}"


def export_nothing(pipeline: Pipeline, params: ExportParams) -> str:
    """Leave models/edge empty, and say so in metrics/export.json."""
    model = read_json(pipeline.model)
    origin = (model["run_id"], model["preprocessor_run_id"], model["model_type"])
    write_models(pipeline.exported, {})
    write_metrics(pipeline.metrics("export"), export_metrics(origin, params, {}))
    return "export.formats is [], so models/edge is empty"


<<<<<<< HEAD
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
    }


def write_models(folder: Path, models: Mapping[str, ExportedModel]) -> None:
    """Write the files, and remove those that an earlier run with other formats left."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in models.items():
        write_bytes(folder / name, model.content)
    for old in set(folder.glob("model.*")) - {folder / name for name in models}:
        old.unlink()


=======
def matching_golden(folder: Path, spec: EdgeSpec) -> Golden:
    """The golden windows; ArtifactError if their shapes are not those of the model."""
    path = Pipeline(folder).golden
    golden = load_golden(path)
    expected = {**spec.inputs, **output_shapes(spec.config)}
    found = {name: value.shape[1:] for name, value in {**golden.inputs, **golden.outputs}.items()}
    if found != expected:
        raise ArtifactError(
            f"{path} has windows and forecasts of the shapes {found}, but the model has "
            f"{expected}; run `dvc repro`"
        )
    return golden


def file_metrics(name: str, model: ExportedModel, golden: Golden, spec: EdgeSpec) -> dict[str, Any]:
    """Size, hash, operators, and the distance to the trained model on the golden windows."""
    with conversion(name):
        answered = answers(session_of(model.content, Path(name).suffix).answer, golden)
    if not all(np.isfinite(value).all() for value in answered.values()):
        raise ExportError(
            f"{name} forecasts values that are not finite for golden windows; retrain the model"
        )
    target_scale = golden.target_scale(spec.config.target_indices, spec.unit)
    distances = differences(answered, golden, target_scale)
    return {
        "bytes": len(model.content),
        "sha256": hashlib.sha256(model.content).hexdigest(),
        "operators": dict(model.operators),
        "max_abs_diff": max(float(np.max(value)) for value in distances.values()),
    }


>>>>>>> 622b4de (Leave out variants that would be copies of their float32 files)
if __name__ == "__main__":
    run_stage("export", main)
