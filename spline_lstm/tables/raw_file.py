"""The raw table of a pipeline as a file: data/raw/series.csv or data/raw/series.parquet."""

import re
import shutil
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
        There is none, or one of each kind, or it is in partitions.
    """
    if pipeline.raw_folder.is_dir():
        raise ArtifactError(
            f"{pipeline.raw_folder}: the raw table is in partitions, but this needs all of it at "
            "once; set data.partition_rows to null, or work on a part of the panel"
        )
    return _find_file(pipeline)


def name_of_copy(raw: Path, source: str) -> str:
    """The raw table in messages: what is to be corrected is the source, which ingest copies.

    >>> name_of_copy(Path("data/raw/series.csv"), "data/source/load.csv")
    'data/raw/series.csv (a copy of data/source/load.csv)'
    """
    return f"{raw.as_posix()} (a copy of {source})"


def find_sample(pipeline: Pipeline) -> Path:
    """The raw table, or the first partition of it: some series of a panel, with all their rows.

    Raises
    ------
    ArtifactError
        As `find_raw`.
    """
    if pipeline.raw_folder.is_dir():
        parts = sorted(pipeline.raw_folder.glob("part-*.parquet"))
        if parts:
            return parts[0]
    return _find_file(pipeline)


def _find_file(pipeline: Pipeline) -> Path:
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
    """Write the raw table under the name of its kind; other forms of it are removed."""
    path, other = _files(pipeline, content)
    write_bytes(path, content)
    other.unlink(missing_ok=True)
    shutil.rmtree(pipeline.raw_folder, ignore_errors=True)
    return path


def check_dvc_yaml(pipeline: Pipeline, content: bytes, source: str) -> None:
    """Check that dvc.yaml, if there is one, names the raw table by the kind of the source.

    Raises
    ------
    ArtifactError
        It names another file, so that DVC would not find what the stages write.
    """
    kind = "a Parquet file" if is_parquet(content) else "CSV text"
    _check_named(pipeline, _files(pipeline, content)[0], f"the source {source} is {kind}")


def check_dvc_yaml_of_partitions(pipeline: Pipeline) -> None:
    """As `check_dvc_yaml`, with `data.partition_rows`."""
    _check_named(pipeline, pipeline.raw_folder, "data.partition_rows is set")


def _check_named(pipeline: Pipeline, path: Path, reason: str) -> None:
    """Raise ArtifactError if dvc.yaml names another form of the raw table than `path`."""
    if not pipeline.dvc_yaml.is_file():
        return
    text = pipeline.dvc_yaml.read_text(encoding="utf-8")
    for other in {*pipeline.raw_files, pipeline.raw_folder} - {path}:
        name = other.relative_to(pipeline.folder).as_posix()
        if places := len(re.findall(rf"{re.escape(name)}(?![\w.])", text)):
            wanted = path.relative_to(pipeline.folder).as_posix()
            raise ArtifactError(
                f"{pipeline.dvc_yaml}: the raw table is {name} there ({places} places), but "
                f"{reason}; write {wanted} in each place"
            )


def _files(pipeline: Pipeline, content: bytes) -> tuple[Path, Path]:
    """The file for this content, and the one of the other kind."""
    csv, parquet = pipeline.raw_files
    return (parquet, csv) if is_parquet(content) else (csv, parquet)
