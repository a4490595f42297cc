"""A panel in partitions: Parquet files in one folder, each with all rows of some of its series.

``_index.json`` beside them says what is in each file. A panel that does not fit into memory is read
one partition at a time.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spline_lstm.core.artifacts import read_json, replace_folder, sha256_of_file, write_json
from spline_lstm.core.errors import ArtifactError, DataContractError, ParamsError
from spline_lstm.core.formatting import plural
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import Schema, load_schema
from spline_lstm.core.stage_files import CheckedTable
from spline_lstm.tables.frames import named_columns
from spline_lstm.tables.parquet import is_parquet, write_small
from spline_lstm.tables.raw_table import RawTable, read_raw_table, rows_of

INDEX = "_index.json"
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Partition:
    """One file of a panel.

    Attributes
    ----------
    file : name in the folder
    rows : rows of the file
    series : number of series
    first, last : timestamps, int64 as in `RawTable`
    columns, unknown_columns : that the schema names, and others
    sha256 : of the file
    """

    file: str
    rows: int
    series: int
    first: int
    last: int
    columns: tuple[str, ...]
    unknown_columns: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class PartitionJob:
    """What a worker needs to read a partition.

    Attributes
    ----------
    path, schema, reading
    span : two instants
        Only rows from the first on and before the second are read. None: all.
    """

    path: Path
    schema: Schema
    reading: Reading
    span: tuple[int, int] | None = None

    def read(self) -> RawTable:
        """The table of the partition; errors as in `read_raw_table`."""
        content = self.path.read_bytes()
        table = read_raw_table(content, self.schema, where=self.path.name, reading=self.reading)
        if self.span is None:
            return table
        start, end = self.span
        return rows_of(table, (table.timestamps >= start) & (table.timestamps < end))


def partition_jobs(folder: Path, params: Params) -> list[PartitionJob]:
    """The partitions of a pipeline folder, in order.

    Raises
    ------
    ArtifactError
        The index is missing or damaged, or a file is not what it says.
    """
    raw = Pipeline(folder).raw_folder
    schema = load_schema(folder / params.data.schema_file)
    jobs = []
    for each in read_index(raw):
        path = raw / each.file
        if not path.is_file() or sha256_of_file(path) != each.sha256:
            raise ArtifactError(
                f"{path} is missing, or is not the file of {INDEX}; run `dvc repro`"
            )
        jobs.append(PartitionJob(path, schema, Reading.of(params.data)))
    return jobs


def read_index(raw: Path) -> list[Partition]:
    """The partitions of a folder; errors as in `read_json`."""
    path = raw / INDEX
    try:
        return [
            Partition(**{**each, **{name: tuple(each[name]) for name in TUPLES}})
            for each in read_json(path)["partitions"]
        ]
    except (KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); run `dvc repro`") from None


TUPLES = ("columns", "unknown_columns")


def ingest_partitions(folder: Path, params: Params) -> CheckedTable:
    """Split the source of a pipeline folder into partitions, and check each of them.

    The source is read and written in pieces; memory contains one partition for each worker.

    Raises
    ------
    DataContractError
        The source is not a Parquet file, a partition breaks the contract, or the rows of a series
        lie too far apart.
    ParamsError
        The schema has no series to split by.
    """
    pipeline = Pipeline(folder)
    schema, source = load_schema(folder / params.data.schema_file), folder / params.data.source
    check_has_series(schema)
    building = pipeline.raw_folder.with_name(".tmp-series")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        paths = write_partitions(source, building, schema, params.data.partition_rows or 1)
        jobs = [PartitionJob(path, schema, Reading.of(params.data)) for path in paths]
        names = [path.name for path in paths]
        parts = run_all(Work(check_partition, jobs, names), params.run, "ingest")
        write_json(building / INDEX, {"partitions": [asdict(part) for part in parts]})
        replace_folder(building, pipeline.raw_folder)
        for path in pipeline.raw_files:
            path.unlink(missing_ok=True)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    rows, series = sum(part.rows for part in parts), sum(part.series for part in parts)
    first, last = (
        params.clock.text_of(instant)
        for instant in (min(part.first for part in parts), max(part.last for part in parts))
    )
    metrics: dict[str, Any] = {
        "rows": rows,
        "columns": [*parts[0].columns, *parts[0].unknown_columns],
        "first_timestamp": first,
        "last_timestamp": last,
        "series": series,
        "partitions": len(parts),
    }
    text = f"{rows} rows of {series} series in {plural(len(parts), 'partition')}, {first} to {last}"
    return CheckedTable(metrics, text)


def check_has_series(schema: Schema) -> None:
    """Raise ParamsError unless the schema has a column by which a table is split."""
    if schema.series_col is None or schema.wide is not None:
        raise ParamsError(
            "data.partition_rows splits a table by its series, but the schema has no series_col; "
            "set data.partition_rows to null"
        )


def check_partition(job: PartitionJob) -> Partition:
    """Read one partition, and say what is in it; errors as in `read_raw_table`."""
    table = job.read()
    return Partition(
        file=job.path.name,
        rows=len(table.timestamps) + table.duplicates,
        series=len(table.series_names),
        first=int(table.timestamps.min()),
        last=int(table.timestamps.max()),
        columns=table.columns,
        unknown_columns=table.unknown_columns,
        sha256=sha256_of_file(job.path),
    )


def write_partitions(source: Path, folder: Path, schema: Schema, rows: int) -> list[Path]:
    """Write files of about `rows` rows, each with whole series, in the order of the source.

    Raises
    ------
    DataContractError
        The source is not a Parquet file, has no rows, lacks the column of the series, or a series
        has rows in two partitions.
    """
    paths: list[Path] = []
    done: set[str] = set()
    for table in _cut(_batches(source, schema), str(schema.series_col), rows):
        names = set(table[schema.series_col].cast(pa.string()).unique().to_pylist())
        if apart := sorted(str(name) for name in names & done):
            raise DataContractError(
                f"{source}: the rows of series {apart[0]!r} lie more than data.partition_rows = "
                f"{rows} rows apart; sort the file by {schema.series_col!r}, or raise the limit"
            )
        done |= names
        paths.append(folder / f"part-{len(paths):05d}.parquet")
        write_small(table, paths[-1])
    if not paths:
        raise DataContractError(f"{source}: the file has no rows; bring one row per timestamp")
    return paths


def _batches(source: Path, schema: Schema) -> Iterator[pa.RecordBatch]:
    """The named columns of a Parquet file, piece by piece."""
    head = b""
    if source.is_file():
        with source.open("rb") as file:
            head = file.read(4)
    if not is_parquet(head):
        raise DataContractError(
            f"{source}: not a Parquet file, which data.partition_rows needs; bring one, or set it "
            "to null"
        )
    try:
        with pq.ParquetFile(source) as table:
            chosen = [name for name in table.schema_arrow.names if name in named_columns(schema)]
            if schema.series_col not in chosen:
                raise DataContractError(
                    f"{source}: the column {schema.series_col!r} of the series is missing; correct "
                    "the schema or the file"
                )
            # One group after another: a pass over several keeps what it has read of all of them.
            for group in range(table.num_row_groups):
                yield from table.iter_batches(BATCH_ROWS, columns=chosen, row_groups=[group])
    except (OSError, pa.ArrowException) as error:
        raise DataContractError(
            f"{source}: not a readable Parquet file ({error}); write it again"
        ) from None


def _cut(batches: Iterator[pa.RecordBatch], key: str, rows: int) -> Iterator[pa.Table]:
    """Tables that end with the series that has their row number `rows`."""
    parts: list[pa.RecordBatch] = []
    count, last = 0, None
    for whole in batches:
        batch = whole
        while batch.num_rows:
            if count < rows:
                end = min(rows - count, batch.num_rows)
            else:
                end = _end_of_series(batch[key], last)
            if end:
                parts.append(batch.slice(0, end))
                count, last = count + end, batch[key][end - 1]
            batch = batch.slice(end)
            if count >= rows and batch.num_rows and batch[key][0] != last:
                yield pa.Table.from_batches(parts)
                parts, count = [], 0
    if parts:
        yield pa.Table.from_batches(parts)


def _end_of_series(keys: pa.Array, last: Any) -> int:
    """Number of the first keys that are the key `last`."""
    encoded = pa.array(keys).dictionary_encode()
    if encoded[0].as_py() != last.as_py():
        return 0
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    others = np.flatnonzero(indices != indices[0])
    return int(others[0]) if len(others) else len(indices)
