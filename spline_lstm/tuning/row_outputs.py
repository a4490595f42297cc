"""The files of a search for rows: metrics/tuning.csv, plots/tuning.png, plots/tuning.patch."""

from collections.abc import Sequence
from pathlib import Path

from spline_lstm.tuning.outputs import FIRST, csv_of_trials, figure_of_scores, write_files
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
    figure = figure_of_scores([trial.score for trial in trials], LABELS[problem.measure])
    values = trials[0].values, best_row_trial(trials).values
    return write_files(folder, name, row_table_text(problem, trials), figure, values)


def row_table_text(problem: RowProblem, trials: Sequence[RowTrial]) -> str:
    """CSV of the trials, see `csv_of_trials`; null is an empty cell."""
    keys = [*problem.listed.fixed, *problem.listed.ranges]
    rows = [
        (trial, trial.score, ["" if (v := trial.values[key]) is None else v for key in keys])
        for trial in trials
    ]
    return csv_of_trials((*FIRST, f"validation_{problem.measure}", *keys), rows)
