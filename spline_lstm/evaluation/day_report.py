"""The report of probabilities of daily rows: first of all, do they say more than volatility."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spline_lstm.core.artifacts import read_json
from spline_lstm.core.formatting import listed, plain, sentence
from spline_lstm.core.pipeline import Pipeline
from spline_lstm.evaluation.data_sections import values_of
from spline_lstm.evaluation.day_content import (
    ENSEMBLE,
    VOLATILITY,
    adds_something,
    day_verdict,
    day_warnings,
    interval_text,
)
from spline_lstm.evaluation.day_plots import lift_figure, years_figure
from spline_lstm.evaluation.probability_plots import reliability_figure
from spline_lstm.evaluation.report import closing_sections
from spline_lstm.evaluation.stage_outputs import PACKAGES, SECTIONS, RunOutputs, read_run
from spline_lstm.evaluation.verdict import overfitting
from spline_lstm.reporting.document import Block, Document, Facts, Picture, Section, Table, Text

OWN_SECTIONS = {*SECTIONS, "direction", "trees", "ensemble", "probability"}
OWN_PACKAGES = (*PACKAGES, "lightgbm", "xgboost-cpu")
IMPORTANT = 10
CAVEAT = (
    "Labels of neighbouring days overlap and the symbols of a day move together, so there is less "
    "evidence than the number of rows suggests; intervals come from blocks of days. Nothing here "
    "is advice to buy or sell."
)
SCORES_NOTE = (
    "AUC: share of the pairs of a 1 and a 0 that are ordered rightly, 0.5 is chance; in brackets "
    "95 % of its resamples over blocks of days. Log loss and Brier score: 0 is perfect. Accuracy "
    "and precision at 0.5, beside the share of rows that are said to rise. AUC by day and rank IC "
    "(correlation of the ranks of probability and return) are means over days; ICIR is the mean IC "
    "divided by its standard deviation over the days."
)
BASELINES_NOTE = (
    "base rate: the share of 1 in training; volatility and momentum: logistic regressions on the "
    "volatility and the return of the last 20 days; logistic: one on all features."
)
HEADER = (
    "forecast",
    "AUC",
    "log loss",
    "Brier score",
    "accuracy",
    "precision",
    "said to rise",
    "AUC by day",
    "rank IC",
    "ICIR",
)
KEYS = (
    "log_loss",
    "brier",
    "accuracy",
    "precision",
    "said_yes",
    "daily_auc",
    "rank_ic",
    "icir",
)


def day_report(folder: Path) -> Document:
    """Part `report` of a task: the report of a pipeline folder."""
    pipeline = Pipeline(folder)
    outputs = read_run(folder, OWN_SECTIONS, OWN_PACKAGES)
    tables = {
        name: pd.read_csv(pipeline.plots / f"{name}.csv", dtype={"year": str})
        for name in ("years", "lift")
    }
    return make_day_report(outputs, read_json(pipeline.metrics("trees")), tables)


def make_day_report(
    outputs: RunOutputs, trees: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> Document:
    """Everything that was measured as a document.

    Parameters
    ----------
    outputs : RunOutputs
    trees : mapping
        Content of metrics/trees.json.
    tables : mapping
        ``years`` and ``lift``: plots/years.csv and lift.csv.
    """
    scores = outputs.scores
    sections = [
        Section("What was forecast", _question(outputs)),
        Section("Beyond volatility", _increment(scores)),
        Section("Ensemble, members and baselines", _scores(scores)),
        Section("How the members are combined", _ensemble(scores)),
        Section("Calibration", _calibration(scores)),
        Section("By year", _years(scores, tables["years"])),
        Section("Trained anew for each year", _backtest(outputs.backtest)),
        Section("The highest probabilities", _top(scores, tables["lift"])),
        Section("What the trees look at", _importance(trees)),
        *closing_sections(outputs),
    ]
    return Document(
        title=f"Probability of {', '.join(outputs.model['targets'])}",
        good=adds_something(scores),
        verdict=day_verdict(scores),
        warnings=[
            *day_warnings(scores),
            *overfitting(outputs.train),
            *(f"Data: {text}" for text in outputs.quality.get("warning_summary", [])),
        ],
        caveat=CAVEAT,
        key_numbers=_key_numbers(scores),
        sections=[section for section in sections if section.blocks],
    )


def _key_numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "AUC": scores["auc"],
        "AUC of the volatility only": scores["baselines"][VOLATILITY]["auc"],
        "Difference of the two": scores["increment"]["auc"],
        "Brier score": scores["brier"],
        "Share of labels 1": scores["positive_share"],
    }


def _question(outputs: RunOutputs) -> list[Block]:
    direction = outputs.params["direction"]
    above = {
        "threshold": f"by more than {100 * direction['threshold']:g} %",
        "median": "by more than the median symbol of the day",
    }[direction["label"]]
    facts = {
        "label 1": f"the adjusted close rises {above} in {direction['horizon']} trading days",
        "features": len(outputs.model["features"]),
        "days that the network sees": outputs.model["lookback"],
        "test rows": outputs.scores["n_windows"],
        "test days": outputs.scores["n_days"],
        "share of labels 1": outputs.scores["positive_share"],
    }
    return [Facts(facts)]


def _increment(scores: Mapping[str, Any]) -> list[Block]:
    added = scores["increment"]
    text = interval_text(added["auc"], added["low"], added["high"])
    return [
        Text(sentence(day_verdict(scores))),
        Text(
            "Large moves follow large moves, up and down: whoever knows how volatile a share was "
            "knows something of the label. What a model is worth is what it adds to that."
        ),
        Facts({"AUC of the ensemble - AUC of the volatility": text}),
    ]


def _scores(scores: Mapping[str, Any]) -> list[Block]:
    named = {ENSEMBLE: scores, **scores["members"], **scores["baselines"]}
    rows = [
        [
            plain(name),
            interval_text(row["auc"], row["auc_low"], row["auc_high"]),
            *values_of(row, KEYS),
        ]
        for name, row in named.items()
    ]
    return [
        Table("On the same test rows", HEADER, rows, strong=ENSEMBLE, text_columns=("AUC",)),
        Text(SCORES_NOTE),
        Text(f"Baselines, {BASELINES_NOTE}"),
    ]


def _ensemble(scores: Mapping[str, Any]) -> list[Block]:
    ensemble = scores["ensemble"]
    losses = ensemble["validation_log_losses"]
    rows = [[plain(name), ensemble["weights"].get(name), loss] for name, loss in losses.items()]
    facts = {
        "calibration": ensemble["calibration"],
        "AUC in training": scores["train_auc"],
        "AUC in validation": scores["validation_auc"],
    }
    return [
        Text(sentence(ensemble["reason"])),
        Table("On validation", ["member", "weight", "log loss after calibration"], rows),
        Facts(facts),
    ]


def _calibration(scores: Mapping[str, Any]) -> list[Block]:
    table: Sequence[Mapping[str, Any]] = scores["calibration"]
    rows = [
        [
            f"{row['low']:g} to {row['high']:g}",
            *values_of(row, ("n", "mean_probability", "positive_share")),
        ]
        for row in table
    ]
    caption = "Share of labels 1 against the mean probability of each bin, and rows per bin"
    return [
        Table("Bins", ["probability", "rows", "mean probability", "share of labels 1"], rows),
        Facts({"mean distance (expected calibration error)": scores["calibration_error"]}),
        Picture(caption, reliability_figure(table), "calibration"),
    ]


def _years(scores: Mapping[str, Any], table: pd.DataFrame) -> list[Block]:
    rows = [
        [
            year,
            row["n_windows"],
            row["positive_share"],
            interval_text(row["auc"], row["auc_low"], row["auc_high"]),
            row[f"auc_{VOLATILITY}"],
            interval_text(row["increment"], row["increment_low"], row["increment_high"]),
        ]
        for year, row in scores["years"].items()
    ]
    header = ["year", "rows", "share of 1", "AUC", "AUC of volatility", "difference"]
    caption = "AUC of the ensemble with its interval and of the volatility, by calendar year"
    return [
        Table("Test rows", header, rows, text_columns=("AUC", "difference")),
        Picture(caption, years_figure(table), "years"),
    ]


def _backtest(backtest: Mapping[str, Any]) -> list[Block]:
    if not backtest:
        return []
    rows = [
        [
            fold["fold"],
            fold["train_windows"],
            fold["test_windows"],
            interval_text(fold["auc"], fold["auc_low"], fold["auc_high"]),
            fold[f"auc_{VOLATILITY}"],
            interval_text(fold["increment"], fold["increment_low"], fold["increment_high"]),
        ]
        for fold in backtest["folds"]
    ]
    added = backtest["backtest_increment"]
    header = ["year", "training rows", "rows", "AUC", "AUC of volatility", "difference"]
    facts = {
        "difference over all years together": interval_text(
            added["auc"], added["low"], added["high"]
        ),
        "mean of the differences within the years": backtest["backtest_increment_within_years"],
    }
    return [
        Text(
            "Trees, calibration and baselines fitted again on what came before each calendar year; "
            "the network is left out. All years together also compare the levels of different "
            "years, which calm and volatile ones have."
        ),
        Table("Years", header, rows, text_columns=("AUC", "difference")),
        Facts(facts),
    ]


def _top(scores: Mapping[str, Any], table: pd.DataFrame) -> list[Block]:
    named = {ENSEMBLE: scores, **scores["members"], **scores["baselines"]}
    keys = ("n", "precision", "mean_return", "mean_return_after_cost", "mean_return_of_all")
    rows = [[plain(name), *values_of(row["top"], keys)] for name, row in named.items()]
    header = [
        "forecast",
        "rows",
        "precision",
        "mean return",
        "after cost",
        "mean return of all rows",
    ]
    caption = "Lift of the ensemble and of the volatility by share of the rows"
    return [
        Text(
            "Which rows have the highest probabilities is known only after the whole period, so "
            "these returns could not have been earned; they say whether high means high."
        ),
        Table("Rows with the highest probabilities", header, rows, strong=ENSEMBLE),
        Picture(caption, lift_figure(table), "lift"),
    ]


def _importance(trees: Mapping[str, Any]) -> list[Block]:
    records: Sequence[Mapping[str, Any]] = trees["importance"][:IMPORTANT]
    members = [name for name in records[0] if name != "feature"] if records else []
    if not members:
        return []
    note = (
        f"Share of the gain of {listed(members)} by the splits on each feature, the "
        f"{len(records)} largest."
    )
    rows = [[row["feature"], *values_of(row, members)] for row in records]
    return [Text(note), Table("Importance", ["feature", *members], rows)]
