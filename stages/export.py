"""Stage export: the trained model as ONNX and TFLite files, all of them written or none."""

from pathlib import Path

from spline_lstm.core.artifacts import read_json, write_metrics
from spline_lstm.core.params import ExportParams, load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.export.export_all import (
    copies_text,
    export_all,
    export_metrics,
    write_models,
)
from spline_lstm.export.measures import file_metrics, matching_golden
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write the files in models/edge and metrics/export.json, all of them or none.

    Without export.formats the folder is empty, and the model need not have an exported form.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    if not params.export.formats:
        return export_nothing(pipeline, params.export)
    spec = load_part(params, "spec")(folder)
    golden = matching_golden(folder, spec)
    models = export_all(spec, params.export)
    figures = {name: file_metrics(name, model, golden, spec) for name, model in models.items()}
    for name, (model, content) in load_part(params, "more_files")(folder, params).items():
        models[name], figures[name] = model, content
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


if __name__ == "__main__":
    run_stage("export", main)
