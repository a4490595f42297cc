"""The rows of the comparison, read from ``dvc exp show --json``: nothing is computed or rounded.

Every cell but the latency, which is measured side by side (`latency`), is a value of that output,
unchanged, so that a reader can find it there.
"""

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spline_lstm.core.errors import ExperimentError
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.experiments.clone import environment
from spline_lstm.experiments.git import file_at
from spline_lstm.experiments.runs import Run

Value = str | int | float | None

# Column -> key in the metrics files; baselines have only the scores.
SCORES = {
    "MAE": "mae",
    "MSE": "mse",
    "RMSE": "rmse",
    "robust MAPE": "robust_mape",
    "MASE": "mase",
    "R2": "r2",
}
# The same, only with several targets: what decides then.
SCALED = {"scaled RMSE": "scaled_rmse"}
# Of forecast probabilities, in place of them.
PROBABILITY_SCORES = {
    "AUC": "auc",
    "log loss": "log_loss",
    "Brier": "brier",
    "root Brier": "root_brier",
}
# Measured after the last experiment; the size is a figure of the gate.
LATENCY = ("p50(ms)", "p95(ms)")
SIZE = "model_size(MB)"
COLUMNS = (
    "run_id",
    "model_type",
    "data_mode",
    "seed",
    *SCORES,
    *LATENCY,
    SIZE,
    "params",
    "train_time(s)",
    "epochs",
    "commit",
    "notes",
)
# What differs between runs of the same code: wall clock, the edge winner that depends on it, the
# commit.
MEASURED = (*LATENCY, "train_time(s)", "commit", "notes")
DIGITS_OF_COMMIT = 10


@dataclass(frozen=True)
class Record:
    """One experiment.

    Attributes
    ----------
    run : Run
    revision : commit of the experiment
    cells : column -> value, all of `COLUMNS` but notes; None for a latency not yet measured
    baselines : name -> column -> value, the columns of `SCORES`
    validation_loss : of the best evaluation
    training_stds : target -> its standard deviation in training, data units
    """

    run: Run
    revision: str
    cells: Mapping[str, Value]
    baselines: Mapping[str, Mapping[str, Value]]
    validation_loss: float
    training_stds: Mapping[str, float] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """Column that decides: errors of several targets have no unit in common."""
        if "root Brier" in self.cells:
            return "root Brier"
        return "scaled RMSE" if len(self.training_stds) > 1 else "RMSE"

    @property
    def columns(self) -> tuple[str, ...]:
        """`COLUMNS`; with several targets also the one that decides; scores of a probability."""
        first, last = (list(SCORES)[end] for end in (0, -1))
        before, after = COLUMNS.index(first), COLUMNS.index(last) + 1
        scores = next(iter(self.baselines.values()), SCORES)
        return (*COLUMNS[:before], *scores, *COLUMNS[after:])

    @property
    def rmse(self) -> float:
        """The score on the test windows that decides; see `measure`."""
        return number(self.cells[self.measure])

    @property
    def best_baseline(self) -> tuple[str, float]:
        """Name and RMSE of the best baseline of its feature mode; NaN if none has one."""
        by_rmse = {name: number(row[self.measure]) for name, row in self.baselines.items()}
        name = min(by_rmse, key=lambda name: nan_last(by_rmse[name]))
        return name, by_rmse[name]

    @property
    def beats_baselines(self) -> bool:
        """Whether its RMSE is below that of every baseline that has one."""
        return self.rmse < nan_last(self.best_baseline[1])


def number(value: Value) -> float:
    """A value as a float; NaN if there is none."""
    return math.nan if value is None else float(value)


def nan_last(value: float) -> float:
    """A value for ordering, with infinity for NaN: what was not measured is never the lowest."""
    return math.inf if math.isnan(value) else value


def exp_show(pipeline: TrackedPipeline, commit: str) -> Any:
    """Content of ``dvc exp show --json`` for the experiments of a commit.

    Raises
    ------
    ExperimentError
        DVC failed.
    """
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json", "--rev", commit]
    done = subprocess.run(  # noqa: S603
        command, cwd=pipeline.root, env=environment(pipeline), capture_output=True, check=False
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise ExperimentError(
            f"dvc exp show failed in {pipeline.root}: {reason}; run `dvc exp show` to see more"
        )
    return json.loads(done.stdout)


def read_records(
    shown: Any, pipeline: TrackedPipeline, commit: str, runs: Sequence[Run], file_format: str
) -> list[Record]:
    """The records of the runs that have an experiment, in the order of `runs`.

    Parameters
    ----------
    shown : list
        Content of ``dvc exp show --json``.
    pipeline : TrackedPipeline
    commit : str
        That the experiments start from.
    runs : sequence of Run
    file_format : str
        Exported file whose latency and size count: onnx or tflite.
    """
    found = {
        revision["name"]: revision
        for baseline in shown
        if baseline["rev"] == commit
        for experiment in baseline["experiments"] or ()
        for revision in experiment["revs"]
    }
    return [
        read_record(found[run.name], pipeline, commit, run, file_format)
        for run in runs
        if run.name in found
    ]


def read_record(
    revision: Mapping[str, Any], pipeline: TrackedPipeline, commit: str, run: Run, file_format: str
) -> Record:
    """One experiment of ``dvc exp show --json`` as a record.

    Raises
    ------
    ExperimentError
        A metric is missing.
    """

    def metric(file: str, *keys: str) -> Any:
        path = pipeline.inside(pipeline.metrics(file))
        try:
            content = revision["data"]["metrics"][path]["data"]
            for key in keys:
                content = content[key]
        except (KeyError, TypeError):
            raise ExperimentError(
                f"experiment {run.name}: {path} has no {'.'.join(keys)}; "
                f"run it again with --redo {run.name}"
            ) from None
        return content

    # DVC shows no lists.
    content = evaluation_of(pipeline, revision["rev"])
    scores, training_stds = PROBABILITY_SCORES, dict[str, float]()
    if "brier" not in content:
        training_stds = {row["target"]: row["training_std"] for row in content["targets"]}
        scores = scores_of_values(len(training_stds))
    # A format that export.formats leaves out is in no metric: its cells are empty.
    is_exported = file_format in metric("latency")
    cells = {
        "run_id": metric("train", "run_id"),
        "model_type": metric("train", "model_type"),
        "data_mode": metric("train", "feature_mode"),
        "seed": metric("train", "seed"),
        **{column: metric("evaluate", key) for column, key in scores.items()},
        **dict.fromkeys(LATENCY),
        SIZE: metric("latency", file_format, "size_mb") if is_exported else None,
        "params": metric("train", "n_params"),
        "train_time(s)": metric("train_time", "train_seconds"),
        "epochs": metric("train", "epochs"),
        "commit": commit[:DIGITS_OF_COMMIT],
    }
    baselines = {
        name: {column: row[key] for column, key in scores.items()}
        for name, row in metric("baselines").items()
    }
    return Record(
        run, revision["rev"], cells, baselines, metric("train", "validation_loss"), training_stds
    )


def scores_of_values(targets: int) -> dict[str, str]:
    """`SCORES` in their order, after the RMSE the scaled one if there are several targets."""
    added = SCALED if targets > 1 else {}
    return {
        name: key
        for column in SCORES
        for name, key in ({column: SCORES[column]} | (added if column == "RMSE" else {})).items()
    }


def evaluation_of(pipeline: TrackedPipeline, revision: str) -> dict[str, Any]:
    """Content of metrics/evaluate.json of an experiment."""
    return json.loads(
        file_at(pipeline.root, revision, pipeline.inside(pipeline.metrics("evaluate")))
    )


def with_latency(record: Record, p50_ms: Value, p95_ms: Value) -> Record:
    """The record with its latency, milliseconds; None if it was not measured."""
    return replace(record, cells={**record.cells, "p50(ms)": p50_ms, "p95(ms)": p95_ms})


def baselines_by_mode(records: Sequence[Record]) -> dict[str, Mapping[str, Mapping[str, Value]]]:
    """Feature mode -> baseline -> scores; seeds and models share them.

    Raises
    ------
    ExperimentError
        Two runs of one mode have different baselines: they were not measured on the same data.
    """
    found: dict[str, Mapping[str, Mapping[str, Value]]] = {}
    for record in records:
        mode = record.run.feature_mode
        if found.setdefault(mode, record.baselines) != record.baselines:
            raise ExperimentError(
                f"the baselines of {record.run.name} differ from those of other {mode} runs, "
                "though nothing in them depends on model or seed; run the comparison again "
                "(--redo each)"
            )
    return found
