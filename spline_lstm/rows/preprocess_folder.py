"""The parts of the stages preprocess and window for a table of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spline_lstm.core.formatting import plural
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.row_schema import load_row_schema
from spline_lstm.core.stage_files import WindowFiles
from spline_lstm.rows.arrays import RowArrays
from spline_lstm.rows.preprocess import PreprocessedRows, preprocess_rows
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.tables.raw_file import find_raw, name_of_copy
from spline_lstm.tables.row_table import read_row_table

# Findings that a line of the stage names; metrics/data.json has all of them.
MAX_LINES = 20


@dataclass(frozen=True)
class PreprocessedFolder:
    """What the stage preprocess writes of a table of rows; see `PreprocessedRows`."""

    result: PreprocessedRows

    @property
    def quality(self) -> dict[str, Any]:
        """Content of metrics/data.json."""
        return self.result.quality

    @property
    def text(self) -> str:
        """The line of the stage, and one below it for each finding."""
        quality, fitted = self.quality, self.result.preprocessor
        refused, warnings = quality["refused"], quality["warnings"]
        lines = [*_lines("left out", refused), *_lines("WARNING", warnings)]
        return (
            f"{quality['rows']} rows, {plural(len(fitted.numbers), 'number')} and "
            f"{plural(len(fitted.categories), 'category')} out, {len(refused)} left out, "
            f"{plural(len(warnings), 'warning')} in metrics/data.json" + "".join(lines)
        )

    def write(self, pipeline: Pipeline) -> None:
        """Write processed.npz and preprocessor.json."""
        self.result.arrays.save(pipeline.processed)
        self.result.preprocessor.save(pipeline.preprocessor)


def _lines(head: str, findings: Sequence[dict[str, Any]]) -> list[str]:
    shown = [f"\n{head}: {item['text']}" for item in findings[:MAX_LINES]]
    more = len(findings) - MAX_LINES
    return [*shown, f"\n{head}: {more} more in metrics/data.json"] if more > 0 else shown


def preprocess_rows_folder(folder: Path, params: Params) -> PreprocessedFolder:
    """Preprocess the table of rows of a pipeline folder; errors as in `preprocess_rows`."""
    raw = find_raw(Pipeline(folder))
    where = name_of_copy(raw, params.data.source)
    schema = load_row_schema(folder / params.data.schema_file)
    table = read_row_table(raw.read_bytes(), schema, where=where)
    return PreprocessedFolder(preprocess_rows(table, schema, params.tabular, where=where))


def split_files(folder: Path, params: Params) -> WindowFiles:
    """The splits of the rows of a pipeline folder, and what their arrays are, for other tools."""
    pipeline = Pipeline(folder)
    arrays = RowArrays.load(pipeline.processed)
    fitted = RowPreprocessor.load(pipeline.preprocessor)
    splits = arrays.split_rows()
    meta = {
        "kind": fitted.kind,
        "target": fitted.target,
        "classes": list(fitted.classes),
        "numbers": list(fitted.numbers),
        "categories": list(fitted.categories),
        "category_sizes": list(fitted.category_sizes),
        "rows": len(arrays.labels),
        "model_type_candidates": list(params.compare.models),
    }
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in splits.items())
    text = f"{len(arrays.labels)} rows in, split {params.tabular.split}: {counts}"
    return WindowFiles(dict(splits), meta, text)
