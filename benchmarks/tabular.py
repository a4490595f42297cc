"""Networks of rows beside boosted trees, on three tables that come with packages.

Run at the root: ``python -m benchmarks.tabular [--only TABLE ...] [--models NAME ...] [--seeds 0 1
2 3 4] [--full] [--threads N] [--output FILE]``.

===========  =========  ====================================  ============================
table        rows       label                                 error
===========  =========  ====================================  ============================
fair         6,366      whether `affairs` is above 0          log loss
randhie      20,190     `mdvis`, visits to a doctor           RMSE, data units
superstore   9,994      `Profit` of an order                  RMSE, data units
===========  =========  ====================================  ============================

All models see the same splits (70/15/15, seed 0; rows that are equal stay together) and the same
preprocessing, and stop by the same validation rows; seeds differ in weights, order and dropout, of
trees in the rows and features that each tree sees. The test rows are read once per model and seed.
Results are kept in FILE after each training, and read from there when the command runs again.

Trees are the best on the validation rows of the settings in `TREES`: their sizes, and categories as
ids or as one feature each. Networks have one setting, with the sizes of `SIZES`, which two cores
train in minutes; ``--full`` trains them in the sizes of their papers.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.artifacts import write_json
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.params_trees import TreesParams
from spline_lstm.core.row_schema import load_row_schema
from spline_lstm.models.jax_setup import configure_compilation_cache, configure_threads
from spline_lstm.models.row_config import row_config
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.rows.arrays import Rows, RowSplit
from spline_lstm.rows.preprocess import PreprocessedRows, preprocess_rows
from spline_lstm.tables.row_table import read_row_table
from spline_lstm.tables.sources import read_source
from spline_lstm.training.model import train_model
from spline_lstm.training.row_loss import row_loss
from spline_lstm.trees.trees import Objective, TreeRows, fit_trees

ROOT = Path(__file__).parent.parent
# Name -> source, schema in pipelines/tabular, and params.
TABLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "fair": (
        "statsmodels/fair",
        "schema.json",
        {"tabular.kind": "classification", "tabular.target": "affairs", "tabular.above": 0.0},
    ),
    "randhie": (
        "statsmodels/randhie",
        "randhie.json",
        {"tabular.kind": "regression", "tabular.target": "mdvis"},
    ),
    "superstore": (
        "bokeh_sampledata/sample_superstore",
        "superstore.json",
        {"tabular.kind": "regression", "tabular.target": "Profit"},
    ),
}
COMMON = {
    "task": "tabular",
    "tabular.duplicates": "together",
    "train.batch_size": 256,
    "train.max_epochs": 60,
    "train.patience": 8,
    "train.schedule": "constant",
}
# Optimisation as in the papers, but for the step size of the small ft_transformer.
NETWORKS: dict[str, dict[str, Any]] = {
    "tabm": {"train.learning_rate": 2e-3, "train.weight_decay": 3e-4},
    "ft_transformer": {"train.learning_rate": 1e-4, "train.weight_decay": 1e-5},
    "mlp": {"train.learning_rate": 1e-3, "train.weight_decay": 1e-5},
}
SIZES: dict[str, dict[str, Any]] = {
    "tabm": {"model.rows.width": 128},
    "ft_transformer": {
        "model.rows.width": 64,
        "model.rows.blocks": 2,
        "train.learning_rate": 5e-4,
    },
    "mlp": {},
}
LIBRARIES = ("lightgbm", "xgboost")
# The settings that trees are chosen from: params, and whether categories are one feature each.
TREES: tuple[tuple[TreesParams, bool], ...] = tuple(
    (
        TreesParams(rounds=3000, learning_rate=0.03, leaves=leaves, depth=depth, min_rows=min_rows),
        one_hot,
    )
    for (leaves, depth), min_rows, one_hot in product(
        ((7, 3), (15, 4), (31, 6)), (1, 20, 100), (False, True)
    )
)
# Columns with more categories than this stay ids also where others become one feature each.
MAX_ONE_HOT = 64
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Table:
    """A preprocessed table, and the params that belong to it."""

    name: str
    params: Params
    result: PreprocessedRows

    @property
    def rows(self) -> Rows:
        """Its rows and splits."""
        return Rows(self.result.arrays, self.result.arrays.split_rows())

    @property
    def is_regression(self) -> bool:
        """Whether the label is a number."""
        return self.result.preprocessor.kind == "regression"


def load_table(name: str) -> Table:
    """Read and preprocess a table."""
    source, schema_file, values = TABLES[name]
    params = with_values(Params(), COMMON | values, "benchmarks/tabular.py")
    schema = load_row_schema(ROOT / "pipelines/tabular" / schema_file)
    table = read_row_table(read_source(source, ROOT), schema, where=name)
    return Table(name, params, preprocess_rows(table, schema, params.tabular, where=name))


def errors(
    table: Table, predicted: Float[np.ndarray, " rows"], split: RowSplit
) -> dict[str, float]:
    """Log loss of the probability of the second class, or RMSE and MAE in data units."""
    if table.is_regression:
        off = table.result.preprocessor.label.inverse(predicted) - split.truth
        return {"error": float(np.sqrt(np.mean(off**2))), "mae": float(np.abs(off).mean())}
    chance = np.clip(np.where(split.truth == 1, predicted, 1 - predicted), 1e-12, 1.0)
    return {"error": float(-np.log(chance).mean())}


def network(table: Table, name: str, seed: int, *, full: bool) -> dict[str, float]:
    """Train a network, and score it on the test rows."""
    loss = "mse" if table.is_regression else "cross_entropy"
    values = {"model.type": name, "train.seed": seed, "train.loss": loss, **NETWORKS[name]}
    params = with_values(table.params, values | ({} if full else SIZES[name]), name)
    rows = table.rows
    config = row_config(params, rows, table.result.preprocessor)
    trained = train_model(config, rows, params.train, make_loss=row_loss)
    model, test = RowModel(config, "", "", trained.best), rows.split("test")
    inputs = test.inputs
    predicted = model.predict(inputs.numbers, inputs.missing, inputs.categories)
    return errors(table, predicted[:, 0].astype(np.float64), test) | {
        "epochs": trained.history[-1].epoch,
        "weights": sum(value.size for value in trained.best.values()),
    }


def features(table: Table, split: RowSplit, *, one_hot: bool) -> Float[np.ndarray, "rows features"]:
    """Numbers and ids of categories; `one_hot`: a feature per category of columns with few."""
    if not one_hot:
        return split.inputs.matrix
    ids = split.inputs.categories
    columns = [split.inputs.matrix[:, : -ids.shape[1] or None]]
    for position, count in enumerate(table.result.preprocessor.category_sizes):
        column = ids[:, position]
        columns.append(np.eye(count)[column] if count <= MAX_ONE_HOT else column[:, None])
    return np.concatenate(columns, axis=1)


def trees(table: Table, name: str, seed: int) -> dict[str, float]:
    """Train the trees of a library in each setting, and score the best on the test rows."""
    splits = {split: table.rows.split(split) for split in ("train", "validation", "test")}
    objective = Objective("regression" if table.is_regression else "binary")
    best: tuple[float, int] | None = None
    scores: dict[str, float] = {}
    for setting, (params, one_hot) in enumerate(TREES):
        inputs = {key: features(table, part, one_hot=one_hot) for key, part in splits.items()}
        given, stop = (
            TreeRows(inputs[key], splits[key].labels.astype(np.float64))
            for key in ("train", "validation")
        )
        fitted = fit_trees(name, given, stop, objective, params.model_copy(update={"seed": seed}))
        found = errors(table, fitted.predict(stop.X), splits["validation"])["error"], setting
        if best is None or found < best:
            best = found
            scores = errors(table, fitted.predict(inputs["test"]), splits["test"]) | {
                "setting": setting,
                "epochs": fitted.rounds,
                "weights": len(fitted.content),
            }
    return scores


def measure(table: Table, name: str, seed: int, *, full: bool) -> dict[str, float]:
    """Scores of one training, and its seconds, compiling included."""
    wall, cpu = time.perf_counter(), time.process_time()
    is_network = name in NETWORKS
    scores = network(table, name, seed, full=full) if is_network else trees(table, name, seed)
    return scores | {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }


def table_text(results: dict[str, dict[str, float]]) -> str:
    """Markdown: mean and standard deviation over the seeds, and the ratio to the better trees."""
    lines = [
        "| table | model | error: mean ± spread | to the better trees | MAE | CPU s | seeds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for table in TABLES:
        found = {
            name: [item for key, item in results.items() if key.startswith(f"{table}/{name}/")]
            for name in (*NETWORKS, *LIBRARIES)
        }
        means = {
            name: float(np.mean([item["error"] for item in items]))
            for name, items in found.items()
            if items
        }
        better = min((means[name] for name in LIBRARIES if name in means), default=float("nan"))
        for name, mean in means.items():
            items = found[name]
            # One seed has no spread.
            spread = f" ± {np.std([item['error'] for item in items]):.2g}" if len(items) > 1 else ""
            cpu = np.mean([item["cpu_seconds"] for item in items])
            mae = f"{np.mean([item['mae'] for item in items]):.4g}" if "mae" in items[0] else ""
            worse = 100 * (mean / better - 1)
            lines.append(
                f"| {table} | {name} | {mean:.4g}{spread} | {worse:+.1f} % | {mae} | {cpu:.0f} "
                f"| {len(items)} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not in the file yet, and show the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.tabular", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--models", nargs="+", default=[*LIBRARIES, *NETWORKS])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--full", action="store_true", help="the sizes of the papers")
    parser.add_argument("--output", type=Path, default=ROOT / ".cache/tabular.json")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    configure_threads(given.threads)
    configure_compilation_cache(ROOT)
    results = json.loads(given.output.read_text()) if given.output.is_file() else {}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    # Seed by seed, so that an interrupted run has all models.
    for seed in given.seeds:
        for name in given.only:
            table = load_table(name)
            for model in given.models:
                key = f"{name}/{model}/{seed}"
                if key not in results:
                    results[key] = measure(table, model, seed, full=given.full)
                    write_json(given.output, results)
                    print(key, json.dumps(results[key]), flush=True)
    print(table_text(results))


if __name__ == "__main__":
    main()
