"""Stage report: the results of the other stages as a page and as Markdown."""

from importlib.metadata import version
from pathlib import Path

import pandas as pd

from spline_lstm.core.artifacts import read_json, write_text
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.evaluation.report import StageOutputs, make_report
from spline_lstm.evaluation.scores import from_records
from spline_lstm.reporting.formatting import plural
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from spline_lstm.reporting.style import save_png

# The sections that decide the forecasts, and the packages that decide their bits.
SECTIONS = {"data", "preprocess", "window", "model", "train", "evaluate"}
PACKAGES = ("numpy", "scipy", "pandas", "jax", "flax", "optax")


def main(folder: Path) -> str:
    """Write plots/report.html, plots/report.md and the PNG files that the latter shows."""
    pipeline = Pipeline(folder)
    report = make_report(read_outputs(folder))
    write_text(pipeline.plots / "report.html", to_html(report))
    write_text(pipeline.plots / "report.md", to_markdown(report))
    for picture in report.pictures:
        if picture.has_png:
            save_png(picture.figure, pipeline.plots / f"{picture.name}.png")
    warnings = "".join(f"\nWARNING: {text}" for text in report.warnings)
    count = plural(len(report.warnings), "warning")
    return f"plots/report.html and report.md: {report.verdict}; {count}{warnings}"


def read_outputs(folder: Path) -> StageOutputs:
    """What the other stages wrote into the folder."""
    pipeline = Pipeline(folder)
    plots = pipeline.plots
    return StageOutputs(
        model=read_json(pipeline.model),
        scores=from_records(read_json(pipeline.metrics("evaluate"))),
        train=read_json(pipeline.metrics("train")),
        quality=read_json(pipeline.metrics("data")),
        ingest=read_json(pipeline.metrics("ingest")),
        by_step=pd.read_csv(plots / "horizon.csv"),
        by_hour=pd.read_csv(plots / "hours.csv"),
        forecasts=pd.read_csv(
            plots / "forecast.csv", dtype={"series": str}, keep_default_na=False, na_values=[""]
        ),
        residuals=pd.read_csv(plots / "residuals.csv"),
        residual_steps=pd.read_csv(plots / "residual_steps.csv"),
        curve=pd.read_csv(plots / "training.csv"),
        params=load_params(folder).model_dump(mode="json", include=SECTIONS),
        versions={name: version(name) for name in PACKAGES},
    )


if __name__ == "__main__":
    run_stage("report", main)
