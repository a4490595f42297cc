"""The report of an evaluation: what the stages measured, in the order in which a reader asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from spline_lstm.evaluation import figures
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.metrics import NAMES
from spline_lstm.evaluation.tables import PERCENTILES
from spline_lstm.evaluation.verdict import cautions, verdict
from spline_lstm.reporting.document import (
    Block,
    Facts,
    Listed,
    Pictures,
    Report,
    Section,
    Table,
    Text,
)
from spline_lstm.reporting.formatting import plain
from spline_lstm.windows.windows import evenly_spaced

MAX_ROWS = 24
CAVEAT = (
    "All scores are those of one test period and one seed; neighbouring windows overlap, so that there is less "
    "evidence than their number suggests."
)
MODEL_FACTS = ("model_type", "hidden", "dropout", "normalization", "n_params")
DRIFT = {"mean_shift": "mean shift", "std_ratio": "spread ratio", "psi": "PSI", "ks": "KS distance"}


@dataclass(frozen=True)
class Measured:
    """What the stages wrote.

    Attributes
    ----------
    model : content of models/rnn/model.json
    scores : content of metrics/evaluate.json, details as mappings (`records.from_records`)
    train, quality, ingest : contents of metrics/train.json, data.json and ingest.json
    by_step, by_hour, forecasts, residuals, curve
        plots/horizon.csv, hours.csv, forecast.csv, residuals.csv and training.csv
    params : params.yaml, section -> key -> value
    versions : package -> version
    """

    model: Mapping[str, Any]
    scores: Mapping[str, Any]
    train: Mapping[str, Any]
    quality: Mapping[str, Any]
    ingest: Mapping[str, Any]
    by_step: pd.DataFrame
    by_hour: pd.DataFrame
    forecasts: pd.DataFrame
    residuals: pd.DataFrame
    curve: pd.DataFrame
    params: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, str] = field(default_factory=dict)


def make_report(measured: Measured) -> Report:
    """Everything that was measured as a report; parts without content are left out."""
    scores = measured.scores
    sections = [
        Section("What was forecast", _forecast(measured)),
        Section("Model against baselines", _comparison(scores)),
        Section("Forecasts", _examples(measured)),
        Section("Prediction intervals", _intervals(scores)),
        Section("Error by step", _steps(measured)),
        Section("Error by hour of the day", _hours(measured)),
        Section("Error by target", _parts("target", scores["targets"])),
        Section("Error by series", _parts("series", scores.get("series", {}))),
        Section("Residuals", _residuals(measured)),
        Section("Training", _training(measured)),
        Section("Splits", _splits(scores)),
        Section("Data quality", _quality(measured.quality)),
        Section("Drift", _drift(measured)),
        Section("Provenance", _provenance(measured)),
    ]
    return Report(
        title=f"Forecast of {', '.join(measured.model['targets'])}",
        good=bool(scores["beats_baselines"]),
        verdict=verdict(scores),
        warnings=cautions(scores, measured.train, measured.quality),
        caveat=CAVEAT,
        figures=_figures(scores),
        sections=[section for section in sections if section.blocks],
    )


def _figures(scores: Mapping[str, Any]) -> dict[str, Any]:
    coverage = {
        f"{row['interval']} % intervals cover (%)": row["coverage"] for row in scores["intervals"]
    }
    best = plain(scores["best_baseline"])
    return {
        "RMSE": scores["rmse"],
        f"RMSE of the best baseline ({best})": scores["baselines"][scores["best_baseline"]]["rmse"],
        "Skill, 1 - RMSE / RMSE of the best baseline": scores["skill"],
        "MASE": scores["mase"],
        **coverage,
    }


def _forecast(measured: Measured) -> list[Block]:
    model, rows = measured.model, f"rows of {measured.params['preprocess']['frequency']}"
    return [
        Facts(
            {
                "targets": model["targets"],
                "features": model["features"],
                "lookback": f"{model['lookback']} {rows}",
                "horizon": f"{model['horizon']} {rows}",
                "test windows": measured.scores["n_windows"],
            }
        )
    ]


def _comparison(scores: Mapping[str, Any]) -> list[Block]:
    rows = {MODEL: scores} | {plain(name): row for name, row in scores["baselines"].items()}
    keys = [*NAMES, "z_mse", "z_mae"]
    header = ["forecast", *NAMES.values(), "MSE (z)", "MAE (z)"]
    return [
        Table(
            "On the same test windows",
            header,
            [[name, *_values(row, keys)] for name, row in rows.items()],
            MODEL,
        ),
        Text(
            "MAE, RMSE and bias (mean of forecast - observed) in data units, MSE in their square, robust MAPE and "
            "sMAPE in percent, (z) in z-scores; MASE 1 is the error of the seasonal naive forecast in training."
        ),
        Facts(
            {
                f"skill, 1 - RMSE / RMSE of the best baseline ({plain(scores['best_baseline'])})": scores[
                    "skill"
                ]
            }
        ),
    ]


def _examples(measured: Measured) -> list[Block]:
    target = measured.model["targets"][0]
    charts = figures.examples(measured.forecasts, target)
    return [
        Text(
            "The best, the median and the worst test window by RMSE; the history is what was known at the origin."
        ),
        Pictures(charts, {"Forecasts": "forecast.png"}),
    ]


def _intervals(scores: Mapping[str, Any]) -> list[Block]:
    records = scores["intervals"]
    if not records:
        return []
    steps = evenly_spaced(len(records[0]["steps"]), MAX_ROWS)
    names = [
        f"{kind} at {row['interval']} %" for row in records for kind in ("coverage (%)", "width")
    ]
    by_step = [
        [
            records[0]["steps"][step]["step"],
            *(row["steps"][step][k] for row in records for k in ("coverage", "width")),
        ]
        for step in steps
    ]
    blocks: list[Block] = [
        Text(
            f"Method: {scores['interval_method']}. Coverage: percent of the observed test values inside; it should be "
            "the level. Width in data units; with split conformal and several series, it is in proportion to the mean "
            "absolute error of the series in training."
        ),
        Table(
            "On the test part",
            ["level (%)", "coverage (%)", "mean width"],
            [[row["interval"], row["coverage"], row["width"]] for row in records],
        ),
        Table("By step", ["step", *names], by_step),
        Pictures([figures.coverage(records)]),
    ]
    if "series" in records[0]:
        header = ["series", *(f"coverage at {row['interval']} %" for row in records)]
        rows = [
            [name, *values]
            for name, *values in zip(
                [item["series"] for item in records[0]["series"]],
                *([item["coverage"] for item in row["series"]] for row in records),
                strict=True,
            )
        ]
        title, shown = _shortened("Coverage by series", rows, lambda row: row[1])
        blocks.append(Table(title, header, shown))
    return blocks


def _steps(measured: Measured) -> list[Block]:
    parts = measured.scores["horizon"]
    shown = [str(step + 1) for step in evenly_spaced(len(parts), MAX_ROWS)]
    rows = [[step, *_values(parts[step], [*NAMES, "skill"]), _best(parts[step])] for step in shown]
    rmse = measured.by_step.drop(columns="step")
    baselines = [[step, *rmse.iloc[int(step) - 1].to_list()] for step in shown]
    return [
        Pictures(
            [figures.by_step(measured.by_step), figures.ratio(measured.scores["horizon"])],
            {"Error by step": "horizon.png"},
        ),
        Table("Metrics of the model", ["step", *NAMES.values(), "skill", "best baseline"], rows),
        Table("RMSE of all", ["step", *(plain(str(name)) for name in rmse.columns)], baselines),
    ]


def _hours(measured: Measured) -> list[Block]:
    parts = measured.scores.get("hours", {})
    if not parts:
        return []
    rows = [[hour, *_values(row, [*NAMES, "skill"]), _best(row)] for hour, row in parts.items()]
    return [
        Text("Hour (UTC) of the moment that was forecast."),
        Pictures([figures.by_hour(measured.by_hour)]),
        Table("Metrics of the model", ["hour", *NAMES.values(), "skill", "best baseline"], rows),
    ]


def _parts(kind: str, parts: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Metrics of the model on each part, those with the largest RMSE where there are too many to show."""
    if len(parts) < 2:
        return []
    rows = [[name, *_values(row, [*NAMES, "skill"]), _best(row)] for name, row in parts.items()]
    header = [kind, *NAMES.values(), "skill", "best baseline"]
    title, shown = _shortened("Metrics of the model", rows, lambda row: -(row[3] or 0.0))
    return [Table(title, header, shown)]


def _best(row: Mapping[str, Any]) -> str | None:
    """The best baseline of a step, hour, target or series; None where nothing was scored."""
    return None if row["best_baseline"] is None else plain(row["best_baseline"])


def _shortened(title: str, rows: list[list[Any]], order: Any) -> tuple[str, list[list[Any]]]:
    if len(rows) <= MAX_ROWS:
        return title, rows
    return f"{title}: the {MAX_ROWS} worst of {len(rows)}", sorted(rows, key=order)[:MAX_ROWS]


def _residuals(measured: Measured) -> list[Block]:
    summary = measured.scores["residuals"]
    keys = ["mean", "std", *(f"p{level}" for level in PERCENTILES)]
    header = [
        "target",
        "values",
        "mean",
        "standard deviation",
        *(f"{level} %" for level in PERCENTILES),
    ]
    return [
        Text(
            "Forecast - observed, data units, with percentiles; above 0 the forecast was too high."
        ),
        Table(
            "Distribution",
            header,
            [[row["target"], row["n"], *_values(row, keys)] for row in summary],
        ),
        Pictures([figures.residuals(measured.residuals)], {"Residuals": "residuals.png"}),
    ]


def _training(measured: Measured) -> list[Block]:
    train, ratio = measured.train, measured.params["train"]["overfitting_ratio"]
    return [
        Facts(
            {
                "epochs": train["epochs"],
                "best epoch": train["best_epoch"],
                "training loss at the best epoch": train["train_loss"],
                "validation loss at the best epoch": train["validation_loss"],
                f"overfitted (validation loss above {ratio:g} times the training loss)": train[
                    "overfitting_warning"
                ],
            }
        ),
        Pictures(
            [figures.training(measured.curve, measured.params["train"]["loss"])],
            {"Training": "training.png"},
        ),
    ]


def _splits(scores: Mapping[str, Any]) -> list[Block]:
    rows = [[row["split"], row["windows"], row["first"], row["last"]] for row in scores["splits"]]
    return [
        Text(
            "In order of time; between two parts rows are left out, so that no label of one is an input of another."
        ),
        Table("Windows", ["part", "windows", "first forecast row", "last forecast row"], rows),
    ]


def _quality(quality: Mapping[str, Any]) -> list[Block]:
    facts = {
        label: value for label, value in quality.items() if not isinstance(value, Mapping | list)
    }
    blocks: list[Block] = [Facts(facts | {"unknown columns": quality.get("unknown_columns", [])})]
    blocks += _warnings(quality, drift=False)
    for key, title in (("columns", "Columns"), ("per_series", "Series")):
        records = quality.get(key, [])
        if records:
            rows = [list(row.values()) for row in records]
            missing = list(records[0]).index("missing_share")
            name, rows = _shortened(title, rows, lambda row, k=missing: -row[k])
            blocks.append(Table(name, [plain(key) for key in records[0]], rows))
    return blocks


def _drift(measured: Measured) -> list[Block]:
    drift = measured.quality.get("drift", {})
    rows = [
        [f"{column}, {part}", *(statistics.get(key) for key in DRIFT)]
        for part, columns in drift.items()
        for column, statistics in columns.items()
    ]
    if not rows:
        return []
    limits = measured.params["preprocess"]["drift"]
    return [
        Text("How far the values of the later parts have moved from those of the training part."),
        *_warnings(measured.quality, drift=True),
        Table(
            "Against the training part",
            ["column, part", *DRIFT.values()],
            [*rows, ["limit", *_values(limits, DRIFT)]],
        ),
    ]


def _warnings(quality: Mapping[str, Any], *, drift: bool) -> list[Block]:
    texts = [text for text in quality.get("warnings", []) if is_drift(text) == drift]
    return [Listed([f"Warning: {text}" for text in texts])] if texts else []


def is_drift(warning: str) -> bool:
    """A warning of metrics/data.json is about drift: it names a statistic of it."""
    return any(f": {statistic} " in warning for statistic in DRIFT)


def _provenance(measured: Measured) -> list[Block]:
    model, ingest = measured.model, measured.ingest
    params = {
        f"{section}.{key}": value
        for section, content in measured.params.items()
        for key, value in flat(content)
    }
    return [
        Facts(
            {
                "source": ingest["source"],
                "rows": ingest["rows"],
                "SHA-256 of the data": ingest["sha256"],
                "model run id": model["run_id"],
                "preprocessor run id": model["preprocessor_run_id"],
                **{plain(name): model[name] for name in MODEL_FACTS},
                "seed": measured.train["seed"],
                "device": measured.train["device"],
                "packages": [f"{name} {version}" for name, version in measured.versions.items()],
            }
        ),
        Table("Params", ["key", "value"], [[key, value] for key, value in params.items()]),
    ]


def flat(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Dotted keys and values of nested mappings.

    >>> flat({"a": 1, "b": {"c": 2}})
    [('a', 1), ('b.c', 2)]
    """
    return [
        (f"{key}.{inner}" if inner else key, item)
        for key, value in content.items()
        for inner, item in (flat(value) if isinstance(value, Mapping) else [("", value)])
    ]


def _values(row: Mapping[str, Any], keys: Sequence[str] | Mapping[str, Any]) -> list[Any]:
    return [row.get(key) for key in keys]
