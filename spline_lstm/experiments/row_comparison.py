"""The comparison of models for the rows of a table: a run per model and seed, by the test rows.

Rows have no feature modes, no steps ahead and no blocks of time: what decides is the mean over the
seeds of the log loss of classes, or of the RMSE of numbers, and how far the seeds differ is shown.
"""

import csv
import io
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spline_lstm.core.artifacts import write_json, write_text
from spline_lstm.core.errors import ExperimentError, ParamsError
from spline_lstm.core.params import Params
from spline_lstm.core.pipeline import TrackedPipeline
from spline_lstm.evaluation.row_metrics import names_of
from spline_lstm.experiments.code_id import code_id
from spline_lstm.experiments.comparison_files import MARKDOWN, PAGE, SUMMARY, TABLE, hashes
from spline_lstm.experiments.git import file_at
from spline_lstm.experiments.runs import Run
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.reporting.document import Document, Section, Table, Text
from spline_lstm.reporting.html import to_html
from spline_lstm.reporting.markdown import to_markdown

CAVEAT = (
    "All runs share one split of the rows and one seed of the trees; the spread is that of the "
    "networks' seeds alone."
)


@dataclass(frozen=True)
class RowRun:
    """What one experiment measured on the test rows.

    Attributes
    ----------
    run : Run
    revision : commit of the experiment
    scores : content of metrics/evaluate.json
    baselines : name -> metrics, of the trees too
    training : content of metrics/train.json
    seconds : that the training took
    """

    run: Run
    revision: str
    scores: Mapping[str, Any]
    baselines: Mapping[str, Mapping[str, float]]
    training: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True)
class RowComparison:
    """What the runs of a comparison measured; `kind` is that of the labels."""

    kind: str
    runs: tuple[RowRun, ...]
    missing: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """Key -> name of the metrics; the first one decides."""
        return names_of(self.kind)

    @property
    def key(self) -> str:
        """Key of the metric that decides."""
        return next(iter(self.names))

    @property
    def by_model(self) -> dict[str, list[float]]:
        """Model -> the metric that decides, of each seed; the lowest mean first."""
        found: dict[str, list[float]] = {}
        for each in self.runs:
            found.setdefault(each.run.model_type, []).append(float(each.scores[self.key]))
        return dict(sorted(found.items(), key=lambda item: statistics.fmean(item[1])))

    @property
    def better_baselines(self) -> dict[str, float]:
        """Trees and baselines below the mean of every network, the best one first."""
        lowest = statistics.fmean(next(iter(self.by_model.values())))
        values = {name: float(row[self.key]) for name, row in self.runs[0].baselines.items()}
        ordered = sorted(values.items(), key=lambda item: item[1])
        return {name: value for name, value in ordered if value < lowest}

    @property
    def reason(self) -> str:
        """Which model is the best, and which ones its seeds do not tell from it."""
        (best, values), *others = self.by_model.items()
        close = [name for name, found in others if min(found) <= max(values)]
        told = (
            f"of the networks, {best} has the lowest mean {self.names[self.key]} of the test rows, "
            f"{_mean(values)}"
        )
        told += f"; seeds overlap with those of {', '.join(close)}" if close else ""
        named = [f"{name} ({_short(value)})" for name, value in self.better_baselines.items()]
        return f"{told}; lower still: {', '.join(named)}" if named else told


def check_row_comparison(params: Params) -> None:
    """Raise ParamsError unless the matrix is one of networks of rows and seeds."""
    modes = params.compare.feature_modes
    if len(modes) > 1:
        raise ParamsError(
            f"compare.feature_modes = [{', '.join(modes)}]: rows of a table have no feature modes; "
            "set it to [univariate]"
        )
    for index, name in enumerate(params.compare.models):
        if MODEL_TYPES[name].rows is None:
            fitting = ", ".join(key for key, entry in MODEL_TYPES.items() if entry.rows)
            raise ParamsError(
                f"compare.models.{index} = {name}: with task {params.task} it must be one of "
                f"{fitting}"
            )


def collect_rows(
    pipeline: TrackedPipeline, runs: Sequence[Run], revisions: Mapping[str, str]
) -> RowComparison:
    """Read what the experiments of the runs measured; `revisions` by the name of the run.

    Raises
    ------
    ExperimentError
        There is none.
    """
    done = [run for run in runs if run.name in revisions]
    if not done:
        raise ExperimentError(
            f"none of the {len(runs)} experiments is done, so there is nothing to compare; "
            "see .cache/compare/logs"
        )

    def content(run: Run, name: str) -> Any:
        path = pipeline.inside(pipeline.metrics(name))
        return json.loads(file_at(pipeline.root, revisions[run.name], path))

    found = tuple(
        RowRun(
            run,
            revisions[run.name],
            content(run, "evaluate"),
            content(run, "baselines"),
            content(run, "train"),
            float(content(run, "train_time")["train_seconds"]),
        )
        for run in done
    )
    missing = tuple(run.name for run in runs if run.name not in revisions)
    return RowComparison(found[0].scores["kind"], found, missing)


def write_row_comparison(pipeline: TrackedPipeline, commit: str, result: RowComparison) -> None:
    """Write table, page and Markdown, the summary last: if it exists, so do the others."""
    folder, document = pipeline.folder, row_document(result)
    (folder / SUMMARY).unlink(missing_ok=True)
    write_text(folder / TABLE, row_csv(result))
    write_text(folder / PAGE, to_html(document))
    write_text(folder / MARKDOWN, to_markdown(document))
    summary = {
        "commit": commit,
        "code": code_id(pipeline),
        "recommended": next(iter(result.by_model)),
        "reason": result.reason,
        "missing": list(result.missing),
        "experiments": {each.run.name: each.revision for each in result.runs},
    }
    write_json(folder / SUMMARY, summary | {"files": hashes(pipeline)})


def row_csv(result: RowComparison) -> str:
    """A row per run, and one per baseline, which all runs share."""
    stream = io.StringIO()
    head = ("run_id", "model_type", "data_mode", "seed")
    of_training = ("params", "train_time(s)", "epochs")
    columns = [*head, *result.names.values(), *of_training, "commit", "notes"]
    writer = csv.DictWriter(stream, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(_csv_rows(result))
    return stream.getvalue()


def _csv_rows(result: RowComparison) -> Iterator[dict[str, Any]]:
    for each in result.runs:
        yield {
            "run_id": each.training["run_id"],
            "model_type": each.run.model_type,
            "data_mode": each.run.feature_mode,
            "seed": each.run.seed,
            **_metrics(result, each.scores),
            "params": each.training["n_params"],
            "train_time(s)": each.seconds,
            "epochs": each.training["epochs"],
            "commit": each.revision[:10],
            "notes": each.run.name,
        }
    for name, scores in result.runs[0].baselines.items():
        yield {"model_type": name, "notes": "baseline", **_metrics(result, scores)}


def _metrics(result: RowComparison, scores: Mapping[str, Any]) -> dict[str, Any]:
    return {title: scores[key] for key, title in result.names.items() if key in scores}


def row_document(result: RowComparison) -> Document:
    """The comparison, for page and Markdown."""
    best, missing = next(iter(result.by_model)), result.missing
    return Document(
        title=f"Comparison of {', '.join(result.by_model)}",
        good=not result.better_baselines,
        verdict=result.reason,
        warnings=[f"without results: {', '.join(missing)}"] if missing else [],
        caveat=CAVEAT,
        key_numbers={f"{result.names[result.key]} of {best}": _mean(result.by_model[best])},
        sections=[
            Section("Mean over the seeds", [_means(result), Text(_HOW)]),
            Section("Runs", [_runs(result)]),
        ],
    )


_HOW = "The spread is the standard deviation over the seeds; models beside the networks have one."


def _means(result: RowComparison) -> Table:
    baselines = result.runs[0].baselines
    values = result.by_model | {name: [float(row[result.key])] for name, row in baselines.items()}
    ordered = sorted(values.items(), key=lambda item: statistics.fmean(item[1]))
    rows = [
        [name, _mean(found), _short(statistics.stdev(found)) if len(found) > 1 else "", len(found)]
        for name, found in ordered
    ]
    header = ["model", f"mean {result.names[result.key]}", "spread", "seeds"]
    return Table("Networks, trees and baselines", header, rows, text_columns=("model",))


def _runs(result: RowComparison) -> Table:
    header = ["experiment", "seed", *result.names.values()]
    rows = [
        [each.run.name, each.run.seed, *(_short(each.scores[key]) for key in result.names)]
        for each in result.runs
    ]
    return Table("Test rows", header, rows, text_columns=("experiment",))


def _mean(values: Sequence[float]) -> str:
    return _short(statistics.fmean(values))


def _short(value: float) -> str:
    return f"{value:.4g}"
