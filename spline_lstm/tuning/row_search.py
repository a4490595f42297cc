"""The search for a table of rows: the ranges of a listed model, judged by the validation rows.

Sampler, pruning and database are those of `search`: a search that was killed draws what an
uninterrupted one would have drawn. Trials are judged by the log loss of classes, or the RMSE of
numbers in data units, of what the model would predict; no row of the test split is read, and the
constants of preprocessing are those of the training split.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from spline_lstm.core.artifacts import code_files, content_id, sha256_of_file
from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, with_values
from spline_lstm.core.row_schema import load_row_schema
from spline_lstm.core.section import flattened
from spline_lstm.models.row_config import row_config
from spline_lstm.models.saved_rows import RowModel
from spline_lstm.models.types import MODEL_TYPES
from spline_lstm.rows.arrays import Rows, RowSplit
from spline_lstm.rows.preprocess import preprocess_rows
from spline_lstm.rows.preprocessor import RowPreprocessor
from spline_lstm.tables.row_table import read_row_table
from spline_lstm.tables.sources import read_source
from spline_lstm.training.loop import Evaluation
from spline_lstm.training.model import train_model
from spline_lstm.training.row_loss import row_loss
from spline_lstm.trees.losses import mean_loss
from spline_lstm.trees.packages import import_trees
from spline_lstm.trees.row_data import row_objective
from spline_lstm.trees.trees import TreeRows, fit_trees
from spline_lstm.tuning.listed_models import TREES, ListedModel
from spline_lstm.tuning.search import FOLDERS
from spline_lstm.tuning.study import (
    FEWEST_COMPARED,
    STATE,
    add_given,
    draw,
    open_study,
    refuse,
    score_of,
    tell,
    trained,
    warmup_steps_of,
)
from spline_lstm.tuning.trial_run import (
    Result,
    Rule,
    compiled_programs,
    is_elsewhere,
    run_elsewhere,
    set_up_jax,
    watched,
)

ROW_FOLDERS = (*FOLDERS, "rows", "trees")
SECTIONS = {"task", "tabular", "model", "train", "trees", "tune"}
VALUES = "values"
OnLoss = Callable[[int, float], None]


@dataclass(frozen=True)
class RowTrial:
    """One training of the search.

    Attributes
    ----------
    number : from 0; 0 are the present params
    values : key of params.yaml -> value
    state : complete, pruned or failed
    losses : validation loss of each evaluation of a network
    score : log loss, or RMSE in data units, on validation; infinite unless complete
    """

    number: int
    values: Mapping[str, Any]
    state: str
    losses: tuple[float, ...]
    score: float = math.inf


@dataclass(frozen=True)
class RowProblem:
    """What is searched.

    Attributes
    ----------
    params : the present params
    model : the type of network, or a library of trees
    listed : what the catalog says about it
    rows : those of training and validation
    preprocessor : RowPreprocessor
    """

    params: Params
    model: str
    listed: ListedModel
    rows: Rows
    preprocessor: RowPreprocessor

    @property
    def measure(self) -> str:
        """What decides: log_loss or rmse."""
        return "log_loss" if self.preprocessor.kind == "classification" else "rmse"

    @property
    def present(self) -> dict[str, Any]:
        """The present values of all that a search sets."""
        values = flattened(self.params.model_dump(mode="json"))
        return {key: values[key] for key in (*self.listed.fixed, *self.listed.ranges)}

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """What the sampler draws, by the key of params.yaml."""
        return {key: limits.distribution for key, limits in self.listed.ranges.items()}

    @property
    def nearest_draw(self) -> dict[str, Any]:
        """The draw nearest to the present values; null counts as the size of the paper."""
        present, sizes = self.present, MODEL_TYPES[self.params.model.type].rows
        return {
            key: limits.nearest(
                getattr(sizes, key.rpartition(".")[2], None)
                if present[key] is None
                else present[key]
            )
            for key, limits in self.listed.ranges.items()
        }

    def values_of(self, draw: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a draw beside the fixed ones; numbers as a person would write them."""
        return dict(self.listed.fixed) | {key: _short(value) for key, value in draw.items()}

    def params_with(self, values: Mapping[str, Any]) -> Params | None:
        """The params with other values; None if these do not go together."""
        try:
            params = with_values(self.params, values, "tune")
            if self.model not in TREES:
                row_config(params, self.rows, self.preprocessor)
        except ParamsError:
            return None
        return params

    @property
    def warmup_steps(self) -> int:
        """Steps that every trial gets before it can be cut short."""
        return warmup_steps_of(self.params, len(self.rows.splits["train"]))

    @property
    def content_id(self) -> str:
        """Content id of all that decides the trials: code, packages, rows, params, catalog."""
        library = import_trees(self.model).__version__ if self.model in TREES else ""
        parts = (self.rows.split("train"), self.rows.split("validation"))
        return content_id(
            self.preprocessor.run_id,
            *(part.inputs.matrix.tobytes() + part.truth.tobytes() for part in parts),
            *(sha256_of_file(path) for path in code_files(*ROW_FOLDERS)),
            f"{jax.__version__} {optuna.__version__} {self.model} {library}",
            self.params.model_dump(mode="json", include=SECTIONS),
            self.listed.model_dump(mode="json"),
        )


def read_problem(folder: Path, params: Params, model: str, listed: ListedModel) -> RowProblem:
    """Read and preprocess the source of a pipeline folder, as the stages do.

    Raises
    ------
    SplineLstmError
        As the stages ingest and preprocess.
    """
    schema, source = load_row_schema(folder / params.data.schema_file), params.data.source
    table = read_row_table(read_source(source, folder), schema, where=source)
    done = preprocess_rows(table, schema, params.tabular, where=source)
    splits = done.arrays.split_rows()
    rows = Rows(done.arrays, {name: splits[name] for name in ("train", "validation")})
    return RowProblem(params, model, listed, rows, done.preprocessor)


def search_rows(
    problem: RowProblem, database: Path, count: int, on_trial: Callable[[RowTrial], None]
) -> list[RowTrial]:
    """The first `count` trials of a problem; those in the database are kept.

    Raises
    ------
    SplineLstmError
        The present params cannot be trained.
    ParamsError
        The sampler finds no values that go together.
    """
    study = open_study(problem.content_id, database)
    while len(done := row_trials_of(study)) < count:
        if done:
            most = min(problem.params.tune.at_once, count - len(done))
            _run_drawn(study, problem, most, len(done))
        else:
            _run_present(study, problem)
        for trial in row_trials_of(study)[len(done) :]:
            on_trial(trial)
    return done[:count]


def row_trials_of(study: optuna.Study) -> list[RowTrial]:
    """The trainings, numbered from 0."""
    return [
        RowTrial(
            number,
            json.loads(trial.user_attrs[VALUES]),
            trial.user_attrs[STATE],
            tuple(trial.intermediate_values.values()),
            score_of(trial),
        )
        for number, trial in enumerate(trained(study))
    ]


def judge(problem: RowProblem, params: Params, on_loss: OnLoss) -> float:
    """Train with other params; the score on the validation rows.

    Raises
    ------
    SplineLstmError
        Rows, packages or training do not allow it.
    """
    train, validation = problem.rows.split("train"), problem.rows.split("validation")
    objective = row_objective(problem.preprocessor)
    if problem.model in TREES:
        held_out = _tree_rows(validation)
        trees = fit_trees(problem.model, _tree_rows(train), held_out, objective, params.trees)
        return mean_loss(objective, held_out.y, trees.predict(held_out.X))

    def on_evaluation(evaluation: Evaluation) -> None:
        if math.isfinite(evaluation.validation_loss):
            on_loss(evaluation.step, evaluation.validation_loss)

    config = row_config(params, problem.rows, problem.preprocessor)
    trained = train_model(config, problem.rows, params.train, on_evaluation, make_loss=row_loss)
    model = RowModel(config, "", problem.preprocessor.run_id, trained.best)
    inputs = validation.inputs
    predicted = model.predict_data_units(inputs.numbers, inputs.missing, inputs.categories)
    scored = predicted[:, 0] if config.outputs == 1 else predicted
    return mean_loss(objective, validation.truth, scored.astype("float64"))


def _run_present(study: optuna.Study, problem: RowProblem) -> None:
    """Train with the present params, whatever their losses."""
    (result,) = _train_all(problem, [(problem.params, Rule(0))], 0)
    if result.error is not None:
        raise result.error
    kept = {VALUES: json.dumps(problem.present)}
    add_given(study, problem.nearest_draw, problem.distributions, result, kept)


def _run_drawn(study: optuna.Study, problem: RowProblem, count: int, first: int) -> None:
    """Draw until so many draws have values that go together, or some do, and train with them.

    `first` is the number of the first trial. None of the draws knows the results of the others.
    """

    def accepted(drawn: Mapping[str, Any]) -> tuple[Params, dict[str, Any]] | None:
        values = problem.values_of(drawn)
        params = problem.params_with(values)
        return None if params is None else (params, values)

    why = f"goes with the other params; widen the ranges of {problem.model} in configs/catalog.yaml"
    tune = problem.params.tune
    found, late = draw(study, problem.distributions, tune, accepted, count, why)
    rule = Rule(problem.warmup_steps, tuple(_comparable(study, problem)))
    results = _train_all(problem, [(params, rule) for _, (params, _) in found], first)
    for (trial, (_, values)), result in zip(found, results, strict=True):
        tell(study, trial, result, {VALUES: json.dumps(values)})
    for trial in late:
        refuse(study, trial)


def _train_all(
    problem: RowProblem, trials: Sequence[tuple[Params, Rule]], first: int
) -> list[Result]:
    """The results of trials, in their order: in this process, or each in one of its own."""
    run = problem.params.run
    if not is_elsewhere(run, problem.params.tune.at_once):
        return [watched(partial(judge, problem, params), rule) for params, rule in trials]
    jobs = [RowTrialJob(problem, params, rule, compiled_programs()) for params, rule in trials]
    return run_elsewhere(run_row_trial, jobs, first, run)


@dataclass(frozen=True)
class RowTrialJob:
    """A training elsewhere; `cache` is the folder of compiled programs, None without."""

    problem: RowProblem
    params: Params
    rule: Rule
    cache: str | None


def run_row_trial(job: RowTrialJob) -> Result:
    """Run a trial in a process of its own."""
    set_up_jax(job.cache)
    return watched(partial(judge, job.problem, job.params), job.rule)


def _comparable(study: optuna.Study, problem: RowProblem) -> list[dict[int, float]]:
    """Losses by step of complete trials; none before the sampler has enough."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    fewest = max(problem.params.tune.startup_trials, FEWEST_COMPARED)
    return [trial.intermediate_values for trial in complete] if len(complete) >= fewest else []


def _tree_rows(part: RowSplit) -> TreeRows:
    return TreeRows(part.inputs.matrix, part.truth)


def _short(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value
