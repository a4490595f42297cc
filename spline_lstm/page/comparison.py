"""The comparison: what `compare` wrote into metrics/comparison.csv and .json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spline_lstm.core.pipeline import COMPARISON_FILES, Pipeline
from spline_lstm.page.reading import csv_if_made, json_if_made

TABLE, SUMMARY = COMPARISON_FILES[:2]
RUN = ("run_id", "model_type", "data_mode", "seed", "notes")
# Columns of the table that say how good a run is: the lower the better, but R2.
ACCURACY = ("RMSE", "MAE", "MSE", "robust MAPE", "MASE", "R2")
COST = ("p95(ms)", "p50(ms)", "model_size(MB)", "params", "train_time(s)")
SIZE = "model_size(MB)"


@dataclass(frozen=True, eq=False)
class ComparisonView:
    """What is shown of a comparison.

    Attributes
    ----------
    table : DataFrame
        One row per run, its columns as in metrics/comparison.csv, and `chosen`: what the run is
        the best at.
    reason : str
        Why the recommended run is it.
    missing : list of str
        Runs without results.
    """

    table: pd.DataFrame
    reason: str
    missing: list[str]

    def named(self, names: tuple[str, ...]) -> list[str]:
        """Those of some columns that the table has numbers in."""
        return [name for name in names if name in self.table and self.table[name].notna().any()]


def comparison_view(pipeline: Pipeline) -> ComparisonView | None:
    """The comparison of a pipeline; None if there is none.

    Raises
    ------
    ArtifactError
        A file is damaged.
    """
    table = csv_if_made(pipeline.folder / TABLE, RUN, RUN)
    if not len(table):
        return None
    summary = json_if_made(pipeline.folder / SUMMARY)
    chosen = [_chosen(summary, name) for name in table["notes"].fillna("").astype(str)]
    table.insert(0, "run", table["notes"].fillna(table["run_id"]))
    table.insert(1, "chosen", chosen)
    return ComparisonView(table, str(summary.get("reason", "")), list(summary.get("missing", [])))


def _chosen(summary: Mapping[str, Any], notes: str) -> str:
    """What the run with these notes is the best at."""
    roles = {"recommended": "recommended", "accuracy": "most accurate", "edge": "best on the edge"}
    names = notes.split()
    return ", ".join(text for role, text in roles.items() if summary.get(role) in names)
