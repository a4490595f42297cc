"""The registered models, for the page."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from spline_lstm.core.errors import StoreError
from spline_lstm.page.reading import numbers_of
from spline_lstm.store.registry import FAILED, PROMOTED, Model

SHOWN = ("model_id", "status", "task_id", "created_at", "promoted_at", "git_commit", "reason")
# Metrics in the list, as far as a task has them.
METRICS = ("rmse", "mae", "auc", "brier", "skill")
SHORT = 10


def models_frame(models: Sequence[Model]) -> pd.DataFrame:
    """One row per model, in the order of the registry, with the metrics that any of them has."""
    rows = [
        {name: getattr(model, name) for name in SHOWN}
        | {name: metrics_of(model).get(name) for name in METRICS}
        for model in models
    ]
    table = pd.DataFrame(rows, columns=[*SHOWN[:3], *METRICS, *SHOWN[3:]])
    present = [name for name in METRICS if table[name].notna().any()]
    table["git_commit"] = table["git_commit"].str[:SHORT]
    return table.drop(columns=[name for name in METRICS if name not in present])


def metrics_of(model: Model) -> dict[str, Any]:
    """The single numbers of its metrics/evaluate.json.

    Raises
    ------
    StoreError
        The row is damaged.
    """
    return numbers_of(_content(model, "metrics_json"))


def params_of(model: Model) -> dict[str, Any]:
    """Its complete params; StoreError if the row is damaged."""
    return _content(model, "params_json")


def _content(model: Model, name: str) -> dict[str, Any]:
    try:
        content = json.loads(getattr(model, name))
    except ValueError as error:
        raise StoreError(
            f"{name} of model {model.model_id} is damaged ({error}); restore the registry from a "
            "backup, or retire the model"
        ) from None
    return content if isinstance(content, dict) else {}


def refusal(model: Model) -> str:
    """Why a model cannot be promoted; "" if it can."""
    if model.status == PROMOTED:
        return "it is promoted already"
    return "its training failed" if model.status == FAILED else ""


def comparison_with(model: Model, promoted: Model | None) -> pd.DataFrame:
    """The metrics of a model and of the promoted one, side by side: what a promotion changes."""
    columns = {"this model": _measured(model)}
    if promoted is not None and promoted.model_id != model.model_id:
        columns["promoted now"] = _measured(promoted)
    return pd.DataFrame({name: pd.Series(row) for name, row in columns.items()}).rename_axis(
        "metric"
    )


def _measured(model: Model) -> dict[str, float]:
    """The metrics that are numbers."""
    return {
        name: float(value)
        for name, value in metrics_of(model).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
