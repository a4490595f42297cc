"""A backtest on two Ray nodes that loses a worker and then a node: equal results, and its cost.

Run at the root: ``python -m benchmarks.ray_losses [--folds 4]``; it needs the extra ``cluster``.

Both nodes are on this machine (Ray's cluster utility), one CPU each. While the folds run, one
worker is killed with ``kill -9``, and then the second node is removed. The results must be those of
processes of this machine.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

from spline_lstm.core.parallel import Work, run_all
from spline_lstm.core.params import Params, RunParams, with_values
from spline_lstm.core.ray_engine import import_ray
from spline_lstm.core.schema import parse_schema
from spline_lstm.evaluation.backtest import backtest, backtest_content
from spline_lstm.tables.raw_table import read_raw_table

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


def scores(params: Params, cache: Path) -> str:
    """Content of metrics/backtest.json as text."""
    schema = parse_schema(SCHEMA, "schema")
    table = read_raw_table(panel(), schema, where="panel")
    results = backtest(table, schema, params, cache)
    return json.dumps(backtest_content(results, params, ("y",)), default=float)


def workers() -> list[psutil.Process]:
    """Ray's workers that run a task now."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [""])[0].startswith("ray::attempt")
    ]


def disturb(cluster: Any, node: Any, said: list[str]) -> None:
    """Kill one worker as soon as there are two, then remove a node once there are two again."""
    for text, loss in (
        ("killed a worker", lambda found: found[0].kill()),
        ("removed a node", lambda found: cluster.remove_node(node, allow_graceful=False)),
    ):
        while len(found := workers()) < 2:
            time.sleep(0.2)
        time.sleep(2)
        loss(found)
        said.append(f"{time.perf_counter():.0f} s: {text}")
        time.sleep(3)


def square(number: int) -> int:
    """A task without work."""
    return number**2


def main() -> None:
    """Print what was lost, and whether the results are equal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=4)
    folds = parser.parse_args().folds
    params = with_values(Params(), {**VALUES, "backtest.folds": folds}, "benchmark")
    cache = Path(tempfile.mkdtemp())
    start = time.perf_counter()
    expected = scores(params, cache)
    print(f"processes of this machine: {time.perf_counter() - start:.1f} s", flush=True)
    import_ray()
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - an extra

    start = time.perf_counter()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = cluster.address
    print(f"two nodes started: {time.perf_counter() - start:.1f} s", flush=True)
    ray_params = RunParams(executor="ray", workers=2)
    said: list[str] = []
    threading.Thread(target=disturb, args=(cluster, node, said), daemon=True).start()
    start = time.perf_counter()
    found = scores(params.model_copy(update={"run": ray_params}), cache)
    print(f"two nodes with losses: {time.perf_counter() - start:.1f} s; {'; '.join(said)}")
    print(f"{len(json.loads(found)['folds'])} folds, equal: {found == expected}", flush=True)
    jobs = list(range(1000))
    start = time.perf_counter()
    assert run_all(Work(square, jobs, [str(job) for job in jobs]), ray_params, "tasks") == [
        job**2 for job in jobs
    ]
    print(f"1000 tasks without work: {time.perf_counter() - start:.1f} s")
    cluster.shutdown()


if __name__ == "__main__":
    main()
