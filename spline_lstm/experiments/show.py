"""The experiments of a pipeline as a table: what was changed and what came of it.

Everything is read from ``dvc exp show --json``, which keeps the types of params (``dvc.api`` turns
a seed of 0 into 0.0).
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spline_lstm.core.formatting import number
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.core.run_record import setting
from spline_lstm.experiments.git import experiments, git
from spline_lstm.experiments.results import exp_show

# Column -> metrics file and keys; the two last are those of an exported file.
COLUMNS = {
    "run id": ("run", "run_id"),
    "RMSE": ("evaluate", "rmse"),
    "scaled RMSE": ("evaluate", "scaled_rmse"),
    "root Brier": ("evaluate", "root_brier"),
    "AUC": ("evaluate", "auc"),
    "MASE": ("evaluate", "mase"),
    "skill": ("evaluate", "skill"),
    "p95 (ms)": ("latency", "{format}", "p95_ms"),
    "size (MB)": ("latency", "{format}", "size_mb"),
}
# Of them, those that only some pipelines measure; they are left out where no row has a value.
OPTIONAL = ("run id", "RMSE", "scaled RMSE", "root Brier", "AUC", "MASE")
# What experiments are sorted by, the first that there is: units differ between targets.
DECIDING = ("root Brier", "scaled RMSE", "RMSE")
DIGITS_OF_COMMIT = 10


@dataclass(frozen=True)
class Row:
    """One experiment, or the commit that experiments start from.

    Attributes
    ----------
    commit : that the experiment starts from
    name : of the experiment; "" for the commit itself
    changed : params of the pipeline that differ from the commit, dotted key -> value; None: removed
    metrics : column -> value, None where it was not measured
    """

    commit: str
    name: str
    changed: Mapping[str, Any]
    metrics: Mapping[str, float | str | None]


def read_rows(pipeline: TrackedPipeline, file_format: str, *, every_commit: bool) -> list[Row]:
    """The experiments of a pipeline, those of the newest commit first, each with its commit.

    Parameters
    ----------
    pipeline : TrackedPipeline
    file_format : str
        Exported file whose latency and size count: onnx or tflite.
    every_commit : bool
        Whether experiments of all commits count, or only those of the newest commit that has any.

    Returns
    -------
    list of Row
        For each commit its experiments by RMSE, and among them the commit itself. Empty if the
        pipeline has no experiment.
    """
    rows: list[Row] = []
    for commit in experiment_commits(pipeline):
        (shown,) = (entry for entry in exp_show(pipeline, commit) if entry["rev"] == commit)
        found = rows_of_commit(shown, pipeline, file_format)
        rows += found
        if found and not every_commit:
            break
    return rows


def experiment_commits(pipeline: TrackedPipeline) -> list[str]:
    """Commits that have experiments, of any pipeline of the repository, newest first."""
    refs = git(pipeline.root, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    parts = [ref.split("/") for ref in refs]
    # refs/exps/<two digits>/<the rest>/<name>; DVC keeps others below refs/exps/exec and celery.
    commits = {part[2] + part[3] for part in parts if len(part) == 5 and len(part[2]) == 2}
    if not commits:
        return []
    ordered = git(pipeline.root, "rev-list", "--topo-order", "--ignore-missing", *sorted(commits))
    return [commit for commit in ordered.splitlines() if commit in commits]


def rows_of_commit(
    shown: Mapping[str, Any], pipeline: TrackedPipeline, file_format: str
) -> list[Row]:
    """A commit of ``dvc exp show --json`` and its experiments of this pipeline, by RMSE.

    Empty if the commit has no experiment of this pipeline.
    """
    commit = shown["rev"]
    base = shown["data"] or {}
    finished = experiments(pipeline, commit)
    rows = [
        Row(commit, revision["name"], changed, _metrics(revision["data"], pipeline, file_format))
        for experiment in shown["experiments"] or ()
        for revision in experiment["revs"] or ()
        # DVC shows a failed experiment with the metrics of its commit; it has no reference in git.
        if finished.get(revision["name"]) == revision["rev"]
        and (changed := _changed(base, revision["data"], pipeline)) is not None
    ]
    if not rows:
        return []
    return sorted([Row(commit, "", {}, _metrics(base, pipeline, file_format)), *rows], key=_key)


def _key(row: Row) -> tuple[bool, float, str]:
    found = [value for name in DECIDING if isinstance(value := row.metrics.get(name), int | float)]
    return not found, found[0] if found else 0.0, row.name


def _changed(
    base: Mapping[str, Any], data: Mapping[str, Any], pipeline: TrackedPipeline
) -> dict[str, Any] | None:
    """Params of the pipeline that differ; None if only those of other pipelines do."""
    own = pipeline.inside("params.yaml")
    differences = {}
    for path in {*(base.get("params") or {}), *(data.get("params") or {})}:
        before, after = _flat_params(base, path), _flat_params(data, path)
        differences[path] = {
            key: after.get(key)
            for key in [*after, *(key for key in before if key not in after)]
            if key not in before or key not in after or before[key] != after[key]
        }
    mine = differences.pop(own, {})
    return None if not mine and any(differences.values()) else mine


def _flat_params(data: Mapping[str, Any], path: str) -> dict[str, Any]:
    content = ((data.get("params") or {}).get(path) or {}).get("data") or {}
    return dict(_flat(content, ""))


def _flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _metrics(
    data: Mapping[str, Any], pipeline: TrackedPipeline, file_format: str
) -> dict[str, float | str | None]:
    def value(file: str, *keys: str) -> float | str | None:
        path = pipeline.inside(pipeline.metrics(file))
        content = ((data.get("metrics") or {}).get(path) or {}).get("data")
        for key in keys:
            found = key.format(format=file_format)
            content = content.get(found) if isinstance(content, Mapping) else None
        return content if content is None or isinstance(content, str) else float(content)

    return {column: value(*keys) for column, keys in COLUMNS.items()}


def columns_of(rows: Sequence[Row]) -> list[str]:
    """Columns to show."""
    return [
        column
        for column in COLUMNS
        if column not in OPTIONAL or any(row.metrics.get(column) is not None for row in rows)
    ]


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal, one paragraph per commit."""
    commits = list(dict.fromkeys(row.commit for row in rows))
    return "\n\n".join(
        _paragraph(commit, [row for row in rows if row.commit == commit]) for commit in commits
    )


def _paragraph(commit: str, rows: Sequence[Row]) -> str:
    columns = columns_of(rows)
    head = ("experiment", *columns, "changed params")
    lines = [head, *(_texts(row, columns) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    title = f"Experiments of commit {commit[:DIGITS_OF_COMMIT]}, lowest error first"
    return "\n".join([title, *(_line(line, widths) for line in lines)])


def _texts(row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    name = row.name or "(the commit)"
    return (
        name,
        *(number(row.metrics[column]) for column in columns),
        settings(row.changed) or "-",
    )


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    """Names and params to the left, numbers to the right."""
    first, *numbers, last = texts
    cells = [text.rjust(width) for text, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join([first.ljust(widths[0]), *cells, last]).rstrip()


def settings(changed: Mapping[str, Any]) -> str:
    """``key=value`` of each param, as ``dvc exp run -S`` takes it."""
    return " ".join(f"{key}={setting(value)}" for key, value in changed.items())


def as_csv(rows: Sequence[Row]) -> str:
    """The same table as CSV with all digits; missing values are empty."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    columns = columns_of(rows)
    table.writerow(("commit", "experiment", *columns, "changed params"))
    for row in rows:
        values = (row.metrics[column] for column in columns)
        table.writerow((row.commit, row.name, *values, settings(row.changed)))
    return out.getvalue().rstrip("\n")
