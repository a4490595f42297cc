"""Accuracy on ETTh1 by the protocol of the literature: `python benchmarks/accuracy.py ETTh1.csv [RECIPE ...]`.

The file is ETT-small/ETTh1.csv of the ETDataset (Zhou et al., AAAI 2021), which the user brings. Train,
validation and test part are its first 12, next 4 and next 4 months of 30 days; values are z-scored by
the training part; errors are in z-units over every test window. The settings are the recipes in
benchmarks/recipes. One JSON line per training: errors of the forecast, and of the naive one.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from spline_lstm.architecture import model_config
from spline_lstm.models.forecaster import Model
from spline_lstm.params import Params, load_params
from spline_lstm.runtime import configure_compilation_cache, configure_threads
from spline_lstm.series.arrays import AsOfArrays
from spline_lstm.series.scaling import Scaler
from spline_lstm.training import train
from spline_lstm.windows import Windows, make_windows

RECIPES = Path(__file__).parent / "recipes"
HOUR_NS = 3_600_000_000_000
BOUNDS = np.array([12, 16, 20]) * 30 * 24


def ett_windows(path: Path, params: Params) -> Windows:
    """Windows of ETTh1; the target OT alone, or all seven columns as targets."""
    table = pd.read_csv(path).iloc[: BOUNDS[-1], 1:]
    names = ["OT"] if params.preprocess.data_mode == "univariate" else list(table.columns)
    values = table[names].to_numpy(np.float64)
    center, scale = values[: BOUNDS[0]].mean(axis=0), values[: BOUNDS[0]].std(axis=0)
    scaled = ((values - center) / scale).astype(np.float32)
    rows, features = scaled.shape
    arrays = AsOfArrays(
        scaled=scaled,
        causal=scaled,
        known_at=np.repeat(np.arange(rows, dtype=np.int32)[:, None], features, axis=1),
        valid=np.ones(rows, dtype=bool),
        raw_target=values,
        observed=np.ones((rows, features), dtype=bool),
        timestamps=np.arange(rows, dtype=np.int64) * HOUR_NS,
        series_offsets=np.array([0, rows]),
        static_ids=np.zeros((1, 0), dtype=np.int32),
        feature_names=np.array(names),
        target_indices=np.arange(features, dtype=np.int32),
        split_instants=BOUNDS[:2] * HOUR_NS,
    )
    return make_windows(arrays, Scaler("standard", center, scale), params.window)


def measure(path: Path, recipe: str, seed: int) -> dict[str, object]:
    """Train once; errors of the weights that validation selected."""
    params = load_params(RECIPES / recipe)
    windows = ett_windows(path, params)
    config = model_config(params, windows, {"statics_embedded": [], "features_embedded": []})
    start = time.perf_counter(), time.process_time()
    trained = train(config, windows, params.train.model_copy(update={"seed": seed}))
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    model = Model(config, "", "", trained.best)
    squares, absolutes, naive = [], [], []
    for batch in windows.batches("test", 2048):
        error = model.predict(batch.X) - batch.y
        last = np.tile(batch.X[:, -1, list(config.target_indices)], (1, config.horizon)) - batch.y
        squares.append(np.square(error).mean(axis=1))
        absolutes.append(np.abs(error).mean(axis=1))
        naive.append(np.square(last).mean(axis=1))
    return {
        "recipe": recipe,
        "seed": seed,
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "validation_mse": round(trained.best_losses.validation_loss, 5),
        "test_mse": round(float(np.concatenate(squares).mean()), 5),
        "test_mae": round(float(np.concatenate(absolutes).mean()), 5),
        "naive_mse": round(float(np.concatenate(naive).mean()), 5),
        "train_s": round(wall, 1),
        "train_cpu_s": round(cpu, 1),
    }


def main() -> None:
    """Print one line per recipe and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument(
        "recipes", nargs="*", default=sorted(path.parent.name for path in RECIPES.glob("*/params.yaml"))
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    configure_threads(2)
    configure_compilation_cache(Path())
    for recipe in arguments.recipes:
        for seed in arguments.seeds:
            print(json.dumps(measure(arguments.csv, recipe, seed)), flush=True)


if __name__ == "__main__":
    main()
