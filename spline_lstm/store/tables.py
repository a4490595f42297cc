"""Models of the registry as text."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from spline_lstm.core.formatting import number
from spline_lstm.store.registry import Model

# The metric of a row in a list: the first of these that the task measures.
SCORES = ("auc", "rmse")
COLUMNS = ("model_id", "task_id", "status", "created_at", "promoted_at", "score", "reason")


def models_table(models: Sequence[Model], path: Path) -> str:
    """One line per model; `path` is named if there are none."""
    if not models:
        return (
            f"{path}: no models; `python -m spline_lstm train {path.parent.parent}` registers one"
        )
    rows = [COLUMNS, *(_cells(model) for model in models)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(model: Model) -> tuple[str, ...]:
    metrics = json.loads(model.metrics_json)
    score = next((f"{name} {number(metrics[name])}" for name in SCORES if name in metrics), "-")
    return (
        model.model_id,
        model.task_id,
        model.status,
        model.created_at,
        model.promoted_at or "-",
        score,
        model.reason or "-",
    )


def model_text(model: Model) -> str:
    """Everything of one model, params and metrics as JSON, one key a line."""
    content = asdict(model)
    plain = {key: value for key, value in content.items() if not key.endswith("_json")}
    lines = [f"{key}: {value or '-'}" for key, value in plain.items()]
    for key in ("metrics_json", "params_json"):
        text = json.dumps(json.loads(content[key]), indent=2, ensure_ascii=False)
        lines.append(f"{key.removesuffix('_json')}: {text}")
    return "\n".join(lines)
