"""What differs between tasks, as the names of functions.

A stage is the same for every task; the parts of it that depend on the task are fields of `Task`.
They are texts, so that a stage loads only what it uses: the stage window loads neither JAX nor
matplotlib, and DVC runs a stage again only for a change in the folders that its own parts import
(`tools.import_closure` reads them from the entry).

The params of all tasks are one model, `spline_lstm.core.params.Params`. A task that needs settings
of its own gets a section there, named like the task, whose class is in `core`; the stages that use
it list it in dvc.yaml and pass it to the parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Task:
    """The parts of a task, each as ``module:function``.

    Attributes
    ----------
    windows : str
        Stage window: what a label is and which split a row belongs to.
        ``(arrays, scaler, clock, params.window) -> Windows``.
    loss : str
        Stage train-flax-rnn. ``(config, windows, params.train) -> Loss``; raises DataContractError
        for labels that the loss cannot take.
    scores : str
        Stage evaluate: ``(model, windows, params.evaluate, *, predictions, series_names)`` -> an
        object with `content` (metrics/evaluate.json, details as mappings) and `intervals`
        (models/intervals.json). Writes the file `predictions`.
    tables : str
        Stage evaluate: ``(folder, scores)`` writes the CSV files that plots are drawn from.
    verdict : str
        Stages evaluate and backtest: ``(content of the scores) -> str``, one clause.
    backtest : str
        Stage backtest: ``(table, schema, params, cache folder)`` -> an object with `content`
        (metrics/backtest.json), `table` (plots/backtest.csv) and `scores` (for the verdict).
    report : str
        Stage report: ``(pipeline folder) -> Document``, with all sections and pictures.
    scorer : str
        Commands score, train and retrain: ``(folder, raw table, its name in messages)`` -> a
        `spline_lstm.store.scorer.Scorer`. No stage loads it.
    """

    windows: str
    loss: str
    scores: str
    tables: str
    verdict: str
    backtest: str
    report: str
    scorer: str

    def module(self, part: str) -> str:
        """Dotted name of the module with a part."""
        return getattr(self, part).partition(":")[0]

    def load(self, part: str) -> Callable[..., Any]:
        """Import and return the function of a part."""
        name = getattr(self, part).partition(":")[2]
        return getattr(import_module(self.module(part)), name)
