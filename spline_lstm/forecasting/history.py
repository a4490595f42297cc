"""The rows that a Forecaster continues, as a file: data/history.parquet of `save`, or the raw table of a pipeline."""

from pathlib import Path

import pandas as pd

from spline_lstm.artifacts import write_atomically
from spline_lstm.errors import ArtifactError
from spline_lstm.series.preprocessor import Preprocessor

HISTORY = Path("data/history.parquet")
RAW = Path("data/raw/series.csv")


def read_history(folder: Path, behind: Preprocessor) -> pd.DataFrame:
    """The history in a folder, as `Preprocessor.history_frame` gives it; ArtifactError where there is none."""
    if (folder / HISTORY).is_file():
        return behind.history_frame(pd.read_parquet(folder / HISTORY), str(folder / HISTORY))
    if (folder / RAW).is_file():
        return behind.history_frame((folder / RAW).read_bytes(), str(folder / RAW))
    raise ArtifactError(f"{folder} holds no history ({HISTORY} or {RAW}); give predict a history")


def write_history(folder: Path, rows: pd.DataFrame) -> None:
    """Write data/history.parquet; cells of mixed types become text, which is how they are read."""
    texts = {name: _as_texts(rows[name]) for name in rows.columns if rows[name].dtype == object}
    write_atomically(folder / HISTORY, rows.assign(**texts).to_parquet)


def _as_texts(column: pd.Series) -> pd.Series:
    return column.astype("str").mask(column.isna())
