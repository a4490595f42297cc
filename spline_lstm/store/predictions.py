"""Predictions as immutable Parquet files: ``task_id=forecast/date=2024-03-01/HASH.parquet``.

A DuckDB file admits one writer and, while it writes, no reader. Files that are never changed admit
any number of both. A call of `score` writes one file per date (of `ts`, in the time zone of the
pipeline), named by the hash of the keys of its rows, so that the same call writes the same name and
does nothing the second time. Rows that are stored already are left out; two calls at the same time
may both store a row, of which readers take the one that was generated first.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spline_lstm.core.artifacts import content_id
from spline_lstm.core.clock import Clock
from spline_lstm.core.errors import StoreError
from spline_lstm.core.time_zones import UTC, local_times
from spline_lstm.store.files import write_once

# What makes two rows the same prediction.
KEYS = ("task_id", "model_id", "symbol", "target", "ts", "step")
COLUMNS = (*KEYS, "timestamp", "score", "members", "generated_at")
INSTANTS = ("ts", "timestamp")
# Columns that only some tasks have: texts; other further ones, such as lower_80, are floats.
TEXTS = ("word", "reasons")
# Columns of `Scored.rows` that every task has.
SCORED = ("symbol", "target", "ts", "step", "timestamp", "score")


@dataclass(frozen=True)
class Scored:
    """What a model says, knowing what was known at one time.

    Attributes
    ----------
    rows : DataFrame
        One row per symbol, target and step, with the columns `SCORED`, further floats and `TEXTS`:
        `symbol`, the name of the series; `target`; `ts`, instant of the last row that the model
        knew; `step`, how many rows later the score is about; `timestamp`, the instant of that row;
        `score`, the forecast in data units or a probability.
    members : tuple of str
        The models that contributed.
    notes : tuple of str
        What a reader must know, such as series that were left out.
    """

    rows: pd.DataFrame
    members: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def add_predictions(
    folder: Path, task_id: str, model_id: str, scored: Scored, clock: Clock, now: datetime
) -> int:
    """Store the rows that are not stored yet; how many there were.

    Parameters
    ----------
    folder : Path
        Of the predictions.
    task_id, model_id : str
    scored : Scored
    clock : Clock
        Of the model: it gives the dates.
    now : datetime
        With its time zone.

    Raises
    ------
    StoreError
        A stored file is damaged.
    """
    table = scored.rows.assign(
        task_id=task_id, model_id=model_id, members=",".join(scored.members)
    ).sort_values(list(KEYS), ignore_index=True)
    count = 0
    for date, rows in table.groupby(dates_of(table["ts"].to_numpy(np.int64), clock), sort=True):
        place = folder / f"task_id={task_id}" / f"date={date}"
        new = rows[~_keys_of(rows).isin(_stored_keys(place, rows["symbol"]))]
        if len(new):
            path = place / f"{_name(new)}.parquet"
            content = _arrow(new, clock, now)
            if write_once(path, lambda temporary, content=content: write(content, temporary)):
                count += len(new)
    return count


def dates_of(instants: np.ndarray, clock: Clock) -> np.ndarray:
    """The date of each instant in the zone of the clock, as text; of an index its numbers."""
    if clock.kind == "index":
        return instants.astype(str).astype(object)
    days = local_times(instants, clock.zone).view("datetime64[ns]").astype("datetime64[D]")
    return days.astype(str).astype(object)


def write(content: pa.Table, path: Path) -> None:
    """Write rows as Parquet."""
    pq.write_table(content, path, compression="zstd", store_schema=False)


def _arrow(rows: pd.DataFrame, clock: Clock, now: datetime) -> pa.Table:
    instants = pa.int64() if clock.kind == "index" else pa.timestamp("ns", tz=UTC)
    texts = ("task_id", "model_id", "symbol", "target", "members", *TEXTS)
    types = dict.fromkeys(texts, pa.string())
    types |= dict.fromkeys(INSTANTS, instants) | {"step": pa.int32(), "score": pa.float64()}
    further = [name for name in rows.columns if name not in COLUMNS]
    content = {
        name: pa.array(rows[name].to_numpy(), types.get(name, pa.float64()), from_pandas=True)
        for name in (*COLUMNS[:-2], *further, "members")
    }
    moment = pa.scalar(now, pa.timestamp("us", tz=UTC))
    return pa.table({**content, "generated_at": pa.repeat(moment, len(rows))})


def _name(rows: pd.DataFrame) -> str:
    """Hash of the keys."""
    return content_id(
        *("\t".join(map(str, key)) for key in rows[list(KEYS)].itertuples(index=False))
    )


def _keys_of(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(rows[list(KEYS)])


def _stored_keys(place: Path, symbols: pd.Series) -> pd.MultiIndex:
    """Keys of the rows of one date, of the files that may have any of the symbols."""
    low, high = symbols.min(), symbols.max()
    paths = [path for path in sorted(place.glob("*.parquet")) if _may_have(path, low, high)]
    parts = [read_file(path, KEYS) for path in paths]
    if not parts:
        return pd.MultiIndex.from_frame(pd.DataFrame(columns=list(KEYS)))
    frame = pa.concat_tables(parts).to_pandas()
    return _keys_of(frame.assign(ts=_numbers(frame["ts"])))


def _may_have(path: Path, low: str, high: str) -> bool:
    """Whether a file has symbols between two, as far as its statistics say; True if unknown."""
    with _damage_named(path):
        about = pq.ParquetFile(path).metadata
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        column = about.schema.names.index("symbol")
        known = [group.column(column).statistics for group in groups]
    if not all(each is not None and each.has_min_max for each in known):
        return True
    return any(each.min <= high and low <= each.max for each in known)


def _numbers(column: pd.Series) -> np.ndarray:
    """Instants as numbers."""
    if pd.api.types.is_integer_dtype(column):
        return column.to_numpy(np.int64)
    return pd.DatetimeIndex(column).as_unit("ns").asi8


def read_file(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one file.

    Raises
    ------
    StoreError
        It is damaged.
    """
    with _damage_named(path):
        return pq.ParquetFile(path).read(columns=None if columns is None else list(columns))


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"{path} is damaged ({error}); remove it and run score again for its date"
        ) from None


def read_predictions(folder: Path, **chosen: str) -> pd.DataFrame:
    """All stored predictions as one table, by their keys; of equal keys the first one generated.

    Needs no DuckDB.

    Parameters
    ----------
    folder : Path
        Of the predictions.
    **chosen : str
        Only the rows with these values, such as ``task_id="forecast"`` or ``date="2024-03-01"``.

    Returns
    -------
    DataFrame
        Instants are UTC, or the numbers of an index.
    """
    parts = [read_file(path).to_pandas() for path in files_of(folder, **chosen)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = pd.concat(parts, ignore_index=True)
    for name in set(chosen) & {*COLUMNS}:
        rows = rows[rows[name] == chosen[name]]
    # The order of the files decides between rows of the same microsecond.
    rows = rows.sort_values("generated_at", kind="stable").drop_duplicates(list(KEYS))
    return rows.sort_values(list(KEYS), ignore_index=True)


def files_of(folder: Path, **chosen: str) -> Iterator[Path]:
    """The files of predictions, in the order of their names."""
    parts: Mapping[str, str] = {"task_id": "*", "date": "*", **chosen}
    yield from sorted(folder.glob(f"task_id={parts['task_id']}/date={parts['date']}/*.parquet"))
