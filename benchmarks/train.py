"""Training speed compared with peers.

Run at the root: ``python benchmarks/train.py [--peers-python PATH] [--full]``.

Every peer trains the same network on the same windows (see train_peers.py), each in its own
process. The processes take turns, so that load on the machine meets all of them, with a pause
before each, in which threads that wait by spinning fall asleep. In each turn every peer trains two
epochs, of which the second one counts: in a training an epoch follows another one, while threads
that wake up from a pause may start on the same core. The first turns, which compile, are not
counted. A ratio is the median over the turns of (the peer's seconds / our seconds in the same
turn). The floor is the operations of the matmuls over the measured rate of a large one. Start
cost: a whole process that imports, compiles and trains 10 epochs on 2,000 windows, ours with a warm
compilation cache. Memory: the peak of the resident memory of a process.

The peers are the extra `peers` of pyproject.toml; --peers-python names the Python that has them if
they are in another environment. Peers that are not installed are named and skipped.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
WORKER = Path(__file__).parent / "train_peers.py"
PEERS = ("ours", "torch-1", "torch-2", "torch-1-compiled", "torch-2-compiled", "keras", "nnx.RNN")
MODULES = {"torch": "torch", "keras": "keras, tensorflow"}
BASE = {"cell": "lstm", "hidden": [64, 32], "lookback": 24, "threads": 2}
GATES = {"lstm": 4, "gru": 3}
WARM_UP = 2
START_EPOCHS = 10
PAUSE = 0.2


@dataclass
class Worker:
    """A peer in its own process, and the measurements of its epochs."""

    peer: str
    process: subprocess.Popen[str]
    epochs: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def start(cls, peer: str, case: dict[str, Any], python: str) -> "Worker":
        """Start the process; it waits for the first turn."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [python, str(WORKER), peer, json.dumps(case)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return cls(peer, subprocess.Popen(command, text=True, cwd=ROOT, env=environment, **pipes))

    def turn(self) -> None:
        """Train an epoch that is not counted, since it follows a pause, and one that is."""
        self.epoch()
        self.epochs.append(self.epoch())

    def epoch(self) -> dict[str, float]:
        """Train one epoch; its measurements."""
        assert self.process.stdin is not None
        self.process.stdin.write("epoch\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> float:
        """Close the process; the peak of its memory, MB."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        memory = self._answer()["memory_mb"]
        self.process.wait()
        return memory

    def column(self, name: str) -> np.ndarray:
        """One measurement of the epochs that count, after the warm-up."""
        return np.array([epoch[name] for epoch in self.epochs[WARM_UP:]])

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(
                f"{self.peer} failed; run {WORKER.name} by itself to see why: {self.process.args}"
            )
        return json.loads(line)


def pythons(peers_python: str) -> dict[str, str]:
    """The Python of each peer that can be imported."""
    found = {}
    for peer in PEERS:
        framework = peer.split("-")[0]
        python = peers_python if framework in MODULES else sys.executable
        command = [
            python,
            "-c",
            f"import importlib.util as u; assert all(map(u.find_spec, {module_names(framework)}))",
        ]
        present = (
            framework not in MODULES
            or subprocess.run(command, check=False, capture_output=True).returncode == 0
        )
        if present:
            found[peer] = python
        else:
            print(f"skipped, not installed: {peer}")
    return found


def module_names(framework: str) -> list[str]:
    """Modules that the peers of a framework import."""
    return MODULES.get(framework, "").split(", ")


def sgemm_rate(size: int = 1024, repeats: int = 10) -> float:
    """Measured operations per second of a square float32 matmul on all cores."""
    a = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def operations(case: dict[str, Any]) -> float:
    """Matmul operations of an epoch.

    Per step, window and layer 2 (inputs + units) gates units forward, as many for the gradient of
    the weights, and as many for that of the states, except for the inputs of the lowest layer.
    """
    widths = (case["features"], *case["hidden"])
    gates = GATES[case["cell"]]
    total = sum(6 * (below + units) * gates * units for below, units in itertools.pairwise(widths))
    total -= 2 * widths[0] * gates * widths[1]
    return case["windows"] * case["lookback"] * total


def measure(case: dict[str, Any], peers: dict[str, str], rounds: int) -> dict[str, float]:
    """Train a case in turns, print one line per peer, and return the ratio of each peer."""
    workers = [Worker.start(peer, case, python) for peer, python in peers.items()]
    for number in range(WARM_UP + rounds):
        # The order of the turns changes, so that no peer always follows the same one.
        for worker in workers[number % len(workers) :] + workers[: number % len(workers)]:
            time.sleep(PAUSE)
            worker.turn()
    return report(case, workers)


def report(case: dict[str, Any], workers: list[Worker]) -> dict[str, float]:
    """Print the measurements of a case."""
    floor = operations(case) / sgemm_rate()
    label = " ".join(
        f"{key}={case[key]}" for key in ("cell", "windows", "lookback", "features", "batch")
    )
    print(f"\n{label}: s/epoch, floor of the matmuls {floor:.4f}")
    print(
        f"{'peer':17} {'median':>8} {'min':>8} {'CPU-s':>8} {'MB':>6} {'x ours':>7} {'min/min':>8} "
        f"{'val loss':>9}"
    )
    base, ratios = workers[0].column("s"), {}
    for worker in workers:
        seconds, memory = worker.column("s"), worker.end()
        ratios[worker.peer] = float(np.median(seconds / base))
        cpu = np.median(worker.column("cpu_s"))
        figures = f"{np.median(seconds):8.4f} {seconds.min():8.4f} {cpu:8.4f} {memory:6.0f}"
        against = f"{ratios[worker.peer]:7.2f} {seconds.min() / base.min():8.2f}"
        print(
            f"{worker.peer:17} {figures} {against} {worker.epochs[-1]['validation_loss']:9.5f}",
            flush=True,
        )
    return ratios


def whole_process(peer: str, case: dict[str, Any], python: str, epochs: int) -> tuple[float, float]:
    """Seconds of a process from its start to its end, and the peak of its memory (MB)."""
    start = time.perf_counter()
    worker = Worker.start(peer, case, python)
    for _ in range(epochs):
        worker.epoch()
    memory = worker.end()
    return time.perf_counter() - start, memory


def measure_start(peers: dict[str, str], rounds: int) -> None:
    """Print the seconds of whole processes: import, compile, 10 epochs on 2,000 windows."""
    case = {**BASE, "windows": 2000, "features": 1, "batch": 32}
    whole_process("ours", case, peers["ours"], 1)
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, python in peers.items():
            seconds[peer].append(whole_process(peer, case, python, START_EPOCHS)[0])
    print(
        f"\nwhole process: import, compile and {START_EPOCHS} epochs, batch 32, "
        "our compilation cache warm"
    )
    print(f"{'peer':17} {'median s':>9} {'min s':>7} {'x ours':>7}")
    for peer, values in seconds.items():
        ratio = statistics.median(np.divide(values, seconds["ours"]))
        print(
            f"{peer:17} {statistics.median(values):9.2f} {min(values):7.2f} {ratio:7.2f}",
            flush=True,
        )


def measure_memory(peers: dict[str, str]) -> None:
    """Print our peak of memory at two lookbacks."""
    print("\npeak memory while training on 17,000 windows (MB)")
    for features, batch in ((1, 32), (8, 32)):
        case = {**BASE, "windows": 17_000, "features": features, "batch": batch}
        short, long = (
            whole_process("ours", {**case, "lookback": rows}, peers["ours"], 1)[1]
            for rows in (24, 168)
        )
        label = f"features={features} batch={batch}"
        print(f"{label}: lookback 24 {short:.0f}, lookback 168 {long:.0f} ({long / short:.3f})")


def cases(full: bool) -> list[dict[str, Any]]:
    """What is trained."""
    if not full:
        return [{**BASE, "windows": 2000, "features": 1, "batch": batch} for batch in (32, 256)]
    grid = itertools.product((2000, 17_000), (1, 8), (32, 256))
    lstm = [
        {**BASE, "windows": count, "features": features, "batch": batch}
        for count, features, batch in grid
    ]
    return [
        *lstm,
        *(
            {**BASE, "cell": "gru", "windows": 2000, "features": 1, "batch": batch}
            for batch in (32, 256)
        ),
    ]


def main() -> None:
    """Run the cases, the whole processes and the memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers-python",
        default=sys.executable,
        metavar="PATH",
        help="the Python that has the peers",
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS[1:], default=PEERS[1:])
    parser.add_argument(
        "--full", action="store_true", help="all cases: 2,000 and 17,000 windows, 1 and 8 features"
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns that count (default: 7)")
    parser.add_argument("--only", choices=("epochs", "start", "memory"), help="measure only this")
    options = parser.parse_args()
    peers = {
        peer: path
        for peer, path in pythons(options.peers_python).items()
        if peer in ("ours", *options.peers)
    }
    rate, load = sgemm_rate() / 1e9, os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {rate:.0f} GFLOP/s in a float32 matmul, load {load:.1f}")
    if options.only in (None, "epochs"):
        for case in cases(options.full):
            measure(case, peers, options.rounds)
    if options.only in (None, "start"):
        measure_start(peers, rounds=5 if options.full else 2)
    if options.only in (None, "memory"):
        measure_memory(peers)


if __name__ == "__main__":
    main()
