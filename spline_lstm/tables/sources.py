"""Named sources of raw tables: embedded data sets and the user's own files."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from spline_lstm.core.errors import DataContractError, MissingPackageError
from spline_lstm.tables.parquet import is_parquet, parquet_header
from spline_lstm.tables.synthetic import stores

# Name in params.yaml -> (package, file inside it). Nothing of these files is committed here.
EMBEDDED = {
    "bokeh_sampledata/CGM": ("bokeh_sampledata", "_data/CGM.csv.gz"),
    "bokeh_sampledata/sample_superstore": ("bokeh_sampledata", "_data/SampleSuperstore.csv.gz"),
    "statsmodels/fair": ("statsmodels", "datasets/fair/fair.csv"),
    "statsmodels/randhie": ("statsmodels", "datasets/randhie/randhie.csv"),
    "bokeh_sampledata/stocks": ("bokeh_sampledata", "_data/stocks.csv.gz"),
}

# Name in params.yaml -> table made by a formula, the same bytes on every machine.
SYNTHETIC = {"synthetic/stores": stores}


def read_source(source: str, folder: Path) -> bytes:
    """Bytes of the raw table: the file as it is, Parquet or CSV text.

    A synthetic table becomes CSV text, with floats in their shortest exact form.

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
    MissingPackageError
        The package with the embedded table is not installed.
    """
    if source in EMBEDDED:
        return _embedded(source)
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
        raise DataContractError(f"{path}: the file is empty; it must have a header line and rows")
    if is_parquet(content):
        parquet_header(content, str(path))
    return content


def _embedded(source: str) -> bytes:
    """The table inside an installed package, which is not imported: its data are files."""
    package, member = EMBEDDED[source]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingPackageError(
            f"data.source {source} needs the package {package}; pip install {package}, or set "
            "data.source to a file"
        )
    content = (Path(found.submodule_search_locations[0]) / member).read_bytes()
    return gzip.decompress(content) if member.endswith(".gz") else content


def _to_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(
        index=False, lineterminator="\n", date_format="%Y-%m-%dT%H:%M:%S.%f%z"
    ).encode("utf-8")
