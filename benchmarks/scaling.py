"""Seconds, memory and disk of each stage on panels in partitions, of growing size.

Run at the root: ``python -m benchmarks.scaling [--shapes 500x200 5000x200] [--workers 2]``.

Hourly values of many series as one Parquet file, as in `benchmarks.ingest`, in float32. Each stage
has its own process, as under DVC. Memory is the largest resident set of any process of the stage,
its workers among them; shared pages of mapped arrays count in it as long as they are in memory.
Disk is what the stage wrote. A window starts every 24 rows (``--stride``), and the training passes
over these windows twice, so that its cost grows with the rows, too.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ingest import SCHEMA, make_panel
from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_file import params_text

STAGES = ("ingest", "preprocess", "window", "train_flax_rnn", "evaluate", "export", "predict")
# Rows made at a time, so that the benchmark itself needs little memory.
ROWS_AT_ONCE = 1_000_000
KINDS = {"float32": pa.float32(), "float64": pa.float64()}
VALUES = {
    "data.source": "panel.parquet",
    "data.schema_file": "schema.json",
    "preprocess.frequency": "1h",
    "window.lookback": 24,
    "window.horizon": 6,
    "model.hidden": [16],
    "train.batch_size": 256,
    "train.max_epochs": 2,
    "train.min_steps": None,
    "train.stream_steps": 50,
    "train.shuffle_windows": 200_000,
    "train.validation_windows": 10_000,
    "evaluate.season": 24,
    "export.golden_windows": 64,
    "backtest.folds": 2,
    "backtest.max_epochs": 2,
}


class Measured(NamedTuple):
    """One stage on one panel: wall and CPU seconds, peak and disk in bytes."""

    wall: float
    cpu: float
    peak: int
    disk: int


def write_source(path: Path, series: int, rows: int, kind: pa.DataType) -> None:
    """Write the panel, a piece at a time."""
    writer = None
    at_once = max(ROWS_AT_ONCE // rows, 1)
    for first in range(0, series, at_once):
        count = min(at_once, series - first)
        piece = make_panel(count, rows)
        names = pa.array([f"store_{first + index // rows:07d}" for index in range(count * rows)])
        piece = piece.set_column(1, "store", names)
        piece = piece.set_column(2, "sales", piece["sales"].cast(kind, safe=False))
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    if writer is not None:
        writer.close()


def write_folder(folder: Path, series: int, rows: int, options: argparse.Namespace) -> None:
    """Write a pipeline folder without a dvc.yaml."""
    folder.mkdir()
    write_source(folder / "panel.parquet", series, rows, KINDS[options.kind])
    write_json(folder / "schema.json", SCHEMA)
    values = {
        **VALUES,
        "window.stride": options.stride,
        "data.partition_rows": options.partition_rows,
        "run.workers": options.workers,
        "run.executor": options.executor,
    }
    params = with_values(Params(), values, "the benchmark")
    (folder / "params.yaml").write_text(params_text(params), encoding="utf-8")


def size_of(folder: Path) -> int:
    """Bytes that the files of a folder take on disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def command_of(stage: str, folder: Path, options: argparse.Namespace) -> list[str]:
    """What runs a stage, or the command predict on all partitions."""
    if stage != "predict":
        return [f"stages.{stage}", str(folder)]
    files = (folder / "models/edge/model.onnx", folder / "data/raw/series")
    engine = ("--workers", options.workers, "--executor", options.executor)
    return [
        "spline_lstm",
        *map(str, ("predict", *files, "--output", folder / "forecasts", *engine)),
    ]


def measure(stage: str, folder: Path, options: argparse.Namespace) -> Measured:
    """Run a stage in a process of its own."""
    before, start = size_of(folder), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *command_of(stage, folder, options)])
    # The usage of a process that was waited for has the peak of its own workers, too.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"stage {stage} ended with {process.returncode}")
    wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return Measured(wall, cpu, usage.ru_maxrss * 1024, size_of(folder) - before)


def report(series: int, rows: int, found: dict[str, Measured]) -> None:
    """One line per stage."""
    total, load = series * rows, os.getloadavg()[0]
    print(f"\n{series} series x {rows} rows = {total:,} rows (load {load:.1f})")
    print("| stage | wall s | CPU s | CPU us/row | peak MB | disk bytes/row |")
    print("|---|---|---|---|---|---|")
    for stage, each in found.items():
        print(
            f"| {stage} | {each.wall:.1f} | {each.cpu:.1f} | {1e6 * each.cpu / total:.2f} "
            f"| {each.peak / 1e6:.0f} | {each.disk / total:.1f} |",
            flush=True,
        )


def main() -> None:
    """Measure all panels."""
    parser = argparse.ArgumentParser(description=__doc__)
    shapes = ["500x200", "5000x200", "50000x200"]
    parser.add_argument("--shapes", nargs="+", default=shapes, help="series x rows")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local", choices=("local", "ray"))
    parser.add_argument("--partition-rows", type=int, default=1_000_000)
    parser.add_argument("--kind", default="float32", choices=KINDS, help="type of the values")
    parser.add_argument("--stride", type=int, default=24, help="rows between two windows")
    parser.add_argument("--folder", type=Path, help="where folders are made, and removed again")
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=(*STAGES, "backtest"))
    options = parser.parse_args()
    for shape in options.shapes:
        series, rows = map(int, shape.split("x"))
        with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
            folder = Path(temporary) / "panel"
            # In a process of its own: a stage starts with the peak of the one that starts it.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(write_folder, (folder, series, rows, options))
            found: dict[str, Measured] = {}
            for stage in options.stages:
                found[stage] = measure(stage, folder, options)
                print(f"{stage}: {found[stage]}", flush=True)
            report(series, rows, found)


if __name__ == "__main__":
    main()
