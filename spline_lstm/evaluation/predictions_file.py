"""data/predictions.parquet: every forecast of the test split with its truth.

All scores can be computed again from it.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from spline_lstm.core.clock import Clock
from spline_lstm.core.time_zones import UTC
from spline_lstm.evaluation.forecast_batches import TestBatch
from spline_lstm.inference.intervals import level_name

# Texts repeat: as numbers of a dictionary they cost nothing. Floats do not, and looking for
# repetitions among them takes five times as long as writing them.
REPEATED: Any = ["series", "target"]
# Columns by whose least and largest value a batch may be left out; steps and targets it has all.
SELECTED: Any = ["series", "origin", "timestamp"]
# What repeats within a window or from one window to the next. Looking for repetitions among the
# other floats costs as much as writing them, and saves a fourteenth.
COMPRESSED = {
    "series",
    "origin",
    "step",
    "timestamp",
    "target",
    "y_true",
    "naive",
    "seasonal_naive",
    "moving_average",
}
# Rows of a column that are encoded in one call; few batches have more.
ROWS_AT_ONCE = 1 << 20
# Series of a panel whose names are not all written with each batch.
MANY_NAMES = 1000


def prediction_rows(batch: TestBatch, series_names: Sequence[str]) -> pa.Table:
    """One row per window, step and target; data units, `y_true` null if not observed.

    Returns
    -------
    pa.Table
        Columns series, origin, step (from 1), timestamp, y_true, y_pred, target, one per baseline,
        the lower and upper bound of each level, and for an ensemble ensemble_std, the standard
        deviation of its members.
    """
    forecast = batch.forecast
    count, horizon, targets = batch.y_true.shape
    origin = np.repeat(forecast.timestamps[:, 0], horizon * targets)
    timestamp = np.repeat(forecast.timestamps.reshape(-1), targets)
    content = {
        "series": _words(np.repeat(batch.series.astype(np.int32), horizon * targets), series_names),
        "origin": _times(origin, batch.clock),
        "step": _steps(count, horizon, targets),
        "timestamp": _times(timestamp, batch.clock),
        "y_true": pa.array(batch.y_true.reshape(-1), pa.float64(), from_pandas=True),
        "y_pred": _floats(forecast.point),
        "target": _words(
            np.tile(np.arange(targets, dtype=np.int32), count * horizon), forecast.targets
        ),
        **{name: _floats(values) for name, values in batch.baselines.items()},
    }
    for index, level in enumerate(forecast.levels):
        for side, bound in (("lower", forecast.lower), ("upper", forecast.upper)):
            content[f"{side}_{level_name(level)}"] = _floats(bound[..., index])
    if forecast.ensemble_std is not None:
        content["ensemble_std"] = _floats(forecast.ensemble_std)
    # A column that may lack values is written with a mark for each of them: half of its time.
    fields = [
        pa.field(name, column.type, nullable=name == "y_true") for name, column in content.items()
    ]
    return pa.Table.from_arrays(list(content.values()), schema=pa.schema(fields))


@functools.lru_cache(maxsize=2)
def _steps(count: int, horizon: int, targets: int) -> pa.Array:
    """The steps of the rows of so many windows; all batches but the last have as many."""
    return pa.array(np.tile(np.repeat(np.arange(1, horizon + 1, dtype=np.int32), targets), count))


def _times(timestamps: np.ndarray, clock: Clock) -> pa.Array:
    """Instants in UTC, or the numbers of an index."""
    if clock.kind == "index":
        return pa.array(timestamps)
    return pa.array(timestamps.view("datetime64[ns]"), pa.timestamp("ns", tz=UTC))


def _words(index: Int[np.ndarray, " rows"], names: Sequence[str]) -> pa.DictionaryArray:
    first = 0
    if len(names) > MANY_NAMES:
        # Each batch is written with all words of its dictionary: only with those between its own.
        first, end = int(index.min()), int(index.max()) + 1
        names = names[first:end]
        index = index - first
    return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(list(names), pa.string()))


def _floats(values: np.ndarray) -> pa.Array:
    return pa.array(np.ascontiguousarray(values, dtype=np.float64).reshape(-1))


class PredictionsWriter:
    """Writes tables one after another into a Parquet file, which the first one creates."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        compression: Any = {
            name: "snappy" if name in COMPRESSED else "none" for name in table.column_names
        }
        if self._file is None:
            self._file = pq.ParquetWriter(
                self._path,
                table.schema,
                use_dictionary=REPEATED,
                compression=compression,
                # For forecasts they would cost an eighth of the writing.
                write_statistics=SELECTED,
                # Without the Arrow schema texts are read as texts, not as dictionaries.
                store_schema=False,
                write_batch_size=ROWS_AT_ONCE,
            )
        self._file.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()
