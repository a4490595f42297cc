"""The folder of a Forecaster, of `save` or of a pipeline: is there one, and the rows that it continues.

The rows are data/history.parquet of `save`, or the raw table of a pipeline.
"""

from pathlib import Path

import pandas as pd

from spline_lstm.core.artifacts import write_atomically
from spline_lstm.core.errors import ArtifactError
from spline_lstm.inference.reading import history_frame
from spline_lstm.windows.preprocessor import Preprocessor

MODEL = Path("models/rnn/model.json")
HISTORY = Path("data/history.parquet")
RAW = Path("data/raw/series.csv")


def check_saved(folder: Path) -> None:
    """Raise ArtifactError where a folder holds no trained model: neither `save` nor a pipeline wrote there."""
    if not (folder / MODEL).is_file():
        raise ArtifactError(
            f"{folder}: there is no saved Forecaster in this folder ({MODEL} is missing); name the folder that "
            "Forecaster.save wrote, or a pipeline's after `dvc repro`"
        )


def read_history(folder: Path, behind: Preprocessor) -> pd.DataFrame:
    """The history in a folder, as `history_frame` gives it; ArtifactError where there is none."""
    if (folder / HISTORY).is_file():
        return history_frame(behind, pd.read_parquet(folder / HISTORY), str(folder / HISTORY))
    if (folder / RAW).is_file():
        return history_frame(behind, (folder / RAW).read_bytes(), str(folder / RAW))
    raise ArtifactError(f"{folder} holds no history ({HISTORY} or {RAW}); give predict a history")


def write_history(folder: Path, rows: pd.DataFrame) -> None:
    """Write data/history.parquet; cells of mixed types become text, which is how they are read."""
    texts = {name: _as_texts(rows[name]) for name in rows.columns if rows[name].dtype == object}
    write_atomically(folder / HISTORY, rows.assign(**texts).to_parquet)


def _as_texts(column: pd.Series) -> pd.Series:
    return column.astype("str").mask(column.isna())
