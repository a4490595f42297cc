"""The gate on untrained networks of the default size, and ONNX against a graph built by hand.

Run at the root: ``python -m benchmarks.edge [FOLDER]``. FOLDER keeps the exported files; if it has
them already, they are measured again without the half minute that exporting takes. The exit code is
1 if a file fails the gate, or if onnxruntime takes more than 1.3 times as long for our graph as for
the one built by hand.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spline_lstm.core.artifacts import read_arrays
from spline_lstm.core.params import Params, load_params
from spline_lstm.export.formats import HISTORY, exported_files
from spline_lstm.export.gate import FileReport, measure_file
from spline_lstm.export.golden import load_golden
from spline_lstm.export.sessions import open_session

LIMIT = 1.3
ROUNDS, CALLS = 60, 50


def gate(case: Path, params: Params) -> list[FileReport]:
    """The reports of the gate on all exported files of a folder."""
    golden, scale = (
        load_golden(case / "golden.npz"),
        read_arrays(case / "target_scale.npz")["target_scale"],
    )
    return [
        measure_file(case / name, golden, scale, params.benchmark, quantized=variant is not None)
        for name, variant in exported_files(params.export).values()
        if variant is None or (case / name).is_file()
    ]


def line(case: str, report: FileReport) -> str:
    """One row of the table."""
    figures, verdict = report.figures, "PASS" if report.passed else "; ".join(report.failures)
    return (
        f"{case:18s} {report.path.name:20s} {figures['max_abs_diff']:8.1e} "
        f"{1e3 * figures['p50_ms']:7.0f} {1e3 * figures['p95_ms']:7.0f} "
        f"{1e3 * figures['size_mb']:6.0f}  {verdict}"
    )


def race(paths: Sequence[Path], history: np.ndarray) -> list[float]:
    """Median microseconds per call of each file; they take turns, so load meets all of them."""
    answers = [open_session(path).answer for path in paths]
    elapsed = np.empty((len(answers), ROUNDS, CALLS))
    for round_ in range(ROUNDS):
        for position, answer in enumerate(answers):
            answer({HISTORY: history})
            for call in range(CALLS):
                start = time.perf_counter_ns()
                answer({HISTORY: history})
                elapsed[position, round_, call] = time.perf_counter_ns() - start
    return [float(np.median(times)) / 1e3 for times in elapsed]


def main(folder: Path) -> int:
    """Print both tables."""
    if not list(folder.glob("*/golden.npz")):
        subprocess.run([sys.executable, "-m", "benchmarks.edge_models", str(folder)], check=True)
    params, cases = load_params(Path()), sorted(path.parent for path in folder.glob("*/golden.npz"))
    print(f"{'case':18s} {'file':20s} {'parity z':>8s} {'p50 us':>7s} {'p95 us':>7s} {'kB':>6s}")
    passed = True
    for case in cases:
        for report in gate(case, params):
            passed &= report.passed
            print(line(case.name, report), flush=True)
    print(f"\n{'case':18s} {'ours us':>8s} {'by hand':>8s} {'ratio':>6s} {'apart':>8s}")
    for case in cases:
        files, golden = (
            [case / "model.onnx", case / "by_hand.onnx"],
            load_golden(case / "golden.npz"),
        )
        first, second = (open_session(path)(golden.history) for path in files)
        ours, by_hand = race(files, golden.history[:1])
        passed &= ours <= LIMIT * by_hand
        apart = float(np.abs(first - second).max())
        print(
            f"{case.name:18s} {ours:8.1f} {by_hand:8.1f} {ours / by_hand:6.2f} {apart:8.1e}",
            flush=True,
        )
    return 0 if passed else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
