"""The files of a quick choice: the trials as a table and a figure, the choice as a patch."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.yaml_files import render_params
from spline_lstm.models.time_blocks import NOISE
from spline_lstm.reporting.style import BLUE, GREY, ORANGE, house_style, save_png
from spline_lstm.tuning.outputs import PATCH, PLOT, TABLE, patch_text, yaml_values
from spline_lstm.tuning.quick import QuickChoice, QuickTrial

COLUMNS = (
    "trial",
    "setting",
    "changes",
    "state",
    "validation_rmse",
    "gain",
    "standard_error",
    "chosen",
    "reason",
)


def write(folder: Path, name: str, choice: QuickChoice) -> bool:
    """Write the files; return whether there is a patch. Parameters as `outputs.write`."""
    write_trials(folder, choice)
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    patch = patch_text(params, name, choice.values)
    if patch:
        write_text(folder / PATCH, patch)
    else:
        (folder / PATCH).unlink(missing_ok=True)
    return bool(patch)


def write_trials(folder: Path, choice: QuickChoice) -> None:
    """Write the table and the figure."""
    write_text(folder / TABLE, table_text(choice.trials))
    with house_style():
        save_png(figure_of(choice.trials), folder / PLOT)


def apply(folder: Path, choice: QuickChoice) -> None:
    """Put the choice into params.yaml; comments stay."""
    path = folder / "params.yaml"
    text = path.read_text(encoding="utf-8")
    write_text(path, render_params(text, yaml_values(choice.values)))


def table_text(trials: list[QuickTrial]) -> str:
    """CSV with a row per trial; it has no times, so that the same data give the same text."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial in trials:
        against = trial.against
        numbers = [] if against is None else [against.gain, against.error]
        gain, error = ([f"{number:.6g}" for number in numbers] + ["", ""])[:2]
        rmse = "" if np.isnan(trial.rmse) else f"{trial.rmse:.6g}"
        chosen = str(trial.chosen).lower()
        cells = [trial.number, trial.setting, values_text(trial.values), trial.state, rmse]
        writer.writerow([*cells, gain, error, chosen, trial.reason])
    return stream.getvalue()


def values_text(values: Mapping[str, Any]) -> str:
    """Keys and values in a line: ``model.segment 8, train.loss mse``."""
    texts = (value if isinstance(value, str) else json.dumps(value) for value in values.values())
    return ", ".join(f"{key} {text}" for key, text in zip(values, texts, strict=True))


def line_of(trial: QuickTrial) -> str:
    """One progress line."""
    what = f"trial {trial.number}: {values_text(trial.values) or 'the present params'}"
    if trial.state == "failed":
        return f"{what}: failed ({trial.reason})"
    if trial.against is None:
        return f"{what}: RMSE on validation {trial.rmse:.4g} standard deviations of the target"
    # Of the error, not the gain: what is taken has less, as in the lines of the training.
    change, error = 0.0 - 100 * trial.against.gain, 100 * trial.against.error
    verdict = "taken" if trial.chosen else "not taken"
    return f"{what}: squared error {change:+.1f} % +- {error:.1f} %, {verdict}"


def figure_of(trials: list[QuickTrial]) -> Figure:
    """Gain of each alternative over what was chosen before, and what chance may make of it."""
    compared = [trial for trial in trials if trial.against is not None]
    figure = Figure(figsize=(8.0, 1.2 + 0.35 * len(compared)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.0, color=GREY, linestyle=":")
    for place, trial in enumerate(reversed(compared)):
        assert trial.against is not None
        axes.errorbar(
            100 * trial.against.gain,
            place,
            xerr=100 * NOISE * trial.against.error,
            color=ORANGE if trial.chosen else BLUE,
            marker="o",
        )
    names = [f"{trial.number} {trial.setting}" for trial in reversed(compared)]
    axes.set_yticks(range(len(compared)), names)
    axes.set_xlabel("gain on validation, % of the squared error; lines: two standard errors")
    axes.set_title("Quick choice (orange: taken)")
    return figure
