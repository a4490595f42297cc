"""Seconds and memory of the stages ingest and preprocess on a large panel.

Run at the root: ``python -m benchmarks.ingest [--series 4000] [--rows 1000] [--format csv]``.

Hourly values of many series, as a Parquet file (or CSV text) with a timestamp, a series key and
one target; 1 % of the targets are missing. Each stage has its own process, as under DVC. Memory is
the peak of that process minus the peak of the same stage on one series of the same length, which
is what Python and the libraries take; it is printed in megabytes and in multiples of the three raw
columns as Arrow reads them from the Parquet file (8 bytes for a timestamp and for a number, the
text and 4 bytes for a key).
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_file import params_text

HOUR_NS = 3_600_000_000_000
STAGES = ("ingest", "preprocess")
SCHEMA = {
    "version": 1,
    "timestamp_col": "time",
    "series_col": "store",
    "target_cols": ["sales"],
}


def make_panel(series: int, rows: int) -> pa.Table:
    """Random walks from 2020 on; the rows of a series lie together."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2020-01-01", "ns").astype(np.int64)
    values = np.cumsum(rng.normal(size=(series, rows)), axis=1).ravel()
    keys = np.repeat([f"store_{number:05d}" for number in range(series)], rows)
    return pa.table(
        {
            "time": pa.array(
                np.tile(start + HOUR_NS * np.arange(rows), series), pa.timestamp("ns")
            ),
            "store": pa.array(keys),
            "sales": pa.array(values, mask=rng.random(len(values)) < 0.01),
        }
    )


def write_pipeline(folder: Path, series: int, rows: int, kind: str) -> int:
    """Write a pipeline folder with a panel, without a dvc.yaml; bytes of the panel's columns."""
    panel = make_panel(series, rows)
    folder.mkdir()
    source = folder / f"panel.{kind}"
    if kind == "parquet":
        pq.write_table(panel, source)
    else:
        panel.to_pandas().to_csv(source, index=False)
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    values = {
        "data.source": source.name,
        "data.schema_file": "schema.json",
        "data.duplicates": "error",
        "preprocess.frequency": "1h",
    }
    (folder / "params.yaml").write_text(params_text(with_values(Params(), values, "benchmark"), ""))
    return panel.nbytes


def run(stage: str, folder: Path) -> tuple[float, float, int]:
    """Seconds, CPU seconds and the peak of memory in bytes of a stage in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-m", f"stages.{stage}", str(folder)]
    process = os.spawnv(os.P_NOWAIT, sys.executable, command)
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        sys.exit(f"stage {stage} failed")
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _prepared(folder: Path, series: int, rows: int, kind: str) -> int:
    """Bytes of the columns of a new pipeline folder, made in a process of its own.

    A process starts with the peak of the one that starts it, so this one must stay small.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(write_pipeline, (folder, series, rows, kind))


def main() -> None:
    """Print one line per stage."""
    parser = argparse.ArgumentParser(description="Seconds and memory of ingest and preprocess.")
    parser.add_argument("--series", type=int, default=4_000, metavar="N")
    parser.add_argument("--rows", type=int, default=1_000, metavar="N", help="of each series")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        one, panel = Path(name) / "one", Path(name) / "panel"
        for folder, series in ((one, 1), (panel, given.series)):
            size = _prepared(folder, series, given.rows, given.format)
        print(f"{given.series} series of {given.rows} rows, {size / 1e6:.0f} MB of raw columns")
        print(
            f"{'stage':12s} {'seconds':>8s} {'CPU s':>6s} {'MB':>6s} {'memory / raw columns':>21s}"
        )
        for stage in STAGES:
            before = run(stage, one)[-1]
            seconds, cpu, peak = run(stage, panel)
            memory = peak - before
            print(
                f"{stage:12s} {seconds:8.1f} {cpu:6.1f} {memory / 1e6:6.0f} {memory / size:21.2f}"
            )


if __name__ == "__main__":
    main()
