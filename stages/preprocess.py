"""Stage preprocess: the raw table to regular as-of arrays, fills, covariates and scaling."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.errors import DataContractError
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.course import course_table
from spline_lstm.series.gaps import spline_table, worst_gaps
from spline_lstm.series.plots import missing_table, plot_missing, plot_spline, plot_splits
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.tables.raw_table import read_raw_table


def main(folder: Path) -> str:
    """Write data/processed/processed.npz, models/preprocessor.json, metrics/data.json and plots.

    A table that breaks the contract leaves only metrics/data.json, with all violations.
    """
    pipeline = Pipeline(folder)
    params = load_params(folder)
    schema = load_schema(folder / params.data.schema_file)
    raw = find_raw(pipeline)
    report = pipeline.metrics("data")
    reading = Reading.of(params.data)
    try:
        table = read_raw_table(raw.read_bytes(), schema, where=str(raw), reading=reading)
        result = preprocess(
            table,
            schema,
            params.preprocess,
            where=str(raw),
            reading=reading,
            needed=params.window.rows,
            short_series=params.data.short_series,
            options=TargetOptions.of(params),
        )
    except DataContractError as error:
        write_metrics(report, error.quality)
        raise
    result.arrays.save(pipeline.processed)
    result.preprocessor.save(pipeline.preprocessor)
    draw(pipeline.plots, result)
    code_id = stage_code_id(folder, "preprocess")
    write_metrics(report, {**result.quality, "code_id": code_id})
    filled = sum(column["filled_rows"] for column in result.quality["columns"])
    return (
        f"{result.quality['rows']} rows in, {result.quality['grid_rows']} grid rows of "
        f"{result.preprocessor.clock.frequency} out, {filled} cells filled, features "
        f"{', '.join(result.preprocessor.features)}; "
        f"{warning_lines(result.quality)}"
    )


def warning_lines(quality: Mapping[str, Any]) -> str:
    """Number of the warnings, a line for each kind of them, and what the clock has to say."""
    count, kinds = len(quality["warnings"]), quality["warning_summary"]
    lines = "".join(f"\nWARNING: {text}" for text in kinds)
    note = f"\n{quality['clock_note']}" if quality["clock_note"] else ""
    if quality["scaler_scope_reason"]:
        note += f"\nscaler_scope {quality['scaler_scope']}: {quality['scaler_scope_reason']}"
    return f"{plural(count, 'warning')} in metrics/data.json{lines}{note}"


def draw(folder: Path, result: Preprocessed) -> None:
    """Write the plots spline, missing and splits, and the tables that DVC draws."""
    table, clock = result.table, result.preprocessor.clock
    gaps = worst_gaps(result.arrays, result.preprocessor.scaler, table.series_names)
    missing = missing_table(table, result.arrays, clock)
    course, spline = course_table(result), spline_table(gaps, clock)
    for name, content in (("course", course), ("spline", spline), ("missing", missing)):
        write_plot_table(folder / f"{name}.csv", content)
    plot_spline(folder / "spline.png", gaps, clock)
    plot_missing(folder / "missing.png", missing)
    plot_splits(folder / "splits.png", result.arrays, clock)


if __name__ == "__main__":
    run_stage("preprocess", main)
