"""Stage report: the results of the other stages as a page and as Markdown."""

from pathlib import Path

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown
from spline_lstm.reporting.style import save_png
from spline_lstm.tasks.parts import load_part


def main(folder: Path) -> str:
    """Write plots/report.html, plots/report.md and the PNG files that the latter shows."""
    pipeline = Pipeline(folder)
    report = load_part(load_params(folder), "report")(folder)
    write_text(pipeline.plots / "report.html", to_html(report))
    write_text(pipeline.plots / "report.md", to_markdown(report))
    for picture in report.pictures:
        if picture.has_png and not picture.is_drawn:
            save_png(picture.figure, pipeline.plots / f"{picture.name}.png")
    warnings = "".join(f"\nWARNING: {text}" for text in report.warnings)
    count = plural(len(report.warnings), "warning")
    return f"plots/report.html and report.md: {report.verdict}; {count}{warnings}"


if __name__ == "__main__":
    run_stage("report", main)
