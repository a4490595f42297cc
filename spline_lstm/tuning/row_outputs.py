"""The files of a search for rows: metrics/tuning.csv, plots/tuning.png, plots/tuning.patch."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spline_lstm.core.artifacts import write_text
from spline_lstm.reporting.style import house_style, save_png
from spline_lstm.tuning.outputs import PATCH, PLOT, TABLE, figure_of_scores, patch_text
from spline_lstm.tuning.row_search import RowProblem, RowTrial

LABELS = {"log_loss": "log loss on validation", "rmse": "RMSE on validation, data units"}


def best_row_trial(trials: Sequence[RowTrial]) -> RowTrial:
    """The complete trial with the lowest score; the earliest of equals."""
    return min(trials, key=lambda trial: trial.score)


def write_rows(folder: Path, name: str, problem: RowProblem, trials: Sequence[RowTrial]) -> bool:
    """Write the files; return whether the best trial has other params.

    Parameters
    ----------
    folder : Path
        The pipeline folder.
    name : str
        Path of its params.yaml, relative to the repository.
    problem : RowProblem
    trials : sequence of RowTrial
        The first one has the present params.
    """
    write_text(folder / TABLE, row_table_text(problem, trials))
    with house_style():
        figure = figure_of_scores([trial.score for trial in trials], LABELS[problem.measure])
        save_png(figure, folder / PLOT)
    before, best = trials[0].values, best_row_trial(trials).values
    values = {key: value for key, value in best.items() if value != before[key]}
    patch = patch_text((folder / "params.yaml").read_text(encoding="utf-8"), name, values)
    if patch:
        write_text(folder / PATCH, patch)
    else:
        (folder / PATCH).unlink(missing_ok=True)
    return bool(patch)


def row_table_text(problem: RowProblem, trials: Sequence[RowTrial]) -> str:
    """CSV with a row per trial; it has no times, so that the same seed gives the same text."""
    keys = [*problem.listed.fixed, *problem.listed.ranges]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    score = f"validation_{problem.measure}"
    writer.writerow(["trial", "state", "evaluations", "best_evaluation", score, *keys])
    for trial in trials:
        best = int(np.argmin(trial.losses)) + 1 if trial.losses else ""
        score = f"{trial.score:.6g}" if trial.state == "complete" else ""
        values = ["" if (value := trial.values[key]) is None else value for key in keys]
        writer.writerow([trial.number, trial.state, len(trial.losses), best, score, *values])
    return stream.getvalue()
