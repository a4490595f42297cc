"""Seconds and memory of an evaluation.

Run at the root: ``python -m benchmarks.evaluate [--windows 250000 1000000] [--network NAME]``.

A daily wave with noise in one series, 24 rows back and 24 ahead: forecasts of the network and the
five baselines for every test window, all metrics by step, series and hour, conformal intervals with
their coverage, and every forecast with its truth, its baselines and its bounds written to a Parquet
file. The time of the network is measured by itself as well, because it depends on the network:
`default` (that of params.yaml: LSTM, 64 and 32 units, segments of 4 rows), `gru` (32 units,
segments of 6) or `lstm` (as the default, row by row).

Memory is the peak of the process minus its memory before, with the series and the origins. It does
not grow with the windows, except for five bytes per window to choose the examples by. Each number
of windows has its own process.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from spline_lstm.core.clock import Clock
from spline_lstm.core.params import EvaluateParams, WindowParams
from spline_lstm.evaluation.assess import assess, evaluation_content
from spline_lstm.inference.calibration import calibrate
from spline_lstm.models.build import build, to_arrays
from spline_lstm.models.config import ModelConfig
from spline_lstm.models.jax_setup import configure_threads
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.windows.arrays import AsOfArrays
from spline_lstm.windows.scaling import Scaler
from spline_lstm.windows.windows import Windows, make_windows

HOUR_NS = 3_600_000_000_000
LOOKBACK = HORIZON = 24
TRAIN = 20_000
# Windows by which the time of the network is measured.
NETWORK_WINDOWS = 100_000
PARAMS = EvaluateParams(season=24, moving_average=6, interval_levels=(80.0, 95.0))
# Type, units and segment; `default` is the network of params.yaml.
NETWORKS = {
    "default": ("lstm", (64, 32), 4),
    "gru": ("gru", (32,), 6),
    "lstm": ("lstm", (64, 32), 1),
}


def make_series(test_windows: int) -> Windows:
    """Windows over one hourly series: a daily wave with noise, 2 % of it not observed."""
    rows = 2 * TRAIN + test_windows + LOOKBACK + 3 * HORIZON - 1
    rng = np.random.default_rng(0)
    values = (10 + 3 * np.sin(2 * np.pi * np.arange(rows) / 24) + rng.normal(size=rows))[:, None]
    observed = rng.random((rows, 1)) > 0.02
    scaled = ((values - 10) / 2.3).astype(np.float32)
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.arange(rows, dtype=np.int32)[:, None],
        valid=np.ones(rows, dtype=bool),
        raw_target=np.where(observed, values, np.nan),
        filled_target=values,
        causal_target=values,
        observed=observed,
        timestamps=np.arange(rows, dtype=np.int64) * HOUR_NS,
        series_offsets=np.array([0, rows]),
        static_ids=np.zeros((1, 0), dtype=np.int32),
        feature_names=np.array(["y"]),
        target_indices=np.array([0], dtype=np.int32),
        split_instants=np.array([TRAIN, 2 * TRAIN]) * HOUR_NS,
    )
    params = WindowParams(
        lookback=LOOKBACK, horizon=HORIZON, stride=1, embargo=None, materialize=False
    )
    scaler = Scaler("standard", np.array([10.0]), np.array([2.3]))
    return make_windows(arrays, scaler, Clock("fixed", step=HOUR_NS), params)


def make_model(network: str) -> SavedModel:
    """A network with the weights at the start of its training."""
    kind, hidden, segment = NETWORKS[network]
    config = ModelConfig(
        model_type=kind,
        hidden=hidden,
        dropout=0.0,
        normalization="last",
        lookback=LOOKBACK,
        horizon=HORIZON,
        features=("y",),
        targets=("y",),
        target_indices=(0,),
        segment=segment,
    )
    return SavedModel(
        config, "", "", to_arrays(nnx.state(build(config, key=jax.random.key(0)), nnx.Param))
    )


def measure(count: int, network: str) -> str:
    """Evaluate `count` test windows; one line of figures."""
    configure_threads(2)
    windows, model = make_series(count), make_model(network)
    calibrate(model, windows, PARAMS)  # compiles the network
    before = _peak_mb()
    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.parquet"
        intervals = calibrate(model, windows, PARAMS)
        result = assess(model, windows, PARAMS, intervals, predictions=path, series_names=["s"])
        content = evaluation_content(result, windows, None)
        size = path.stat().st_size / 1e6
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = _peak_mb() - before
    return (
        f"{content['n_windows']:>9} windows x {HORIZON} steps, {network}: {wall:.1f} s; "
        f"{cpu:.1f} CPU-s; {peak:.0f} MB beyond {before:.0f} MB; {size:.0f} MB written; "
        f"the network alone takes {network_seconds(model, windows):.1f} s"
    )


def network_seconds(model: SavedModel, windows: Windows) -> float:
    """Seconds for all test windows, by the first of them; in an evaluation others run beside it."""
    origins = windows.splits["test"]
    batch = windows.gather_origins(origins[:NETWORK_WINDOWS])
    start = time.perf_counter()
    model.outputs(batch.X)
    return (time.perf_counter() - start) * len(origins) / len(batch.X)


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def main() -> None:
    """Print one line per number of windows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, nargs="+", default=[250_000, 1_000_000])
    parser.add_argument("--network", choices=NETWORKS, default="default")
    arguments = parser.parse_args()
    if len(arguments.windows) == 1:
        print(measure(arguments.windows[0], arguments.network), flush=True)
        return
    for count in arguments.windows:
        command = [sys.executable, "-m", "benchmarks.evaluate", "--network", arguments.network]
        subprocess.run([*command, "--windows", str(count)], check=True)


if __name__ == "__main__":
    main()
