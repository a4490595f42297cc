"""The report of a model of rows: does it predict, can it be believed, what does it rest on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.formatting import number, plain
from spline_lstm.evaluation.data_sections import MAX_ROWS, provenance_section, values_of
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.report import training_blocks
from spline_lstm.evaluation.row_metrics import names_of
from spline_lstm.evaluation.row_plots import calibration_figure, importance_figure
from spline_lstm.evaluation.row_scores import row_verdict
from spline_lstm.evaluation.stage_outputs import RunOutputs, read_run
from spline_lstm.evaluation.verdict import is_off, warnings_of
from spline_lstm.reporting.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Picture,
    Section,
    Table,
    Text,
)

SECTIONS = {"data", "tabular", "model", "train", "trees", "evaluate"}
CAVEAT = "All scores are those of one split and one seed; another split gives other figures."
NOTES = {
    "classification": (
        "Log loss (which decides) and Brier score: 0 is perfect. AUC: share of the pairs of two "
        "rows that the probabilities order rightly. F1 is that of the second of two classes, else "
        "the mean over the classes; calibration error is the mean distance of probability and "
        "share."
    ),
    "regression": (
        "RMSE (which decides), MAE and bias (mean of prediction - truth) in data units; R²: 1 is "
        "perfect, 0 the mean of the test split."
    ),
}
BASELINES_NOTE = (
    "majority: the shares of the classes in training (mean: its mean); linear: logistic or ridge "
    "regression on the same inputs; lightgbm, xgboost: boosted trees of the stage train-trees."
)
IMPORTANCE_NOTE = (
    "How much worse the metric becomes when the values of one feature are exchanged between rows; "
    "around 0 for a feature that is not needed, also because another one says the same. Columns "
    "that begin with SHAP are mean absolute contributions to the sums of the trees."
)
CONFORMAL_NOTE = {
    "classification": (
        "A set has each class whose probability is within the limit that the validation split "
        "gives (split conformal prediction); coverage is the share of test rows whose class is in "
        "their set."
    ),
    "regression": (
        "The half width of an interval is a quantile of the absolute errors of the validation "
        "split (split conformal prediction); coverage is measured on the test split."
    ),
}


def row_report(folder: Path) -> Document:
    """The report of a pipeline folder, from what the other stages wrote there."""
    return make_row_report(read_run(folder, SECTIONS))


def make_row_report(outputs: RunOutputs) -> Document:
    """Everything that was measured as a document; sections without content are left out."""
    scores, quality = outputs.scores, outputs.quality
    sections = [
        Section("What was predicted", _task_blocks(outputs)),
        Section("Model against baselines and trees", _baselines(scores)),
        Section("Calibration", _calibration(scores)),
        Section("Sets and intervals", _conformal(scores)),
        Section("What predictions rest on", _importance(scores)),
        Section("Training", training_blocks(outputs)),
        Section("Data quality", _quality(quality)),
        provenance_section(
            outputs.model, outputs.ingest, outputs.train, outputs.params, outputs.versions
        ),
    ]
    warnings = warnings_of({**scores, "intervals": []}, outputs.train, {})
    return Document(
        title=f"Prediction of {quality['target']}",
        good=bool(scores["beats_baselines"]),
        verdict=row_verdict(scores),
        warnings=[
            *warnings,
            *_coverage(scores),
            *(f"Data: {item['text']}" for item in quality["warnings"]),
        ],
        caveat=CAVEAT,
        key_numbers=_key_numbers(scores),
        sections=[section for section in sections if section.blocks],
    )


def _coverage(scores: Mapping[str, Any]) -> list[str]:
    """Levels that the test split does not reach; sets that hold the truth more often do no harm."""
    what = regions_of(scores["kind"])
    return [
        f"The {row['interval']} % {what} cover only {number(row['coverage'])} % of the test split."
        for row in scores["intervals"]
        if row["coverage"] < float(row["interval"])
        and is_off(row["coverage"], float(row["interval"]), scores["n_windows"])
    ]


def _key_numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    names, best = names_of(scores["kind"]), scores["best_baseline"]
    key, name = next(iter(names.items()))
    second, second_name = list(names.items())[1]
    return {
        f"{name[0].upper()}{name[1:]}": scores[key],
        f"{name} of the best other ({plain(best)})": scores["baselines"][best][key],
        f"{second_name[0].upper()}{second_name[1:]}": scores[second],
    } | {
        f"{row['interval']} % {regions_of(scores['kind'])} cover (%)": row["coverage"]
        for row in scores["intervals"]
    }


def regions_of(kind: str) -> str:
    """What is said to hold the truth, in the plural."""
    return "sets" if kind == "classification" else "intervals"


def _task_blocks(outputs: RunOutputs) -> list[Block]:
    quality, scores = outputs.quality, outputs.scores
    facts = {
        "kind": quality["kind"],
        "target": quality["target"],
        "classes": scores["classes"] or "a number",
        "numbers": quality["numbers"],
        "categories": list(quality["categories"]),
    }
    rows = [values_of(row, ("split", "rows")) for row in scores["splits"]]
    split = outputs.params["tabular"]["split"]
    return [Facts(facts), Table(f"Rows of each split ({split})", ["split", "rows"], rows)]


def _baselines(scores: Mapping[str, Any]) -> list[Block]:
    names = names_of(scores["kind"])
    metrics = {MODEL: scores} | {plain(name): row for name, row in scores["baselines"].items()}
    rows = [[name, *values_of(row, names)] for name, row in metrics.items()]
    return [
        Table("On the same test rows", ["prediction", *names.values()], rows, strong=MODEL),
        Text(NOTES[scores["kind"]]),
        Text(f"Others, {BASELINES_NOTE}"),
    ]


def _axes(scores: Mapping[str, Any]) -> tuple[str, str]:
    """What the calibration compares."""
    if scores["kind"] == "regression":
        return "mean prediction", "mean truth"
    classes = scores["classes"]
    if len(classes) == 2:
        return f"probability of {classes[1]}", f"share of {classes[1]}"
    return "probability of the most probable class", "share of these that are right"


def _calibration(scores: Mapping[str, Any]) -> list[Block]:
    table, axes = scores["calibration"], _axes(scores)
    rows = [[index + 1, *values_of(row, ("n", *KEYS))] for index, row in enumerate(table)]
    caption = f"{axes[1][0].upper()}{axes[1][1:]} against {axes[0]}, in groups of rows"
    return [
        Table("Groups of rows by prediction", ["group", "rows", *axes], rows),
        Picture(caption, calibration_figure(table, axes=axes), "calibration"),
    ]


KEYS = ("predicted", "observed")


def _conformal(scores: Mapping[str, Any]) -> list[Block]:
    rows = [
        [f"{row['interval']} %", row["coverage"], row["mean_size"]] for row in scores["intervals"]
    ]
    size = "mean classes in a set" if scores["classes"] else "mean width"
    table = Table("On the test split", ["level", "coverage (%)", size], rows)
    return [Text(CONFORMAL_NOTE[scores["kind"]]), table] if rows else []


def _importance(scores: Mapping[str, Any]) -> list[Block]:
    records = scores["importance"]
    measure = next(iter(names_of(scores["kind"]).values()))
    names = [name for name in records[0] if name != "feature"]
    header = ["feature", *(name.replace("shap_", "SHAP ") for name in names)]
    rows = [values_of(row, ("feature", *names)) for row in records[:MAX_ROWS]]
    caption = f"Rise of the {measure} when a feature is permuted, by feature and model"
    return [
        Text(IMPORTANCE_NOTE),
        Picture(caption, importance_figure(records, measure=measure), "importance"),
        Table("Importance", header, rows),
    ]


def _quality(quality: Mapping[str, Any]) -> list[Block]:
    facts = {
        plain(name): value
        for name, value in quality.items()
        if not isinstance(value, Mapping | list)
    }
    texts = [f"Left out: {item['text']}" for item in quality["refused"]]
    texts += [f"Warning: {item['text']}" for item in quality["warnings"]]
    shares = [[row["class"], row["rows"]] for row in quality["classes"]]
    blocks: list[Block] = [Facts(facts)]
    blocks += [Bullets(texts)] if texts else []
    return [*blocks, *([Table("Classes", ["class", "rows"], shares)] if shares else [])]
