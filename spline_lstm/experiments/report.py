"""The comparison as text: the table as CSV, and Markdown for people."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from spline_lstm.experiments.bootstrap import MIN_BLOCKS, Interval, Spread
from spline_lstm.experiments.comparison import Comparison
from spline_lstm.experiments.costs import total
from spline_lstm.experiments.driver import clock
from spline_lstm.experiments.results import (
    COLUMNS,
    EDGE,
    MEASURED,
    SCORES,
    Record,
    Value,
    baselines_by_mode,
    nan_last,
)
from spline_lstm.experiments.winners import SPREAD_COLUMNS, Cell, Verdict

LEFT = ("run_id", "model_type", "data_mode", "commit", "notes", "cell", "forecast", "stage")


def text_of(value: Value) -> str:
    """A cell as text: numbers in the shortest form that reads back as the same number; empty where there is none."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def figure_text(value: float, form: str) -> str:
    """A number in a format; empty where it is NaN.

    >>> figure_text(1.5, "+.2f"), figure_text(math.nan, "+.2f")
    ('+1.50', '')
    """
    return "" if math.isnan(value) else f"{value:{form}}"


def run_rows(result: Comparison) -> list[dict[str, str]]:
    """A row per run, then one per baseline and feature mode (once, where the mode makes no difference)."""
    rows = [{**record.cells, "notes": notes_of(result, record)} for record in result.records]
    by_mode = baselines_by_mode(result.records)
    for mode, baselines in by_mode.items():
        for name, scores in baselines.items():
            everywhere = all(other.get(name) == scores for other in by_mode.values())
            if everywhere and mode != next(iter(by_mode)):
                continue
            rows.append(
                {
                    "model_type": name,
                    "data_mode": None if everywhere else mode,
                    **scores,
                    "notes": "baseline",
                }
            )
    return [{column: text_of(row.get(column)) for column in COLUMNS} for row in rows]


def notes_of(result: Comparison, record: Record) -> str:
    """Name of the experiment, what it won, and whether it loses to a baseline."""
    verdict, notes = result.verdict, [record.run.name]
    for title, winner in (("lowest RMSE", verdict.accuracy), ("edge winner", verdict.edge)):
        if winner is record:
            notes.append(title)
    if verdict.recommended is record:
        notes.append("recommended")
    if not record.beats_baselines:
        notes.append(f"loses to {record.best_baseline[0]}")
    return "; ".join(notes)


def csv_text(result: Comparison) -> str:
    """The table as CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(run_rows(result))
    return stream.getvalue()


def spread_text(value: Spread) -> str:
    """Mean, lowest and highest with the digits that their range leaves a meaning.

    >>> spread_text(Spread(15.58, 15.55, 15.61, 2)), spread_text(Spread(0.12, 0.12, 0.12, 1))
    ('15.580 [15.550, 15.610]', '0.12')
    """
    if math.isnan(value.mean):
        return ""
    if value.low == value.high:
        return f"{value.mean:.6g}"
    decimals = max(0, 1 - math.floor(math.log10((value.high - value.low) / 2)))
    return f"{value.mean:.{decimals}f} [{value.low:.{decimals}f}, {value.high:.{decimals}f}]"


def cell_rows(result: Comparison) -> list[dict[str, str]]:
    """A row per model and feature mode: mean [lowest, highest] over its seeds."""
    return [
        {
            "cell": cell.name,
            "seeds": ", ".join(str(record.run.seed) for record in cell.records),
            **{column: spread_text(cell.spreads[column]) for column in SPREAD_COLUMNS},
        }
        for cell in result.cells
    ]


def difference_rows(result: Comparison) -> list[dict[str, str]]:
    """A row per cell and baseline: the difference of its RMSE to that of the best cell, and what it is worth."""
    cells = {cell.name: cell for cell in result.cells}
    best = cells[result.best]
    return [
        {
            "forecast": name,
            "RMSE - RMSE of the best": figure_text(interval.difference, "+.4f"),
            "95 % interval": interval_text(interval, ".4f"),
            "beyond the seed spread": _beyond_seeds(best, cells.get(name)),
            "beyond the test windows' noise": _beyond_windows(interval),
        }
        for name, interval in result.intervals.items()
        if name != result.best
    ]


def _beyond_seeds(best: Cell, cell: Cell | None) -> str:
    if cell is None:
        return ""
    return {None: "-", True: "yes", False: "no"}[best.rmse.below(cell.rmse)]


def _beyond_windows(interval: Interval) -> str:
    if math.isnan(interval.low):
        return ""
    return "yes" if interval.excludes_zero else "no"


def interval_text(interval: Interval, form: str) -> str:
    """Both ends of an interval, with signs; empty where it is NaN.

    >>> interval_text(Interval(0.5, -1.0, 2.0), ".1f")
    '[-1.0, +2.0]'
    """
    return "" if math.isnan(interval.low) else f"[{interval.low:+{form}}, {interval.high:+{form}}]"


def step_rows(result: Comparison) -> list[dict[str, str]]:
    """A row per cell, and one of the best baseline of each step: RMSE at each step ahead, mean of the seeds."""
    rmse = {name: values.mean(axis=0) for name, values in result.step_rmse.items()}
    return [
        {
            "cell": name,
            **{
                f"step {step}": figure_text(value, ".4g")
                for step, value in enumerate(values, start=1)
            },
        }
        for name, values in {**rmse, "best baseline": result.step_baseline}.items()
    ]


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table; texts to the left, numbers to the right."""
    columns = list(rows[0])
    lines = [columns, [":--" if column in LEFT else "--:" for column in columns]]
    lines += [[row[column] for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict_lines(result: Comparison) -> list[str]:
    """The winners and the recommendation, a sentence each."""
    verdict, params = result.verdict, result.params.compare
    if verdict.accuracy is None or verdict.edge is None:
        return [f"**Recommendation**: {verdict.reason}"]
    accuracy, edge = verdict.accuracy, verdict.edge
    return [
        f"**Accuracy winner** (lowest RMSE): {accuracy.run.name}, RMSE {accuracy.rmse} "
        f"(best baseline, {accuracy.best_baseline[0]}: {text_of(accuracy.best_baseline[1])}).",
        f"**Edge winner** (p95 with weight {params.p95_weight:g}, size with weight {params.size_weight:g}, "
        f"{params.format}): {edge.run.name}, p95 {text_of(edge.cells['p95(ms)'])} ms, "
        f"{text_of(edge.cells['model_size(MB)'])} MB; {_edge_scores(verdict)}.",
        f"**Recommendation**: {verdict.reason}",
    ]


def _edge_scores(verdict: Verdict) -> str:
    """The scores of the edge winner and the next best run."""
    ranked = sorted(verdict.scores.items(), key=lambda item: nan_last(item[1]))[:2]
    (_, best), *others = ranked
    rival = "".join(f", next {name} with {score:.3f}" for name, score in others)
    return f"score {best:.3f} (1: fastest and smallest){rival}"


def markdown_text(result: Comparison) -> str:
    """The whole comparison as Markdown."""
    sections: dict[str, Iterable[str]] = {
        "Verdict": [*(f"- {line}" for line in verdict_lines(result)), *_warnings(result)],
        "Runs": [markdown_table(run_rows(result)), "", how_to_read()],
        "Mean over the seeds": [
            "Mean [lowest, highest] over the seeds.",
            "",
            markdown_table(cell_rows(result)),
        ],
        "Is the difference more than noise?": _differences(result),
        "RMSE by step ahead": [
            markdown_table(step_rows(result)),
            "",
            "![Comparison](comparison.png)",
        ],
        "Cost": _cost(result),
    }
    parts = [f"## {title}\n\n" + "\n".join(lines) for title, lines in sections.items()]
    return "\n\n".join([_head(result), *parts]) + "\n"


def _head(result: Comparison) -> str:
    modes = ", ".join(result.params.compare.feature_modes)
    return (
        f"# Comparison of {len(result.params.compare.models)} models\n\n"
        f"{len(result.records)} of {len(result.runs)} runs on one split ({result.windows} test windows), feature modes "
        f"{modes}; written by `python -m spline_lstm compare` from the experiments of commit "
        f"`{result.commit[:10]}` (code and params: `{result.code}`). The same as a page: "
        "[comparison.html](comparison.html)."
    )


def _warnings(result: Comparison) -> list[str]:
    lines = [f"- {name} has no experiment: it failed or was not run." for name in result.missing]
    losers = [record.run.name for record in result.records if not record.beats_baselines]
    if losers:
        lines.append(f"- Lose to a baseline, and can win nothing: {', '.join(losers)}.")
    return lines


def how_to_read() -> str:
    """What the columns of the runs are, and which of them come out the same in another run."""
    return (
        f"{', '.join(SCORES)} are of the test windows, in data units (MSE in their square, robust MAPE in %). "
        f"{', '.join(EDGE)} are of the exported file, one window a call, one thread. The name of the experiment opens "
        "the notes; commit is the one whose code was run. Every cell stands as it is in `dvc exp show --json`. Another "
        f"run of the same code gives the same columns but {', '.join(MEASURED)}: wall clock, what hangs on it (the "
        "edge winner and the recommendation in the notes), and the commit."
    )


def _differences(result: Comparison) -> list[str]:
    others = difference_rows(result)
    return (
        [difference_line(result), "", markdown_table(others)]
        if others
        else ["There is one cell only."]
    )


def difference_line(result: Comparison) -> str:
    """How to read the differences: against what, by which rule, and with which blocks."""
    compare = result.params.compare
    cut = (
        f", not of {result.wanted_block}: a test part holds at least {MIN_BLOCKS} blocks; errors that last longer "
        "make the interval too narrow"
        if result.block < result.wanted_block
        else ""
    )
    return (
        f"Against {result.best}, the lowest mean RMSE. Beyond the seed spread: every seed of the best lies below every "
        "seed of the other (a dash: one seed tells nothing). The interval is a paired moving-block bootstrap over the "
        f"forecast origins of the test part (blocks of {result.block}{cut}; {compare.repetitions} resamples, seed "
        f"{compare.bootstrap_seed})."
    )


def _cost(result: Comparison) -> list[str]:
    if not result.costs:
        return ["The experiments were not run here: no times."]
    sums = total(list(result.costs.values()))
    own = sum(sums.own.values())
    table = [
        {"stage": stage, "own work (s)": f"{seconds:.1f}"} for stage, seconds in sums.own.items()
    ]
    lines = [
        f"Wall clock, of the {sums.experiments} runs timed here: {sums.wall:.0f} s ({clock(sums.wall)}), of which the "
        f"stages' own work is {own:.0f} s, start and imports of their processes {sums.processes - own:.0f} s, and DVC "
        f"{sums.wall - sums.processes:.0f} s.",
    ]
    return lines + (["", markdown_table(table)] if table else [])
