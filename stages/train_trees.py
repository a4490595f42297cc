"""Stage train-trees: rows of the task to boosted trees."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.artifacts import write_metrics
from spline_lstm.core.formatting import plural
from spline_lstm.core.params import load_params
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.core.stage import run_stage
from spline_lstm.core.stage_code import stage_code_id
from spline_lstm.tasks.parts import load_part
from spline_lstm.trees.losses import mean_loss
from spline_lstm.trees.saved_trees import SavedTrees, load_trees, save_trees
from spline_lstm.trees.tree_data import TRAIN, VALIDATION, TreeData
from spline_lstm.trees.trees import Trees, fit_trees


def main(folder: Path) -> str:
    """Write models/trees/ and metrics/trees.json."""
    pipeline = Pipeline(folder)
    params = load_params(folder)
    data: TreeData = load_part(params, "rows")(folder, params)
    train, validation = data.splits[TRAIN], data.splits[VALIDATION]
    members = {
        name: fit_trees(name, train, validation, data.objective, params.trees)
        for name in params.trees.members
    }
    save_trees(pipeline.trees, members, data.objective, data.features, data.run_id)
    saved = load_trees(pipeline.trees)
    figures = {name: member_metrics(trees, data) for name, trees in saved.members.items()}
    write_metrics(
        pipeline.metrics("trees"),
        {
            "kind": data.objective.kind,
            "seed": params.trees.seed,
            "features": len(data.features),
            "rows": {name: len(rows.y) for name, rows in data.splits.items()},
            **figures,
            # A list: DVC would make a column of every feature of a mapping.
            "importance": importance_records(saved),
            "run_id": saved.run_id,
            "code_id": stage_code_id(folder, "train-trees"),
        },
    )
    each = "; ".join(
        f"{name}: {plural(content['rounds'], 'round')}, validation loss "
        f"{content['validation_loss']:.5f}"
        for name, content in figures.items()
    )
    return f"{len(train.y)} rows, {len(data.features)} features; {each or 'no trees are asked for'}"


def member_metrics(trees: Trees, data: TreeData) -> Mapping[str, Any]:
    """Rounds and losses of the trees of one library."""
    losses = {
        f"{name}_loss": mean_loss(data.objective, rows.y, trees.predict(rows.X))
        for name, rows in data.splits.items()
        if name in {TRAIN, VALIDATION}
    }
    return {"rounds": trees.rounds, **losses}


def importance_records(saved: SavedTrees) -> list[dict[str, Any]]:
    """A record per feature with its share of the gain of each member, the largest mean first."""
    shares = saved.importance()
    records = [
        {"feature": name, **{member: found[name] for member, found in shares.items()}}
        for name in saved.features
    ]
    return sorted(records, key=lambda row: -sum(row[member] for member in shares))


if __name__ == "__main__":
    run_stage("train-trees", main)
