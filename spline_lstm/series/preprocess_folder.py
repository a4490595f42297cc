"""Preprocessing of a pipeline folder: its raw table to arrays, fills, covariates and scaling."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.plot_tables import write_plot_table
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.series.course import course_table
from spline_lstm.series.gaps import spline_table, worst_gaps
from spline_lstm.series.plots import missing_table, plot_missing, plot_spline, plot_splits
from spline_lstm.series.preprocess import Preprocessed, preprocess
from spline_lstm.series.preprocess_partitions import PreprocessedPartitions, preprocess_partitions
from spline_lstm.tables.raw_file import find_raw, name_of_copy
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.windows.mapped import passing


@dataclass(frozen=True)
class PreprocessedFolder:
    """What the stage preprocess writes of a table of series."""

    result: Preprocessed | PreprocessedPartitions

    @property
    def quality(self) -> dict[str, Any]:
        """Content of metrics/data.json."""
        return self.result.quality

    @property
    def text(self) -> str:
        """Size of table and grid, features and warnings."""
        quality, preprocessor = self.quality, self.result.preprocessor
        filled = sum(column["filled_rows"] for column in quality["columns"])
        replaced = sum(int(part.sum()) for part in self._replaced())
        outliers = f"{plural(replaced, 'outlier')} replaced, " if replaced else ""
        return (
            f"{quality['rows']} rows in, {quality['grid_rows']} grid rows of "
            f"{preprocessor.clock.frequency} out, {filled} cells filled, {outliers}features "
            f"{', '.join(preprocessor.features)}; {warning_lines(quality)}"
        )

    def _replaced(self) -> Iterator[np.ndarray]:
        """Flags of outliers that were replaced, block by block."""
        arrays = self.result.arrays
        if arrays.replaced.size:
            for rows in passing(arrays):
                yield arrays.replaced[rows]

    def write(self, pipeline: Pipeline) -> None:
        """Write the arrays, the constants and the plots; those of partitions show the first one."""
        draw(pipeline.plots, self.result.write(pipeline))


def preprocess_folder(folder: Path, params: Params) -> PreprocessedFolder:
    """Read the raw table of a pipeline folder and preprocess it; errors as in `preprocess`."""
    if Pipeline(folder).raw_folder.is_dir():
        return PreprocessedFolder(preprocess_partitions(folder, params))
    schema = load_schema(folder / params.data.schema_file)
    raw = find_raw(Pipeline(folder))
    where = name_of_copy(raw, params.data.source)
    reading = Reading.of(params.data)
    result = preprocess(
        read_raw_table(raw.read_bytes(), schema, where=where, reading=reading),
        schema,
        params.preprocess,
        where=where,
        reading=reading,
        needed=params.window.rows,
        short_series=params.data.short_series,
        options=TargetOptions.of(params),
    )
    return PreprocessedFolder(result)


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
