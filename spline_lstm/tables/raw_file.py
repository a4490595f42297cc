"""The raw table of a pipeline as a file: data/raw/series.csv or data/raw/series.parquet."""

from pathlib import Path

from spline_lstm.core.artifacts import write_bytes
from spline_lstm.core.errors import ArtifactError
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.tables.parquet import is_parquet


def find_raw(pipeline: Pipeline) -> Path:
    """The raw table that stage ingest wrote.

    Raises
    ------
    ArtifactError
        There is none, or one of each kind.
    """
    found = [path for path in pipeline.raw_files if path.is_file()]
    if not found:
        raise ArtifactError(
            f"{pipeline.raw_csv} is missing, and so is {pipeline.raw_parquet.name} beside it; run "
            "`dvc repro` to make it"
        )
    if len(found) > 1:
        raise ArtifactError(
            f"{pipeline.raw_csv} and {pipeline.raw_parquet.name} are both there; remove the one "
            "that dvc.yaml does not name"
        )
    return found[0]


def write_raw(pipeline: Pipeline, content: bytes) -> Path:
    """Write the raw table under the name of its kind; one of the other kind is removed."""
    path, other = _files(pipeline, content)
    write_bytes(path, content)
    other.unlink(missing_ok=True)
    return path


def check_dvc_yaml(pipeline: Pipeline, content: bytes, source: str) -> None:
    """Check that dvc.yaml, if there is one, names the raw table by the kind of the source.

    Raises
    ------
    ArtifactError
        It names the other file, so that DVC would not find what the stages write.
    """
    if not pipeline.dvc_yaml.is_file():
        return
    path, other = (each.relative_to(pipeline.folder) for each in _files(pipeline, content))
    places = pipeline.dvc_yaml.read_text(encoding="utf-8").count(other.as_posix())
    if places:
        kind = "a Parquet file" if is_parquet(content) else "CSV text"
        raise ArtifactError(
            f"{pipeline.dvc_yaml}: the raw table is {other.as_posix()} there ({places} places), "
            f"but the source {source} is {kind}; write {path.as_posix()} in each place"
        )


def _files(pipeline: Pipeline, content: bytes) -> tuple[Path, Path]:
    """The file for this content, and the one of the other kind."""
    csv, parquet = pipeline.raw_files
    return (parquet, csv) if is_parquet(content) else (csv, parquet)
