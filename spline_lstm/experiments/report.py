"""The comparison as text: the table as CSV, and a document for people."""

import csv
import io
import math
from typing import Any

import numpy as np
from jaxtyping import Float

from spline_lstm.core.formatting import exact, fixed
from spline_lstm.evaluation.blocks import MIN_BLOCKS, Interval
from spline_lstm.experiments.bootstrap import SeedRange
from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.costs import total
from spline_lstm.experiments.driver import clock
from spline_lstm.experiments.latency import range_over_rounds
from spline_lstm.experiments.plots import comparison_figure
from spline_lstm.experiments.results import (
    LATENCY,
    MEASURED,
    SCORES,
    SIZE,
    Record,
    baselines_by_mode,
)
from spline_lstm.experiments.winners import Candidate, Verdict
from spline_lstm.reporting.document import Block, Document, Facts, Picture, Section, Table, Text

TEXT_COLUMNS = ("experiment", "run_id", "model_type", "data_mode", "commit", "notes", "seeds")
PICTURE = "comparison"
HOW_TO_READ = (
    f"{', '.join(SCORES)} are of the test windows, in data units (MSE in their square, robust MAPE "
    f"in %). {', '.join(LATENCY)} and {SIZE} are of the exported file, one window a call, one "
    "thread; the latency was measured side by side after the last run, and is the median over its "
    "rounds. The notes start with the name of the experiment; commit is the one whose code was "
    "run. Every other value is shown as in `dvc exp show --json`. Another run of the same code "
    "gives the same columns but "
    f"{', '.join(MEASURED)}: wall clock, what depends on it (the edge winner and the "
    "recommendation in the notes), and the commit."
)
CAVEAT = (
    "All runs share one test period; latency, and with it the edge winner, differs from machine to "
    "machine."
)

Row = dict[str, str | None]


def run_rows(result: Comparison) -> list[Row]:
    """A row per run, then one per baseline and feature mode (only one if the modes are equal)."""
    rows: list[dict[str, Any]] = [
        {**record.cells, "notes": notes_of(result, record)} for record in result.records
    ]
    by_mode = baselines_by_mode(result.records)
    for mode, baselines in by_mode.items():
        for name, scores in baselines.items():
            everywhere = all(other.get(name) == scores for other in by_mode.values())
            if everywhere and mode != next(iter(by_mode)):
                continue
            label = {"model_type": name, "data_mode": None if everywhere else mode}
            rows.append({**label, **scores, "notes": "baseline"})
    return [
        {column: exact(row.get(column)) for column in result.records[0].columns} for row in rows
    ]


def notes_of(result: Comparison, record: Record) -> str:
    """Name of the experiment, what it won, and whether it loses to a baseline."""
    verdict, notes = result.verdict, [record.run.name]
    for title, winner in (
        (f"lowest {record.measure}", verdict.accuracy),
        ("edge winner", verdict.edge),
    ):
        if winner is record:
            notes.append(title)
    if verdict.recommended is record:
        notes.append("recommended")
    if not record.beats_baselines:
        notes.append(f"loses to {record.best_baseline[0]}")
    return "; ".join(notes)


def csv_text(result: Comparison) -> str:
    """The table of runs and baselines as CSV; what does not exist is an empty cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, result.records[0].columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(run_rows(result))
    return stream.getvalue()


def comparison_document(result: Comparison) -> Document:
    """The whole comparison, for page and Markdown."""
    accuracy = result.verdict.accuracy
    return Document(
        title=f"Comparison of {', '.join(result.params.compare.models)}",
        good=accuracy is not None,
        verdict=f"Recommendation: {result.verdict.reason}",
        warnings=_warnings(result),
        caveat=CAVEAT,
        key_numbers=_key_numbers(result),
        sections=[
            Section("What was compared", [_scope(result)]),
            Section("Winners", _winners(result)),
            Section("Runs", [_table("Runs and baselines", run_rows(result)), Text(HOW_TO_READ)]),
            Section("Mean over the seeds", [_table("Mean [lowest, highest]", seed_rows(result))]),
            Section("Latency and size", _latency(result)),
            Section("Is the difference more than noise?", _differences(result)),
            Section(
                f"{result.measure} by step ahead",
                [_table("Mean over the seeds", step_rows(result))],
            ),
            Section("Cost", _cost(result)),
        ],
    )


def _table(title: str, rows: list[Row]) -> Table:
    header = list(rows[0])
    return Table(title, header, [list(row.values()) for row in rows], text_columns=TEXT_COLUMNS)


def _key_numbers(result: Comparison) -> dict[str, Any]:
    accuracy, edge = result.verdict.accuracy, result.verdict.edge
    if accuracy is None:
        return {"runs": len(result.records)}
    name, rmse = accuracy.best_baseline
    numbers: dict[str, Any] = {
        f"{accuracy.measure} of {accuracy.run.name}, the lowest": accuracy.rmse,
        f"{accuracy.measure} of the best baseline ({name})": rmse,
    }
    if edge is None:
        return numbers
    return numbers | {
        f"p95 of {edge.run.name} (ms), the edge winner": edge.cells["p95(ms)"],
        f"size of {edge.run.name} (MB)": edge.cells[SIZE],
    }


def _warnings(result: Comparison) -> list[str]:
    lines = [f"{name} has no experiment: it failed or was not run." for name in result.missing]
    losers = [record.run.name for record in result.records if not record.beats_baselines]
    if losers:
        lines.append(f"These runs lose to a baseline and cannot win: {', '.join(losers)}.")
    return lines


def _scope(result: Comparison) -> Facts:
    return Facts(
        {
            "runs": f"{len(result.records)} of {len(result.runs)}",
            "feature modes": list(result.params.compare.feature_modes),
            "test windows": f"{result.windows}, the same for all",
            "experiments of commit": result.commit[:10],
            "code and params": result.code,
            "written by": "python -m spline_lstm compare",
        }
    )


def _winners(result: Comparison) -> list[Block]:
    caption = (
        "RMSE against latency and size of the exported file, and RMSE by step relative to the best "
        "baseline; a point per seed"
    )
    picture = Picture(caption, comparison_figure(result), PICTURE)
    accuracy, edge, params = result.verdict.accuracy, result.verdict.edge, result.params.compare
    if accuracy is None:
        return [picture]
    name, rmse = accuracy.best_baseline
    facts = {
        f"accuracy winner (lowest {accuracy.measure})": (
            f"{accuracy.run.name}, {accuracy.measure} {accuracy.rmse} (best baseline, {name}: "
            f"{exact(rmse)})"
        ),
    }
    if edge is None:
        return [Facts(facts), picture]
    weights = f"p95 with weight {params.p95_weight:g}, size with weight {params.size_weight:g}"
    facts[f"edge winner ({weights}, {params.format})"] = (
        f"{edge.run.name}, p95 {exact(edge.cells['p95(ms)'])} ms, {exact(edge.cells[SIZE])} MB; "
        f"{_edge_scores(edge, result.verdict)}"
    )
    return [Facts(facts), picture]


def _edge_scores(edge: Record, verdict: Verdict) -> str:
    """The scores of the edge winner and of the best other run."""
    others = sorted(
        (score, name) for name, score in verdict.scores.items() if name != edge.run.name
    )[:1]
    own = verdict.scores[edge.run.name]
    rival = "".join(f", next {name} with {score:.3f}" for score, name in others)
    tied = (
        "; the clock cannot tell the two apart, and this one is more accurate or smaller"
        if others and others[0][0] < own
        else ""
    )
    return f"score {own:.3f} (1: fastest and smallest){rival}{tied}"


def _latency(result: Comparison) -> list[Block]:
    params = result.params.compare
    if not result.latencies:
        return [Text(f"No run has a {params.format} file: export.formats leaves it out.")]
    return [
        Text(
            f"model.{params.format} of every run, in {params.latency_rounds} rounds of "
            f"{params.latency_calls} calls each, one file after another: median over the rounds, "
            "and in brackets their central nine tenths. The edge score is the weighted mean of p95 "
            "and size relative to the smallest; one is above another if it is in more rounds than "
            "chance would give (sign test, 5 %). The score of the recommendation adds the "
            f"{result.measure} with weight {params.rmse_weight:g}; within the noise of the test "
            "windows it counts as the lowest."
        ),
        _table("Latency and size", latency_rows(result)),
    ]


def latency_rows(result: Comparison) -> list[Row]:
    """A row per run with an exported file: percentiles over the rounds, size and scores."""
    records = {record.run.name: record for record in result.records}
    verdict = result.verdict
    return [
        {
            "experiment": name,
            "p50(ms)": _over_rounds(latency.p50_ms),
            "p95(ms)": _over_rounds(latency.p95_ms),
            SIZE: exact(records[name].cells[SIZE]),
            "edge score": fixed(verdict.scores.get(name, math.nan), ".3f"),
            f"with {result.measure}": fixed(verdict.totals.get(name, math.nan), ".3f"),
        }
        for name, latency in result.latencies.items()
    ]


def _over_rounds(values: Float[np.ndarray, " rounds"]) -> str:
    low, high = range_over_rounds(values)
    return f"{np.median(values):.4f} [{low:.4f}, {high:.4f}]"


def seed_rows(result: Comparison) -> list[Row]:
    """A row per model and feature mode: mean [lowest, highest] over its seeds."""
    return [
        {
            "model and mode": candidate.name,
            "seeds": ", ".join(str(record.run.seed) for record in candidate.records),
            **{column: range_text(candidate.ranges[column]) for column in candidate.ranges},
        }
        for candidate in result.candidates
    ]


def range_text(value: SeedRange) -> str | None:
    """Mean, lowest and highest, with as many digits as their range makes meaningful.

    >>> range_text(SeedRange(15.58, 15.55, 15.61, 2)), range_text(SeedRange(0.12, 0.12, 0.12, 1))
    ('15.580 [15.550, 15.610]', '0.12')
    """
    if math.isnan(value.mean):
        return None
    if value.low == value.high:
        return f"{value.mean:.6g}"
    decimals = max(0, 1 - math.floor(math.log10((value.high - value.low) / 2)))
    return f"{value.mean:.{decimals}f} [{value.low:.{decimals}f}, {value.high:.{decimals}f}]"


def _differences(result: Comparison) -> list[Block]:
    rows = difference_rows(result)
    if not rows:
        return [Text("There is only one model in one feature mode.")]
    return [Text(difference_note(result)), _table(f"{result.measure} against {result.best}", rows)]


def difference_rows(result: Comparison) -> list[Row]:
    """A row per other forecast: the difference of its RMSE to that of the best, and its worth."""
    candidates = {candidate.name: candidate for candidate in result.candidates}
    best = candidates[result.best]
    return [
        {
            "forecast": name,
            f"{result.measure} - {result.measure} of the best": fixed(interval.difference, "+.4f"),
            "95 % interval": interval_text(interval, ".4f"),
            "beyond the seed range": _beyond_seeds(best, candidates.get(name)),
            "beyond the test windows' noise": _beyond_windows(interval),
        }
        for name, interval in result.intervals.items()
        if name != result.best
    ]


def _beyond_seeds(best: Candidate, other: Candidate | None) -> str | None:
    below = None if other is None else best.rmse.below(other.rmse)
    return {None: None, True: "yes", False: "no"}[below]


def _beyond_windows(interval: Interval) -> str | None:
    if math.isnan(interval.low):
        return None
    return "yes" if interval.excludes_zero else "no"


def interval_text(interval: Interval, form: str) -> str | None:
    """Both ends of an interval, with signs; None if it is NaN.

    >>> interval_text(Interval(0.5, -1.0, 2.0), ".1f")
    '[-1.0, +2.0]'
    """
    return (
        None if math.isnan(interval.low) else f"[{interval.low:+{form}}, {interval.high:+{form}}]"
    )


def difference_note(result: Comparison) -> str:
    """How to read the differences: against what, by which rule, and with which blocks."""
    compare = result.params.compare
    shortened = (
        f", not of {result.wanted_block}: a test split has at least {MIN_BLOCKS} blocks; errors "
        "that last longer make the interval too narrow"
        if result.block < result.wanted_block
        else ""
    )
    return (
        f"Against {result.best}, the lowest mean {result.measure}. Beyond the seed range: every "
        "seed of the best is below every seed of the other (a dash: one seed tells nothing). The "
        "interval is a paired moving-block bootstrap over the forecast origins of the test split "
        "(blocks of "
        f"{result.block}{shortened}; {compare.repetitions} resamples, seed "
        f"{compare.bootstrap_seed})."
    )


def step_rows(result: Comparison) -> list[Row]:
    """A row per model and mode, and one for the best baseline: RMSE by step, mean of the seeds."""
    rmse = {name: values.mean(axis=0) for name, values in result.step_rmse.items()}
    return [
        {"forecast": name}
        | {f"step {step}": fixed(value, ".4g") for step, value in enumerate(values, start=1)}
        for name, values in {**rmse, "best baseline": result.step_baseline}.items()
    ]


def _cost(result: Comparison) -> list[Block]:
    if not result.costs:
        return [Text("The experiments were not run here: no times.")]
    sums = total(list(result.costs.values()))
    own = sum(sums.own.values())
    text = Text(
        f"Wall clock of the {sums.experiments} runs timed here: {sums.wall:.0f} s "
        f"({clock(sums.wall)}), of which the stages' own work is {own:.0f} s, start and imports of "
        f"their processes {sums.processes - own:.0f} s, and DVC {sums.wall - sums.processes:.0f} s."
    )
    rows = [[stage, f"{seconds:.1f}"] for stage, seconds in sums.own.items()]
    return [text, Table("By stage", ["stage", "own work (s)"], rows)] if rows else [text]
