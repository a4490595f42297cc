"""The files of a search: metrics/tuning.csv, plots/tuning.png, plots/tuning.patch (`git apply`)."""

import csv
import difflib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from ruamel.yaml.comments import CommentedSeq

from spline_lstm.core.artifacts import write_text
from spline_lstm.core.pipeline import TUNING_FILES
from spline_lstm.core.yaml_files import render_params
from spline_lstm.reporting.style import BLUE, GREY, ORANGE, house_style, save_png
from spline_lstm.tuning.search import Trial, best_of

TABLE, PLOT, PATCH = TUNING_FILES
SETTINGS = (
    "hidden",
    "dropout",
    "learning_rate",
    "segment",
    "normalization",
    "bidirectional",
    "batch_size",
    "lookback",
    "transform",
    "combination",
    "smoothing_strength",
)
# What the tables of all searches begin with; then come the score and the values.
FIRST = ("trial", "state", "evaluations", "best_evaluation")
COLUMNS = (*FIRST, "validation_rmse", *SETTINGS)


class Trained(Protocol):
    """A trial of any search."""

    @property
    def number(self) -> int:
        """From 0."""
        ...

    @property
    def state(self) -> str:
        """Complete, pruned or failed."""
        ...

    @property
    def losses(self) -> tuple[float, ...]:
        """Validation loss of each evaluation."""
        ...


def write(folder: Path, name: str, trials: list[Trial]) -> bool:
    """Write the files; return whether the best trial has other params.

    Parameters
    ----------
    folder : Path
        The pipeline folder.
    name : str
        Path of its params.yaml, relative to the repository.
    trials : list of Trial
        The first one has the present params.
    """
    figure = figure_of_scores([trial.rmse for trial in trials])
    before, best = trials[0].choice.values, best_of(trials).choice.values
    return write_files(folder, name, table_text(trials), figure, (before, best))


def write_files(
    folder: Path,
    name: str,
    table: str,
    figure: Figure,
    values_of: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> bool:
    """Write table, picture and patch of a search; return whether there is a patch.

    `values_of` are those of the present params and of the best trial, by the key of params.yaml.
    """
    write_text(folder / TABLE, table)
    with house_style():
        save_png(figure, folder / PLOT)
    before, best = values_of
    values = {key: value for key, value in best.items() if value != before.get(key)}
    patch = patch_text((folder / "params.yaml").read_text(encoding="utf-8"), name, values)
    if patch:
        write_text(folder / PATCH, patch)
    else:
        (folder / PATCH).unlink(missing_ok=True)
    return bool(patch)


def table_text(trials: list[Trial]) -> str:
    """CSV of the trials, see `csv_of_trials`; settings as params.yaml writes them."""

    def texts(trial: Trial) -> list[Any]:
        settings = trial.choice.model_dump() | {"hidden": " ".join(map(str, trial.choice.hidden))}
        values = [settings[name] for name in SETTINGS]
        return [str(value).lower() if isinstance(value, bool) else value for value in values]

    rows = [(trial, trial.rmse, texts(trial)) for trial in trials]
    return csv_of_trials(COLUMNS, rows)


def csv_of_trials(
    columns: Sequence[str],
    rows: Sequence[tuple[Trained, float, Sequence[Any]]],
) -> str:
    """CSV with a row per trial; it has no times, so that the same seed gives the same text.

    Parameters
    ----------
    columns : sequence of str
        `FIRST`, and the names of the score and of the values.
    rows : sequence
        (trial, its score, its values).
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for trial, score, values in rows:
        best = int(np.argmin(trial.losses)) + 1 if trial.losses else ""
        text = f"{score:.6g}" if trial.state == "complete" else ""
        writer.writerow([trial.number, trial.state, len(trial.losses), best, text, *values])
    return stream.getvalue()


def patch_text(params: str, name: str, values: Mapping[str, Any]) -> str:
    """A patch for git that gives params.yaml other values at some dotted keys.

    Comments and every other line stay; empty without values.
    """
    if not values:
        return ""
    before_lines = params.splitlines(keepends=True)
    after_lines = render_params(params, yaml_values(values)).splitlines(keepends=True)
    return "".join(difflib.unified_diff(before_lines, after_lines, f"a/{name}", f"b/{name}"))


def yaml_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """With lists as params.yaml has them: on one line."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: object) -> object:
    if not isinstance(value, tuple | list):
        return value
    listed = CommentedSeq(value)
    listed.fa.set_flow_style()
    return listed


def figure_of_scores(
    scores: Sequence[float], label: str = "RMSE on validation, standard deviations"
) -> Figure:
    """Score of each complete trial, the others' being infinite, and the lowest so far."""
    figure = Figure(figsize=(8.0, 4.2))
    axes = figure.subplots()
    numbers = np.flatnonzero(np.isfinite(scores))
    axes.scatter(numbers, np.asarray(scores)[numbers], label="trial", color=BLUE)
    axes.step(
        range(len(scores)),
        np.minimum.accumulate(scores),
        where="post",
        color=ORANGE,
        label="lowest so far",
    )
    axes.axhline(scores[0], color=GREY, linestyle=":", label="present params")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial")
    axes.set_ylabel(label)
    axes.set_title("Hyperparameter search")
    axes.legend()
    return figure
