"""The report of an evaluation: what was measured, in the order in which a reader asks for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spline_lstm.core.formatting import listed, plain, plural, sentence
from spline_lstm.core.sampling import evenly_spaced
from spline_lstm.evaluation.data_sections import (
    MAX_ROWS,
    drift_section,
    provenance_section,
    quality_section,
    repair_section,
    shortened,
    splits_section,
    values_of,
)
from spline_lstm.evaluation.error_sums import MODEL
from spline_lstm.evaluation.interval_section import interval_section
from spline_lstm.evaluation.metrics import NAMES, PERCENTILES
from spline_lstm.evaluation.plots import (
    example_rmse,
    forecasts_figure,
    hour_figure,
    residuals_figure,
    step_figure,
    training_figure,
)
from spline_lstm.evaluation.scores import RMSE_NAMES, deciding
from spline_lstm.evaluation.stage_outputs import RunOutputs, StageOutputs, read_outputs
from spline_lstm.evaluation.verdict import overfitting, verdict, warnings_of
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

CAVEAT = (
    "All scores are those of one test period and one seed; neighbouring windows overlap, so there "
    "is less evidence than their number suggests."
)
METRICS_NOTE = (
    "MAE, RMSE and bias (mean of forecast - observed) in data units, MSE in their square, robust "
    "MAPE and sMAPE in percent, (z) in z-scores; MASE 1 is the error of the seasonal naive "
    "forecast in training."
)
SCALED_NOTE = (
    " Values of several targets count together, in their own units, so what decides is the scaled "
    "RMSE: each error divided by the standard deviation of its target in training."
)


# Losses of probabilities, which have no unit.
PLAIN_LOSSES = ("bce", "cross_entropy")


def forecast_report(folder: Path) -> Document:
    """The report of a pipeline folder, from what the other stages wrote there."""
    return make_report(read_outputs(folder))


def make_report(outputs: StageOutputs) -> Document:
    """Everything that was measured as a document; sections without content are left out."""
    scores = outputs.scores
    sections = [
        Section("What was forecast", forecast_blocks(outputs)),
        Section("Model against baselines", _baselines(scores)),
        Section("Forecasts", examples_blocks(outputs)),
        interval_section(scores),
        Section("Error by step", _steps(outputs)),
        Section("Error by hour of the day", _hours(outputs)),
        Section("Error by target", _groups("target", scores["targets"])),
        Section("Error by series", _by_series(scores)),
        Section("Residuals", _residuals(outputs)),
        *closing_sections(outputs, data_section(outputs)),
    ]
    return Document(
        title=f"Forecast of {', '.join(outputs.model['targets'])}",
        good=bool(scores["beats_baselines"]),
        verdict=verdict(scores),
        warnings=warnings_of(scores, outputs.train, outputs.quality),
        caveat=CAVEAT,
        key_numbers=_key_numbers(scores),
        sections=[section for section in sections if section.blocks],
    )


def _deciding(scores: Mapping[str, Any]) -> tuple[str, str]:
    """Key and name of the RMSE that decides."""
    key = deciding(len(scores["targets"]) > 1)
    return key, RMSE_NAMES[key]


def _key_numbers(scores: Mapping[str, Any]) -> dict[str, Any]:
    best, (key, name) = scores["best_baseline"], _deciding(scores)
    return {
        f"{name[0].upper()}{name[1:]}": scores[key],
        f"{name} of the best baseline ({plain(best)})": scores["baselines"][best][key],
        f"Skill, 1 - {name} / {name} of the best baseline": scores["skill"],
        "MASE": scores["mase"],
    } | {f"{row['interval']} % intervals cover (%)": row["coverage"] for row in scores["intervals"]}


def forecast_blocks(outputs: StageOutputs) -> list[Block]:
    """What is forecast, from what, and how many windows test it."""
    model, rows = outputs.model, f"rows of {outputs.clock.frequency}"
    facts = {
        "targets": model["targets"],
        "features": model["features"],
        "lookback": f"{model['lookback']} {rows}",
        "horizon": f"{model['horizon']} {rows}",
        "test windows": outputs.scores["n_windows"],
        "missing rows in their lookbacks (%)": 100.0 * outputs.scores["missing_inputs"],
    }
    note = outputs.quality["clock_note"]
    return [Facts(facts), *([Text(f"{note[0].upper()}{note[1:]}.")] if note else [])]


def _baselines(scores: Mapping[str, Any]) -> list[Block]:
    metrics = {MODEL: scores} | {plain(name): row for name, row in scores["baselines"].items()}
    key, name = _deciding(scores)
    several = [name] if key != "rmse" else []
    header = ["forecast", *NAMES.values(), "MSE (z)", "MAE (z)", *several]
    keys = [*NAMES, "z_mse", "z_mae", *([key] if several else [])]
    rows = [[name, *values_of(row, keys)] for name, row in metrics.items()]
    best = plain(scores["best_baseline"])
    return [
        Table("On the same test windows", header, rows, strong=MODEL),
        Text(METRICS_NOTE + (SCALED_NOTE if several else "") + _series_note(scores)),
        Facts({f"skill, 1 - {name} / {name} of the best baseline ({best})": scores["skill"]}),
        *_without_outliers(scores),
        *_common_windows(scores["common_windows"], scores["n_windows"], key),
    ]


def _series_note(scores: Mapping[str, Any]) -> str:
    """Which series the pooled figures cover, and which the pooled MASE if not all of them."""
    if scores.get("mase_undefined"):
        return f" MASE is empty: of the series, {scores['mase_undefined']}."
    if "scored_series" not in scores:
        return ""
    counted, scored, known = (
        scores[key] for key in ("mase_series", "scored_series", "known_series")
    )
    text = f" They cover {scored} of the {plural(known, 'series')}"
    text += "" if counted == scored else f", MASE {counted}"
    if scores["scaled_per_series"]:
        text += (
            "; (z) and the floor of robust MAPE are those of each series, but the series with the "
            "largest values decide MAE, MSE and RMSE"
        )
    return f"{text}."


def _without_outliers(scores: Mapping[str, Any]) -> list[Block]:
    """Scores on the labels that were no outliers, if outliers are replaced."""
    clean = scores.get("without_outliers")
    if clean is None:
        return []
    key, name = _deciding(scores)
    rows = [[MODEL, scores[key], clean[key]]]
    rows += [
        [plain(baseline), scores["baselines"][baseline][key], value]
        for baseline, value in clean["baselines"].items()
    ]
    header = ["forecast", f"{name}, all labels", f"{name}, without replaced outliers"]
    return [
        Text(f"Outliers: {clean['sentence']}."),
        Table("With and without outliers", header, rows, strong=MODEL),
    ]


def _common_windows(common: Mapping[str, Any], count: int, key: str) -> list[Block]:
    """The deciding RMSE on the windows without missing inputs, if there are others."""
    if common["n_windows"] in {0, count}:
        return []
    rows = [[MODEL, common[key]]]
    rows += [[plain(name), rmse] for name, rmse in common["baselines"].items()]
    title = f"On the {common['n_windows']} test windows without missing inputs"
    return [Table(title, ["forecast", RMSE_NAMES[key]], rows, strong=MODEL)]


def examples_blocks(outputs: StageOutputs, measure: str = "RMSE") -> list[Block]:
    """The best, the median and the worst window; `measure` is what their RMSE is called."""
    target = outputs.model["targets"][0]
    figure = forecasts_figure(
        outputs.forecasts, target=target, clock=outputs.clock, measure=measure
    )
    caption = (
        f"Forecasts of {target} in the best, the median and the worst test window by "
        f"{measure}; the history is what was known at the origin"
    )
    names = ["series", "origin"] if outputs.forecasts["series"].notna().any() else ["origin"]
    rows = [
        [label, *example[names].iloc[0], example_rmse(example)]
        for label, example in outputs.forecasts.groupby("example", sort=False)
    ]
    header = ["window", *names, f"{measure} of {target}"]
    return [
        Picture(caption, figure, "forecast"),
        Table("Windows shown", header, rows, text_columns=names),
    ]


def _steps(outputs: StageOutputs) -> list[Block]:
    steps, (_, name) = outputs.scores["horizon"], _deciding(outputs.scores)
    shown = [str(step + 1) for step in evenly_spaced(len(steps), MAX_ROWS)]
    rmse = outputs.by_step.drop(columns="step")
    rows = [[step, *rmse.iloc[int(step) - 1].to_list()] for step in shown]
    figure = step_figure(
        outputs.by_step,
        title=f"Error of {', '.join(outputs.model['targets'])} by step",
        skill=[row["skill"] for row in steps.values()],
        **_unit(outputs.scores),
    )
    caption = (
        f"{name} of the model and the baselines at each step, and that of the model divided by "
        "that of the best baseline"
    )
    return [
        Picture(caption, figure, "horizon"),
        _metrics_table("step", {step: steps[step] for step in shown}),
        Table(f"{name} of all", ["step", *(plain(str(name)) for name in rmse.columns)], rows),
    ]


def _unit(scores: Mapping[str, Any]) -> dict[str, str]:
    """Of the RMSE in figures: data units, but standard deviations of several targets."""
    return {} if len(scores["targets"]) == 1 else {"unit": "standard deviations in training"}


def _hours(outputs: StageOutputs) -> list[Block]:
    hours = outputs.scores.get("hours", {})
    if not hours:
        return []
    zone, (_, name) = outputs.zone, _deciding(outputs.scores)
    caption = f"{name} of the model and the baselines at each hour of the day"
    figure = hour_figure(outputs.by_hour, zone=zone, **_unit(outputs.scores))
    return [
        Text(f"Hour ({zone}) of the moment that was forecast."),
        Picture(caption, figure, "hours", has_png=False),
        _metrics_table("hour", hours),
    ]


def _groups(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """Metrics of the model for each target or series, if there are several."""
    return [_metrics_table(kind, groups)] if len(groups) > 1 else []


def _by_series(scores: Mapping[str, Any]) -> list[Block]:
    """Metrics of the model for each series, and why some have no MASE."""
    rows = scores.get("series", {})
    blocks, reasons = _groups("series", rows), {}
    for name, row in rows.items():
        reasons.setdefault(row.get("mase_undefined") or "", []).append(name)
    texts = [f"{listed(names)}: {reason}" for reason, names in reasons.items() if reason and blocks]
    return [*blocks, *([Text("MASE is empty for some series."), Bullets(texts)] if texts else [])]


def _metrics_table(kind: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row of metrics per step, hour, target or series; of too many, the worst by RMSE."""
    keys = [*NAMES, "skill"]
    rows = [[name, *values_of(row, keys), best_baseline_of(row)] for name, row in groups.items()]
    rmse = 1 + keys.index("rmse")
    title, shown = shortened("Metrics of the model", rows, lambda row: -(row[rmse] or 0.0))
    return Table(title, [kind, *NAMES.values(), "skill", "best baseline"], shown)


def best_baseline_of(row: Mapping[str, Any]) -> str | None:
    """The best baseline of a step, hour, target or series; None if nothing was scored."""
    return None if row["best_baseline"] is None else plain(row["best_baseline"])


def _residuals(outputs: StageOutputs) -> list[Block]:
    summary, target = outputs.scores["residuals"], outputs.model["targets"][0]
    keys = ["mean", "std", *(f"p{level}" for level in PERCENTILES)]
    percentiles = [f"{level} %" for level in PERCENTILES]
    header = ["target", "values", "mean", "standard deviation", *percentiles]
    rows = [[row["target"], row["n"], *values_of(row, keys)] for row in summary]
    bias = summary[0]["mean"]
    figure = residuals_figure(outputs.residuals, outputs.residual_steps, target=target, bias=bias)
    caption = f"Histogram of the residuals of {target}, and their percentiles at each step"
    return [
        Text("Forecast - observed, data units; above 0 the forecast was too high."),
        Table("Distribution", header, rows),
        Picture(caption, figure, "residuals"),
    ]


def data_section(outputs: StageOutputs) -> Section:
    """What was done to the data of series: their course, missing cells, and folds."""
    return repair_section(outputs.course, outputs.missing, outputs.backtest)


def closing_sections(outputs: RunOutputs, *of_the_data: Section) -> list[Section]:
    """What every report ends with: the training, the data, and where the model comes from.

    `of_the_data` are sections that come before those on the data that all tasks have.
    """
    return [
        Section("Training", training_blocks(outputs)),
        *of_the_data,
        splits_section(outputs.scores),
        quality_section(outputs.quality),
        drift_section(outputs.quality, outputs.params["preprocess"]["drift"]),
        provenance_section(
            outputs.model, outputs.ingest, outputs.train, outputs.params, outputs.versions
        ),
    ]


def training_blocks(outputs: RunOutputs) -> list[Block]:
    """The course of the training, and what it says of overfitting."""
    train, params = outputs.train, outputs.params["train"]
    limit = (
        f"at the best step the validation loss is above {params['overfitting_ratio']:g} times the "
        f"training loss, or it rises above {params['overfitting_rise']:g} times its best value "
        "while the training loss falls"
    )
    facts = {
        "steps": train["steps"],
        "best step": train["best_step"],
        "epochs": train["epochs"],
        "training loss at the best step": train["train_loss"],
        "validation loss at the best step": train["validation_loss"],
        "training loss at the last step": train["last_train_loss"],
        "validation loss at the last step": train["last_validation_loss"],
        f"overfitted ({limit})": train["overfitting_warning"],
    }
    # Beside a linear forecast, the losses of all but quantile networks are squared errors.
    network = train.get("network")
    loss = "mse" if network else params["loss"]
    unit = "" if loss in PLAIN_LOSSES else " of z-scores"
    figure = training_figure(outputs.curve, loss=f"{loss}{unit}")
    notes = [sentence(network["sentence"])] if network else []
    return [
        Facts(facts),
        *map(Text, [*notes, *overfitting(train)]),
        Picture("Training and validation loss by step", figure, "training"),
    ]
