"""Stage benchmark: the gate on the exported files, without TensorFlow and JAX, as on a device."""

from pathlib import Path

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.errors import ArtifactError, GateError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.export.formats import exported_files
from spline_lstm.export.gate import FileReport, measure_file, peak_memory_mb
from spline_lstm.export.golden import load_golden
from spline_lstm.export.sessions import read_metadata
from spline_lstm.tasks.parts import load_part, task_of


def main(folder: Path) -> str:
    """Write metrics/latency.json with the verdicts; GateError if a file does not pass.

    Without export.formats there is no file to judge, and nothing in metrics/latency.json about one.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    # A variant that would be a copy of its float32 file is not exported.
    files = {
        key: (name, variant)
        for key, (name, variant) in exported_files(params.export).items()
        if variant is None or (pipeline.exported / name).is_file()
    }
    golden = load_golden(pipeline.golden)
    preprocessor = load_part(params, "preprocessor")(pipeline.preprocessor)
    target_scale = golden.target_scale(
        preprocessor.target_indices.tolist(), preprocessor.target_units
    )
    reports = {
        key: measure_file(
            pipeline.exported / name,
            golden,
            target_scale,
            params.benchmark,
            quantized=variant is not None,
        )
        for key, (name, variant) in files.items()
    }
    for report in reports.values():
        check_origin(report, preprocessor.run_id)
    failures = [failure for report in reports.values() for failure in report.failures]
    write_metrics(
        pipeline.metrics("latency"),
        {
            "passed": not failures,
            "calls": params.benchmark.calls,
            "golden_windows": len(golden),
            "peak_memory_mb": peak_memory_mb(),
            **{key: report.to_json() for key, report in reports.items()},
        },
    )
    if failures:
        raise GateError(
            f"{'; '.join(failures)}; export or retrain again, or change the limit in params.yaml "
            "(benchmark)"
        )
    passed = (
        f"{report.path.name} passed: p50 {report.figures['p50_ms']:.3f} ms, "
        f"p95 {report.figures['p95_ms']:.3f} ms, "
        f"{report.figures['max_abs_diff']:.1e} off in z-scores"
        for report in reports.values()
    )
    verdict = "; ".join(passed) or "no file is exported (export.formats is [])"
    return f"{plural(len(golden), f'golden {task_of(params).unit}')}; {verdict}"


def check_origin(report: FileReport, preprocessor_run_id: str) -> None:
    """Raise ArtifactError if a file that loads was exported with another preprocessor."""
    if not report.checks[0].passed:
        return
    found = read_metadata(report.path)["preprocessor_run_id"]
    if found != preprocessor_run_id:
        raise ArtifactError(
            f"{report.path} was exported with preprocessor {found}, but models/preprocessor.json "
            f"is {preprocessor_run_id}; run `dvc repro`"
        )


if __name__ == "__main__":
    run_stage("benchmark", main)
