"""Scores as they stand in metrics/evaluate.json: records in lists instead of nested mappings.

DVC makes a column of every number that it reaches through mappings alone. A table with a column for
each metric of each step, target, series and baseline cannot be read, so these details are lists.
"""

from collections.abc import Mapping
from typing import Any

# Part of the scores -> the name of the key of its records.
KEYS = {
    "horizon": "step",
    "targets": "target",
    "baselines": "baseline",
    "series": "series",
    "hours": "hour",
}


def to_records(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores (`scores.finish`) with each detail as a list of records.

    >>> to_records({"rmse": 1.0, "baselines": {"naive": {"rmse": 2.0}}})
    {'rmse': 1.0, 'baselines': [{'baseline': 'naive', 'rmse': 2.0}]}
    """
    return {
        part: [{KEYS[part]: name, **row} for name, row in value.items()] if part in KEYS else value
        for part, value in scores.items()
    }


def from_records(content: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `to_records`: the scores out of the content of metrics/evaluate.json.

    >>> from_records({"rmse": 1.0, "baselines": [{"baseline": "naive", "rmse": 2.0}]})
    {'rmse': 1.0, 'baselines': {'naive': {'rmse': 2.0}}}
    """
    return {
        part: {
            row[KEYS[part]]: {key: item for key, item in row.items() if key != KEYS[part]}
            for row in value
        }
        if part in KEYS
        else value
        for part, value in content.items()
    }
