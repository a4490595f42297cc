"""Accuracy on ETTh1 by the protocol of the literature.

Run at the root: ``python -m benchmarks.accuracy ETTh1.csv [RECIPE ...]``.

The user provides the file, ETT-small/ETTh1.csv of the ETDataset (Zhou et al., AAAI 2021). The
training, validation and test splits are its first 12, next 4 and next 4 months of 30 days. Values
are z-scored by the training split; errors are in z-units over every test window. The settings are
the recipes in pipelines/ett, which `python -m spline_lstm init --params` turns into pipelines; this
script does what their stages do, seed by seed. It prints a JSON line per training: errors of the
forecast, and of the naive one.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from spline_lstm.core.params import Params, load_overlay, with_values
from spline_lstm.core.reading import Reading
from spline_lstm.core.schema import load_schema
from spline_lstm.core.target_options import TargetOptions
from spline_lstm.inference.forecast import data_unit_outputs
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.saved_model import SavedModel
from spline_lstm.series.preprocess import preprocess
from spline_lstm.tables.raw_table import read_raw_table
from spline_lstm.training.model import train_model
from spline_lstm.windows.windows import Windows, make_windows

ROOT = Path(__file__).parent.parent
RECIPES = ROOT / "pipelines/ett"


def load_recipe(name: str) -> Params:
    """The params of a recipe: the defaults with what it changes."""
    path = RECIPES / f"{name}.yaml"
    return with_values(Params(), load_overlay(path), str(path))


def load_task(csv: Path, params: Params) -> tuple[Windows, ModelConfig]:
    """Windows of the file, and the network that forecasts them, as the stages make them."""
    schema = load_schema(RECIPES / params.data.schema_file)
    data = params.data
    table = read_raw_table(csv.read_bytes(), schema, where=str(csv), reading=Reading.of(data))
    options = TargetOptions.of(params)
    result = preprocess(table, schema, params.preprocess, where=str(csv), options=options)
    windows = make_windows(
        result.arrays, result.preprocessor.scaler, result.preprocessor.clock, params.window
    )
    return windows, model_config(params, windows, result.preprocessor)


def measure(csv: Path, recipe: str, seed: int) -> dict[str, object]:
    """Train once; errors of the weights that validation selected."""
    params = load_recipe(recipe)
    windows, config = load_task(csv, params)
    start = time.perf_counter(), time.process_time()
    trained = train_model(config, windows, params.train.model_copy(update={"seed": seed}))
    model = SavedModel(config, "", "", trained.best)
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return {
        "recipe": recipe,
        "seed": seed,
        "best_epoch": trained.best_losses.epoch,
        "epochs": trained.history[-1].epoch,
        "validation_loss": round(trained.best_losses.validation_loss, 5),
        **errors(model, windows, "validation"),
        **errors(model, windows, "test"),
        "train_s": round(wall, 1),
        "train_cpu_s": round(cpu, 1),
    }


def errors(model: SavedModel, windows: Windows, split: str) -> dict[str, float]:
    """MSE and MAE of the forecast, and MSE of the last value, z-units, over all its windows."""
    squares, absolutes, naive = [], [], []
    indices, scaler = list(model.config.target_indices), windows.target_scaler
    for batch in windows.batches(split, 1024):
        history = windows.history(batch)
        forecast = data_unit_outputs(model, batch, scaler, batch.series, history).point
        error = scaler.transform(forecast, batch.series).reshape(batch.y.shape) - batch.y
        last = np.tile(batch.X[:, -1, indices], (1, windows.horizon)) - batch.y
        squares.append(np.square(error).mean(axis=1))
        absolutes.append(np.abs(error).mean(axis=1))
        naive.append(np.square(last).mean(axis=1))
    figures = {"mse": squares, "mae": absolutes, "naive_mse": naive}
    return {
        f"{split}_{name}": round(float(np.concatenate(parts).mean()), 5)
        for name, parts in figures.items()
    }


def main() -> None:
    """Print one line per recipe and seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path)
    parser.add_argument(
        "recipes", nargs="*", default=sorted(path.stem for path in RECIPES.glob("*.yaml"))
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    configure_threads(2)
    configure_compilation_cache(ROOT)
    for recipe in arguments.recipes:
        for seed in arguments.seeds:
            print(json.dumps(measure(arguments.csv, recipe, seed)), flush=True)


if __name__ == "__main__":
    main()
