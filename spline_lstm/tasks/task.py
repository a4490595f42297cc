"""What differs between tasks, as the names of functions.

A stage is the same for every task; the parts of it that depend on the task are fields of `Task`.
They are texts, so that a stage loads only what it uses: the stage window loads neither JAX nor
matplotlib, and DVC runs a stage again only for a change in the folders that its own parts import
(`tools.import_closure` reads them from the entry).

The params of all tasks are one model, `spline_lstm.core.params.Params`. A task that needs settings
of its own gets a section there, named like the task, whose class is in `core`; the stages that use
it list it in dvc.yaml and pass it to the parts.

A part that takes a pipeline folder reads its files there and nowhere else. What a raw table,
arrays, a preprocessor and windows are is up to the parts of a task: the stages only hand them from
one part to the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from spline_lstm.core.errors import ParamsError


@dataclass(frozen=True)
class Task:
    """The parts of a task, each as ``module:function``; empty: the task does without it.

    Attributes
    ----------
    schema : str
        Command check: ``(folder, params) -> names of the targets``; raises SchemaError for a schema
        that breaks a rule or does not fit the params. No stage loads it.
    ingest : str
        Stage ingest: ``(bytes of the raw table, folder, params)`` -> an object with `metrics`
        (metrics/ingest.json) and `text` (the line of the stage). Raises DataContractError for a
        table that breaks the contract.
    preprocess : str
        Stage preprocess: ``(folder, params)`` -> an object with `quality` (metrics/data.json),
        `text` and ``write(pipeline)``, which writes processed.npz, preprocessor.json and the plots.
        Raises DataContractError, with the quality.
    windows : str
        Stage window: what a label is and which split a row belongs to. ``(folder, params)`` -> an
        object with `arrays` (windows.npz), `meta` (meta.json) and `text`.
    preprocessor : str
        All stages from train-flax-rnn on: ``(path of preprocessor.json)`` -> an object with
        `run_id`, `target_indices` (positions of the targets among the inputs) and `target_units`
        ([targets], data units per z-score, in which the gate measures).
    load_windows : str
        Stages train-flax-rnn and evaluate: ``(folder)`` -> the windows, an object with `splits`
        (name -> rows), `gather` and what the parts below ask for.
    config : str
        Stage train-flax-rnn: ``(params, windows, preprocessor) -> ModelConfig``.
    loss : str
        Stage train-flax-rnn. ``(config, windows, params.train) -> Loss``; raises DataContractError
        for labels that the loss cannot take.
    rows : str
        Stage train-trees: ``(folder, params) -> spline_lstm.trees.tree_data.TreeData``, the rows
        and labels of each split.
    scores : str
        Stage evaluate: ``(folder, model, windows, params)`` -> an object with `content`
        (metrics/evaluate.json, details as mappings, `baselines` and `n_windows` among them) and
        `intervals` (models/intervals.json). Writes the file of predictions.
    golden : str
        Stage evaluate: ``(model, windows, number of windows)`` -> the arrays of golden.npz.
    tables : str
        Stage evaluate: ``(folder of the plots, scores)`` writes the CSV files that plots are drawn
        from.
    verdict : str
        Stages evaluate and backtest: ``(content of the scores) -> str``, one clause.
    backtest : str
        Stage backtest: ``(table, schema, params, cache folder)`` -> an object with `content`
        (metrics/backtest.json), `table` (plots/backtest.csv) and `scores` (for the verdict).
    spec : str
        Stage export: ``(folder)`` -> the `spline_lstm.export.spec.EdgeSpec` of the trained model.
    more_files : str
        Stage export: ``(folder, params)`` -> name of a further file in models/edge -> its
        `ExportedModel` and figures for metrics/export.json.
    report : str
        Stage report: ``(pipeline folder) -> Document``, with all sections and pictures.
    scorer : str
        Commands score, train and retrain: ``(folder, raw table, its name in messages)`` -> a
        `spline_lstm.store.scorer.Scorer`. No stage loads it.
    model_id : str
        Command train, of a task without a scorer: ``(folder)`` -> content id of its model, which
        can be loaded. No stage loads it.
    explain : str
        Command explain: ``(folder, raw table, its name, symbol, date)`` -> a
        `spline_lstm.store.explanation.Explanation` with what was known at the end of the date.
    audit : str
        Command audit-leakage: ``(folder, params, origins, seed) -> str``, what was compared; raises
        LeakageError if an input knows the future.
    unit : str
        What the lines of the stages count; a word, not a part.
    """

    schema: str
    ingest: str
    preprocess: str
    windows: str
    preprocessor: str
    load_windows: str
    config: str
    loss: str
    rows: str
    scores: str
    golden: str
    tables: str
    verdict: str
    backtest: str
    spec: str
    more_files: str
    report: str
    scorer: str
    model_id: str
    explain: str
    audit: str
    unit: str = "window"

    def module(self, part: str) -> str:
        """Dotted name of the module with a part; empty without the part."""
        return getattr(self, part).partition(":")[0]

    def load(self, part: str) -> Callable[..., Any]:
        """Import and return the function of a part.

        Raises
        ------
        ParamsError
            The task does without it.
        """
        name = getattr(self, part).partition(":")[2]
        if not name:
            raise ParamsError(f"the task of params.yaml has no {part}; use another task")
        return getattr(import_module(self.module(part)), name)
