"""Work on two Ray nodes that loses a worker and then a node: equal results, and what it costs.

Run at the root: ``python -m benchmarks.ray_losses [--work preprocess backtest tune] [--folds 4]``;
it needs the extra ``cluster``.

Both nodes are on this machine (Ray's cluster utility), one CPU each. While the tasks run, one
worker is killed with ``kill -9``, and then the second node is removed. The results must be those of
processes of this machine: the hashes of the files of preprocess, metrics/backtest.json, and the
table of the trials. Every socket of the cluster must listen on loopback.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from benchmarks.ingest import SCHEMA as PANEL_SCHEMA
from benchmarks.scaling import write_source
from spline_lstm.core.artifacts import write_json
from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params, RunParams, with_values
from spline_lstm.core.ray_engine import import_ray
from spline_lstm.core.schema import parse_schema
from spline_lstm.evaluation.backtest import backtest, backtest_content
from spline_lstm.series.preprocess_partitions import preprocess_partitions
from spline_lstm.tables.partitions import ingest_partitions
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.tuning.catalog import load_catalog
from spline_lstm.tuning.outputs import table_text
from spline_lstm.tuning.search import Problem, search
from spline_lstm.tuning.trainings import Trainings, before_test

SCHEMA = '{"version": 1, "timestamp_col": "time", "series_col": "shop", "target_cols": ["y"]}'
VALUES = {
    "preprocess.frequency": "1h",
    "window.lookback": 24,
    "window.horizon": 6,
    "model.hidden": [8],
    "backtest.test": 0.1,
    "backtest.max_epochs": 2,
}


def panel() -> bytes:
    """Two noisy waves, as CSV text."""
    rng, times = np.random.default_rng(0), pd.date_range("2024-01-01", periods=1500, freq="h")
    parts = [
        pd.DataFrame({"time": times, "shop": shop, "y": np.sin(np.arange(1500) / 4) * 10})
        for shop in ("a", "b")
    ]
    frame = pd.concat(parts)
    frame["y"] += rng.normal(size=len(frame))
    return frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ").encode()


def backtested(params: Params, folder: Path) -> str:
    """Content of metrics/backtest.json as text."""
    schema = parse_schema(SCHEMA, "schema")
    table = read_raw_table(panel(), schema, where="panel")
    results = backtest(table, schema, params, folder)
    return json.dumps(backtest_content(results, params, ("y",)), default=float)


def preprocessed(params: Params, folder: Path) -> str:
    """Hashes of the partitions, the arrays and the constants of a panel of 2 million rows."""
    folder.mkdir(parents=True)
    write_source(folder / "panel.parquet", 2000, 1000)
    write_json(folder / "schema.json", PANEL_SCHEMA)
    values = {
        "data.source": "panel.parquet",
        "data.schema_file": "schema.json",
        "data.partition_rows": 100_000,
    }
    own = with_values(params, values, "benchmark")
    ingest_partitions(folder, own)
    found = preprocess_partitions(folder, own)
    paths = sorted(path for path in found.building.rglob("*") if path.is_file())
    hashes = {path.name: sha256(path.read_bytes()).hexdigest() for path in paths}
    return json.dumps(hashes | {"constants": found.preprocessor.run_id})


def tuned(params: Params, folder: Path) -> str:
    """The trials of a search, four of which are drawn at a time."""
    own = with_values(params, {"tune.at_once": 4, "train.max_epochs": 2}, "benchmark")
    schema = parse_schema(SCHEMA, "schema")
    table = read_raw_table(panel(), schema, where="panel")
    entry = load_catalog(Path()).entry(own.model.type)
    ranges = entry.ranges.model_copy(update={"units": (4, 16), "layers": (1, 1), "lookback": ()})
    defaults = entry.defaults.model_copy(update={"hidden": (8,)})
    entry = entry.model_copy(update={"ranges": ranges, "defaults": defaults})
    problem = Problem.of(own, entry, Trainings(before_test(table, schema, own)))
    folder.mkdir(parents=True)
    return table_text(search(problem, folder / "study.db", 6, lambda trial: None))


WORK: dict[str, Callable[[Params, Path], str]] = {
    "preprocess": preprocessed,
    "backtest": backtested,
    "tune": tuned,
}


def workers() -> list[psutil.Process]:
    """Ray's workers that run a task now."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [""])[0].startswith("ray::attempt")
    ]


def disturb(
    cluster: Any, node: Any, said: list[str], wait: float, is_over: threading.Event
) -> None:
    """Kill a worker once there are two, then remove a node once there are two again."""
    start = time.perf_counter()
    for text, loss in (
        ("killed a worker", lambda found: found[0].kill()),
        ("removed a node", lambda found: cluster.remove_node(node, allow_graceful=False)),
    ):
        while len(found := workers()) < 2:
            if is_over.is_set():
                return
            time.sleep(0.1)
        time.sleep(wait)
        if is_over.is_set():
            return
        loss(found)
        said.append(f"{text} after {time.perf_counter() - start:.0f} s")
        time.sleep(1)


def listening() -> list[str]:
    """Addresses at which the processes of the cluster listen."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            sockets = process.net_connections("inet")
        except psutil.Error:
            continue
        found |= {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    return sorted(found)


def lose(name: str, params: Params, folder: Path) -> None:
    """Do the work here, and on two nodes with losses; print whether the results are equal."""
    start = time.perf_counter()
    os.environ.pop("RAY_ADDRESS", None)
    expected = WORK[name](params, folder / f"{name}-local")
    print(f"{name}: processes of this machine {time.perf_counter() - start:.1f} s", flush=True)
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - an extra

    start = time.perf_counter()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = str(cluster.address)
    print(f"two nodes started: {time.perf_counter() - start:.1f} s", flush=True)
    ray_params = params.model_copy(update={"run": RunParams(executor="ray", workers=2)})
    said: list[str] = []
    is_over = threading.Event()
    wait = 0.3 if name == "preprocess" else 2.0
    thread = threading.Thread(target=disturb, args=(cluster, node, said, wait, is_over))
    thread.start()
    start = time.perf_counter()
    found = WORK[name](ray_params, folder / f"{name}-ray")
    is_over.set()
    thread.join()
    took = time.perf_counter() - start
    print(f"{name}: two nodes with losses {took:.1f} s; {'; '.join(said)}")
    print(f"{name}: equal: {found == expected}; listening at {listening()}", flush=True)
    if name == "backtest":
        measure_overhead(ray_params.run)
    cluster.shutdown()


def measure_overhead(run: RunParams) -> None:
    """Tasks without work: the first pays for the connection and its workers."""
    for count in (1, 1000):
        jobs, start = list(range(count)), time.perf_counter()
        names = [str(job) for job in jobs]
        assert run_all(Work(square, jobs, names), run, "tasks") == [job**2 for job in jobs]
        print(f"tasks without work, {count}: {time.perf_counter() - start:.1f} s", flush=True)


def square(number: int) -> int:
    """A task without work."""
    return number**2


def main() -> None:
    """Print what was lost, and whether the results are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", nargs="+", default=[*WORK], choices=WORK)
    parser.add_argument("--folds", type=int, default=4)
    options = parser.parse_args()
    params = with_values(Params(), {**VALUES, "backtest.folds": options.folds}, "benchmark")
    import_ray()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.work:
            lose(name, params, Path(folder))


if __name__ == "__main__":
    main()
