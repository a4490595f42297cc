"""Seconds and memory of preprocessing: a long series, many short ones, windows of two lookbacks.

Run at the root: ``python -m benchmarks.preprocess``. A raw array has 8 columns of float64; memory
is the peak of what is allocated while preprocessing, in multiples of it. A ratio near 2 means that
twice the rows take twice the time.
"""

import time
import tracemalloc
from pathlib import Path

import numpy as np

from spline_lstm.core.covariates import DynamicCovariate
from spline_lstm.core.params import PreprocessParams, WindowParams, load_params
from spline_lstm.core.schema import Schema
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.raw_table import RawTable
from spline_lstm.windows.windows import make_windows

COLUMNS = tuple(f"c{index}" for index in range(8))
STEP_NS = 3_600_000_000_000
SCHEMA = Schema(
    version=1,
    timestamp_col="t",
    series_col="s",
    target_cols=("c0",),
    dynamic_covariates=tuple(DynamicCovariate(name=name) for name in COLUMNS[1:]),
)


def make_table(series: int, rows: int) -> RawTable:
    """Hourly random walks with jitter; 3 % of the rows are absent and 5 % of the values missing."""
    rng = np.random.default_rng(0)
    total = series * rows
    kept = rng.random(total) > 0.03
    timestamps = np.tile(np.arange(rows) * STEP_NS, series) + rng.integers(-200, 200, total) * 10**9
    values = np.cumsum(rng.normal(size=(total, len(COLUMNS))), axis=0)
    values[rng.random(values.shape) < 0.05] = np.nan
    index = np.repeat(np.arange(series), rows)[kept]
    return RawTable(
        timestamps=timestamps[kept],
        values=values[kept],
        columns=COLUMNS,
        series_offsets=np.searchsorted(index, np.arange(series + 1)),
        series_names=tuple(f"s{number:04d}" for number in range(series)),
        duplicates=0,
        unknown_columns=(),
    )


def hourly_params() -> PreprocessParams:
    """The params of the default pipeline, hourly and with all columns."""
    changes = {"frequency": "1h", "feature_mode": "multivariate"}
    return load_params(Path()).preprocess.model_copy(update=changes)


def seconds_and_memory(table: RawTable, params: PreprocessParams) -> tuple[float, float]:
    """Seconds of one run, and the peak of memory of another in multiples of the raw array."""
    start = time.perf_counter()
    preprocess(table, SCHEMA, params, where="table")
    seconds = time.perf_counter() - start
    tracemalloc.start()
    preprocess(table, SCHEMA, params, where="table")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak / table.values.nbytes


def window_memory(lookback: int) -> float:
    """Peak of memory (MB) while the windows of 100,000 rows are found."""
    arrays = preprocess(make_table(1, 100_000), SCHEMA, hourly_params(), where="table")
    params = WindowParams(lookback=lookback, horizon=6, stride=1, embargo=None, materialize=False)
    tracemalloc.start()
    make_windows(arrays.arrays, arrays.preprocessor.scaler, arrays.preprocessor.clock, params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    """Print one line per case."""
    params = hourly_params()
    cases = {
        "1 x 500,000": (1, 500_000),
        "1 x 1,000,000": (1, 1_000_000),
        "1,000 x 1,000": (1_000, 1_000),
    }
    print(f"{'series x rows, 8 columns':26s} {'seconds':>8s} {'memory / raw array':>19s}")
    seconds = {}
    for name, (series, rows) in cases.items():
        seconds[name], memory = seconds_and_memory(make_table(series, rows), params)
        print(f"{name:26s} {seconds[name]:8.2f} {memory:19.2f}")
    print(f"2n / n: {seconds['1 x 1,000,000'] / seconds['1 x 500,000']:.2f}")
    print(
        "windows: "
        + ", ".join(
            f"lookback {lookback}: {window_memory(lookback):.1f} MB" for lookback in (24, 96)
        )
    )


if __name__ == "__main__":
    main()
