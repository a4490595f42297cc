"""Named sources of raw tables: embedded data sets and the user's own files."""

import gzip
import io
from importlib import resources
from pathlib import Path

import pandas as pd
import pyarrow as pa

from spline_lstm.core.errors import DataContractError
from spline_lstm.tables.synthetic import stores

# Name in params.yaml -> (package, file inside it). Nothing of these files is committed here.
EMBEDDED = {"bokeh_sampledata/CGM": ("bokeh_sampledata", "_data/CGM.csv.gz")}

# Name in params.yaml -> table made by a formula, the same bytes on every machine.
SYNTHETIC = {"synthetic/stores": stores}

PARQUET_MAGIC = b"PAR1"


def read_source(source: str, folder: Path) -> bytes:
    """Bytes of the raw table as CSV text.

    CSV files and embedded sets are not changed; a Parquet file or a synthetic table becomes CSV,
    with timestamps in ISO 8601 and floats in their shortest exact form.

    Parameters
    ----------
    source : str
        ``data.source`` of params.yaml: an embedded or synthetic name, or a path relative to
        `folder`.
    folder : Path
        The pipeline folder.

    Raises
    ------
    DataContractError
        The source is neither an embedded name nor a file, or the file is empty or unreadable.
    """
    if source in EMBEDDED:
        package, member = EMBEDDED[source]
        return gzip.decompress(resources.files(package).joinpath(member).read_bytes())
    if source in SYNTHETIC:
        return _to_csv(SYNTHETIC[source]())
    path = folder / source
    if not path.is_file():
        known = ", ".join((*EMBEDDED, *SYNTHETIC))
        raise DataContractError(
            f"{path}: no such file; set data.source in params.yaml to a CSV or Parquet file or "
            f"{known}"
        )
    content = path.read_bytes()
    if not content.strip():
        raise DataContractError(
            f"{path}: the file is empty; it must have a header line and one row per timestamp"
        )
    return _parquet_to_csv(path, content) if content[:4] == PARQUET_MAGIC else content


def _parquet_to_csv(path: Path, content: bytes) -> bytes:
    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataContractError(
            f"{path}: not a readable Parquet file ({error}); write it again"
        ) from None
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return _to_csv(frame)


def _to_csv(frame: pd.DataFrame) -> bytes:
    timestamps = frame.select_dtypes(include=["datetime", "datetimetz"])
    exact = {
        # strftime has no nanoseconds.
        name: column.map(lambda timestamp: timestamp.isoformat(), na_action="ignore")
        for name, column in timestamps.items()
        if (column.dt.nanosecond.fillna(0) != 0).any()
    }
    return (
        frame.assign(**{str(name): column for name, column in exact.items()})
        .to_csv(index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S.%f%z")
        .encode("utf-8")
    )
