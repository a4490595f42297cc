"""The report of a model that forecasts probabilities: does it rank, and can it be believed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.formatting import plain
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.data_sections import (
    MAX_ROWS,
    shortened,
    values_of,
)
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.plots import residuals_figure, step_figure
from spline_lstm.evaluation.probability_metrics import NAMES
from spline_lstm.evaluation.probability_plots import reliability_figure
from spline_lstm.evaluation.probability_scores import probability_verdict
from spline_lstm.evaluation.report import (
    CAVEAT,
    best_baseline_of,
    closing_sections,
    data_section,
    examples_blocks,
    forecast_blocks,
)
from spline_lstm.evaluation.stage_outputs import StageOutputs, read_outputs
from spline_lstm.evaluation.verdict import warnings_of
from spline_lstm.reporting.document import Block, Document, Facts, Picture, Section, Table, Text

# Mean distance of probability and share above which they are said to differ.
CALIBRATION_TOLERANCE = 0.05
METRICS_NOTE = (
    "AUC: share of the pairs of a 1 and a 0 that the probabilities order rightly, 0.5 is chance. "
    "Log loss and Brier score: 0 is perfect; the Brier score is the mean squared distance of "
    "probability and label, and decides."
)
BASELINES_NOTE = (
    "base rate: the share of 1 in training; persistence: that share after the last known value; "
    "logistic: a logistic regression on the last row of the window, its mean and what is known of "
    "the step."
)
CALIBRATION_NOTE = (
    "Of a calibrated forecast, the labels of a bin are 1 as often as its mean probability says."
)


def probability_report(folder: Path) -> Document:
    """The report of a pipeline folder, from what the other stages wrote there."""
    return make_probability_report(read_outputs(folder))


def make_probability_report(outputs: StageOutputs) -> Document:
    """Everything that was measured as a document; sections without content are left out."""
    scores = outputs.scores
    sections = [
        Section("What was forecast", forecast_blocks(outputs)),
        Section("Model against baselines", _baselines(scores)),
        Section("Calibration", _calibration(scores)),
        Section("Forecasts", examples_blocks(outputs, NAMES["root_brier"])),
        Section("Scores by step", _steps(outputs)),
        Section("Scores by target", _groups("target", scores["targets"])),
        Section("Scores by series", _groups("series", scores.get("series", {}))),
        Section("Residuals", _residuals(outputs)),
        *closing_sections(outputs, data_section(outputs)),
    ]
    return Document(
        title=f"Probability of {', '.join(outputs.model['targets'])}",
        good=bool(scores["beats_baselines"]),
        verdict=probability_verdict(scores),
        warnings=[*warnings_of(scores, outputs.train, outputs.quality), *_uncalibrated(scores)],
        caveat=CAVEAT,
        key_numbers=_key_numbers(scores),
        sections=[section for section in sections if section.blocks],
    )


def _uncalibrated(scores: Mapping[str, Any]) -> list[str]:
    error = scores["calibration_error"]
    if error is None or error <= CALIBRATION_TOLERANCE:
        return []
    return [
        f"The probabilities are not calibrated: on average they are {100 * error:.1f} points from "
        "the share of labels 1 (see the section on calibration)."
    ]


def _key_numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    best = scores["best_baseline"]
    lowest = None if best is None else scores["baselines"][best]["brier"]
    return {
        "Brier score": scores["brier"],
        f"Brier score of the best baseline ({plain(str(best))})": lowest,
        "Skill, 1 - Brier score / that of the best baseline": scores["skill"],
        "AUC": scores["auc"],
        "Log loss": scores["log_loss"],
    }


def _baselines(scores: Mapping[str, Any]) -> list[Block]:
    metrics = {MODEL: scores} | {plain(name): row for name, row in scores["baselines"].items()}
    rows = [[name, *values_of(row, NAMES)] for name, row in metrics.items()]
    facts = {
        "skill, 1 - Brier score / that of the best baseline": scores["skill"],
        "share of labels 1": scores["positive_share"],
    }
    return [
        Table("On the same test windows", ["forecast", *NAMES.values()], rows, strong=MODEL),
        Text(METRICS_NOTE),
        Text(f"Baselines, {BASELINES_NOTE}"),
        Facts(facts),
    ]


def _calibration(scores: Mapping[str, Any]) -> list[Block]:
    table = scores["calibration"]
    rows = [
        [
            f"{row['low']:g} to {row['high']:g}",
            row["n"],
            row["mean_probability"],
            row["positive_share"],
        ]
        for row in table
    ]
    header = ["probability", "forecasts", "mean probability", "share of labels 1"]
    caption = "Share of labels 1 against the mean probability of each bin, and forecasts per bin"
    return [
        Text(CALIBRATION_NOTE),
        Table("Reliability", header, rows),
        Facts({"mean distance (expected calibration error)": scores["calibration_error"]}),
        Picture(caption, reliability_figure(table), "reliability", has_png=False),
    ]


def _steps(outputs: StageOutputs) -> list[Block]:
    steps = outputs.scores["horizon"]
    shown = [str(step + 1) for step in evenly_spaced(len(steps), MAX_ROWS)]
    figure = step_figure(
        outputs.by_step,
        title=f"Error of the probability of {', '.join(outputs.model['targets'])} by step",
        measure=NAMES["root_brier"],
    )
    caption = "Root of the Brier score of the model and the baselines at each step"
    return [
        Picture(caption, figure, "horizon"),
        _table("step", {step: steps[step] for step in shown}),
    ]


def _groups(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    return [_table(kind, groups)] if len(groups) > 1 else []


def _table(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row per step, target or series; of too many, the worst by Brier score."""
    keys = [*NAMES, "positive_share", "skill"]
    rows = [[name, *values_of(row, keys), best_baseline_of(row)] for name, row in groups.items()]
    brier = 1 + keys.index("brier")
    title, shown = shortened("Scores of the model", rows, lambda row: -(row[brier] or 0.0))
    header = [kind, *NAMES.values(), "share of 1", "skill", "best baseline"]
    return Table(title, header, shown)


def _residuals(outputs: StageOutputs) -> list[Block]:
    target = outputs.model["targets"][0]
    figure = residuals_figure(
        outputs.residuals, outputs.residual_steps, target=target, bias=None, unit="probability"
    )
    caption = f"Histogram of probability - label of {target}, and its percentiles at each step"
    return [Picture(caption, figure, "residuals")]
