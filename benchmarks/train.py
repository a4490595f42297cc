"""Training speed beside peers: `python benchmarks/train.py [--torch-python PATH] [--peers ...]`.

Each round runs every peer once, in a process of its own, one after another, so that a busy moment of the
machine meets all of them. Printed per case and peer: minimum and median seconds and CPU seconds per
epoch, start cost (import to the end of the first epoch), peak memory, and the ratio of the minima to ours;
and the floor: floating-point operations of the matmuls over the measured sgemm rate. PyTorch may live in
an environment of its own: the extra `peers` of pyproject.toml, or --torch-python.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

WORKER = Path(__file__).parent / "train_peers.py"
PEERS = ("ours", "torch-1", "torch-2", "torch-compile", "keras", "nnx.RNN")
HIDDEN = (64, 32)


def run(peer: str, case: dict[str, Any], torch_python: str) -> dict[str, Any]:
    """Figures of one process."""
    python = torch_python if peer.startswith("torch") else sys.executable
    command = [python, str(WORKER), peer, json.dumps(case)]
    root = str(WORKER.parent.parent)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, env=environment(root))
    return json.loads(done.stdout.splitlines()[-1])


def environment(root: str) -> dict[str, str]:
    """The caller's environment, with this project importable."""
    return {**os.environ, "PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "3"}


def sgemm_rate(size: int = 1024, repeats: int = 5) -> float:
    """Measured floating-point operations per second of a square float32 matmul."""
    a = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def operations(case: dict[str, Any]) -> float:
    """Matmul operations of an epoch: forward, and twice as many backward."""
    widths = (case["features"], *HIDDEN)
    pairs = pairwise(widths)
    return 3 * 2 * case["windows"] * case["lookback"] * sum((below + units) * 4 * units for below, units in pairs)


def report(case: dict[str, Any], results: dict[str, list[dict[str, Any]]], rate: float) -> None:
    """Print one line per peer."""
    label = " ".join(f"{key}={case[key]}" for key in ("windows", "lookback", "features", "batch"))
    print(f"\n{label}  floor {operations(case) / rate:.4f} s/epoch at {rate / 1e9:.0f} GFLOP/s")
    print(f"{'peer':14} {'min s':>8} {'median':>8} {'min CPU':>8} {'start s':>8} {'MB':>6} {'x ours':>7}")
    best = min(second for item in results["ours"] for second in item["epoch_s"])
    for peer, items in results.items():
        seconds = [second for item in items for second in item["epoch_s"]]
        cpu = min(second for item in items for second in item["epoch_cpu_s"])
        start, memory = min(item["start_s"] for item in items), min(item["memory_mb"] for item in items)
        middle = statistics.median(seconds)
        figures = f"{min(seconds):8.4f} {middle:8.4f} {cpu:8.4f} {start:8.2f} {memory:6.0f}"
        print(f"{peer:14} {figures} {min(seconds) / best:7.2f}")


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--windows", type=int, nargs="+", default=[2000, 17000])
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--features", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--lookback", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", action="store_true", help="use the compilation cache of this project")
    options = parser.parse_args()
    rate = sgemm_rate()
    for count in options.windows:
        for features in options.features:
            for batch in options.batch:
                case = {"windows": count, "lookback": options.lookback, "features": features, "batch": batch}
                case |= {"hidden": HIDDEN, "epochs": options.epochs, "cache": options.cache}
                results: dict[str, list[dict[str, Any]]] = {peer: [] for peer in options.peers}
                for _ in range(options.rounds):
                    for peer in options.peers:
                        results[peer].append(run(peer, case, options.torch_python))
                report(case, results, rate)


if __name__ == "__main__":
    main()
