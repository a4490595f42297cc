"""The section of a report on the prediction intervals."""

from collections.abc import Mapping
from typing import Any

from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.data_sections import MAX_ROWS, shortened, values_of
from spline_lstm.evaluation.plots import coverage_figure
from spline_lstm.reporting.document import Block, Picture, Section, Table, Text

NOTE = (
    "Coverage: percent of the observed test values inside; it should be the level. Width in data "
    "units; with split conformal and several series, it is in proportion to the mean absolute "
    "error of the series in training. The interval score is the width plus a penalty for values "
    "outside, CRPS judges the whole distribution; of both less is better."
)
SCALED_NOTE = (
    "Widths follow the recent changes of the target: in proportion to their power of {} relative "
    "to the usual change of the series. Validation chose it."
)
TERCILE_NOTE = (
    "Test windows in three groups of equal size, by the changes of the target just before the "
    "origin: intervals that fit have the same coverage in all of them."
)
MEASURES = {"coverage": "coverage (%)", "width": "width"}
ALL_MEASURES = {**MEASURES, "winkler": "interval score"}


def interval_section(scores: Mapping[str, Any]) -> Section:
    """Coverage, width and scores; no content without intervals."""
    records = scores["intervals"]
    if not records:
        return Section("Prediction intervals", [])
    header = ["level (%)", "coverage (%)", "mean width", "interval score"]
    totals = [values_of(row, ("interval", *ALL_MEASURES)) for row in records]
    caption = "Share of the observed test values inside the intervals at each step"
    blocks: list[Block] = [
        Text(f"Method: {scores['interval_method']}. {NOTE}{_scaled(scores)}"),
        Table("On the test split", header, totals),
        Table(
            "Distribution",
            ["target", "CRPS"],
            [values_of(row, ("target", "crps")) for row in scores["interval_targets"]],
        ),
        _by_step(records),
        Picture(caption, coverage_figure(records), "coverage", has_png=False),
        Text(TERCILE_NOTE),
        _by_tercile(records),
    ]
    return Section(
        "Prediction intervals",
        [*blocks, _by_series(records)] if "series" in records[0] else blocks,
    )


def _scaled(scores: Mapping[str, Any]) -> str:
    if scores["interval_width"] == "constant":
        return ""
    rows = scores["interval_targets"]
    powers = [f"{row['exponent']:g}" for row in rows]
    if len(rows) > 1:
        powers = [f"{power} ({row['target']})" for power, row in zip(powers, rows, strict=True)]
    return " " + SCALED_NOTE.format(", ".join(powers))


def _by_step(records: list[Mapping[str, Any]]) -> Table:
    steps = records[0]["steps"]
    rows = [
        [steps[k]["step"], *(row["steps"][k][measure] for row in records for measure in MEASURES)]
        for k in evenly_spaced(len(steps), MAX_ROWS)
    ]
    return Table("By step", ["step", *_names(records, MEASURES)], rows)


def _by_tercile(records: list[Mapping[str, Any]]) -> Table:
    rows = [
        [
            part["tercile"],
            part["n"],
            *(row["terciles"][k][name] for row in records for name in ALL_MEASURES),
        ]
        for k, part in enumerate(records[0]["terciles"])
    ]
    return Table("By recent change", ["tercile", "values", *_names(records, ALL_MEASURES)], rows)


def _by_series(records: list[Mapping[str, Any]]) -> Table:
    names = [item["series"] for item in records[0]["series"]]
    coverage = ([item["coverage"] for item in row["series"]] for row in records)
    rows = [list(row) for row in zip(names, *coverage, strict=True)]
    title, shown = shortened("Coverage by series", rows, lambda row: row[1])
    return Table(title, ["series", *(f"coverage at {row['interval']} %" for row in records)], shown)


def _names(records: list[Mapping[str, Any]], measures: Mapping[str, str]) -> list[str]:
    return [f"{name} at {row['interval']} %" for row in records for name in measures.values()]
