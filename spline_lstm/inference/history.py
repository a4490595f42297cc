"""The history in the folder of a Forecaster: the rows that its forecasts continue.

The rows are data/history.parquet, written by `save`, or the raw table of a pipeline.
"""

from pathlib import Path

import pandas as pd

from spline_lstm.core.artifacts import write_atomically
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.inference.reading import history_frame
from spline_lstm.tables.raw_file import find_raw
from spline_lstm.windows.preprocessor import Preprocessor

# Relative to the folder.
MODEL, HISTORY = Pipeline().model, Pipeline().history


def check_saved(folder: Path) -> None:
    """Raise ArtifactError if a folder has no trained model of `save` or of a pipeline."""
    if not (folder / MODEL).is_file():
        raise ArtifactError(
            f"{folder}: there is no saved Forecaster in this folder ({MODEL} is missing); name a "
            "folder that Forecaster.save wrote, or a pipeline folder after `dvc repro`"
        )


def read_history(folder: Path, preprocessor: Preprocessor) -> pd.DataFrame:
    """The history in a folder, by `history_frame`; ArtifactError if there is none."""
    if (folder / HISTORY).is_file():
        rows = pd.read_parquet(folder / HISTORY)
        return history_frame(preprocessor, rows, str(folder / HISTORY))
    pipeline = Pipeline(folder)
    if not any(path.is_file() for path in pipeline.raw_files):
        raise ArtifactError(
            f"{folder} has no history ({HISTORY} or {Pipeline().raw_csv}); give predict a history"
        )
    raw = find_raw(pipeline)
    return history_frame(preprocessor, raw.read_bytes(), str(raw))


def write_history(folder: Path, rows: pd.DataFrame) -> None:
    """Write data/history.parquet; columns of mixed types become text, as they are read."""
    texts = {name: _as_texts(rows[name]) for name in rows.columns if rows[name].dtype == object}
    write_atomically(folder / HISTORY, rows.assign(**texts).to_parquet)


def _as_texts(column: pd.Series) -> pd.Series:
    return column.astype("str").mask(column.isna())
