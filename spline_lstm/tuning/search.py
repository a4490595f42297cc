"""The search: Optuna's TPE draws, the median of earlier trials prunes, a database keeps them.

Trials are judged by the forecast that `predict` would give, in data units, on the validation
windows that all lookbacks of the search have (see `judge`): the losses of other transforms are in
other units, and those of other lookbacks are of other windows.

The sampler gets a new seed for every draw, from the number of the draw, and sees only the finished
trials. So a search that was killed and resumed draws what an uninterrupted one would have drawn. A
trial that was killed starts over. With `tune.at_once` several draws are made before any of them is
trained; they are trained `run.workers` at a time, which changes no result.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optuna
import pandas as pd
from optuna.trial import TrialState

from spline_lstm.core.artifacts import code_files, content_id, sha256_of_file
from spline_lstm.core.errors import TooLittleDataError
from spline_lstm.core.params import Params, with_values
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.tuning.catalog import Choice, Entry
from spline_lstm.tuning.judge import Units, validation_index
from spline_lstm.tuning.space import (
    Space,
    choice_in,
    choice_of,
    completed,
    cost,
    distributions,
    lookbacks_of,
    nearest_draw,
    params_with,
    random_draw,
    space_of,
)
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
from spline_lstm.tuning.trainings import Trainings, is_positive, longest_training
from spline_lstm.tuning.trial_run import (
    Result,
    Rule,
    TrialJob,
    compiled_programs,
    is_elsewhere,
    run_elsewhere,
    run_trial,
    train_and_judge,
    watched,
)

# The folders of code on which the losses of a study depend.
FOLDERS = (
    "core",
    "inference",
    "models",
    "series",
    "tables",
    "tasks",
    "training",
    "tuning",
    "windows",
)
CHOICE = "choice"

# A choice that is to be trained, and the draw that it is; None: its values are given.
Asked = tuple[Choice, optuna.Trial | None]


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of the search.

    Attributes
    ----------
    number : from 0; 0 are the present params
    choice : values of the settings
    state : complete, pruned or failed
    losses : validation loss of each evaluation
    rmse : on validation, in standard deviations of the target; infinite unless complete
    """

    number: int
    choice: Choice
    state: str
    losses: tuple[float, ...]
    rmse: float = math.inf


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is searched; `Problem.of` makes it.

    Attributes
    ----------
    params : the present params
    entry : defaults and ranges of the model type
    trainings : of the table without its test part
    space : what can be drawn
    units : of the errors
    windows : on which trials are judged
    """

    params: Params
    entry: Entry
    trainings: Trainings
    space: Space
    units: Units
    windows: pd.MultiIndex

    @classmethod
    def of(cls, params: Params, entry: Entry, trainings: Trainings) -> "Problem":
        """Find the lookbacks that have windows, and the validation windows common to all.

        Raises
        ------
        SplineLstmError
            The present params cannot be trained on.
        """
        prepared = trainings.prepared(params)
        windows, lookbacks = validation_index(prepared), [params.window.lookback]
        for lookback in lookbacks_of(entry.ranges, params, longest_training(prepared)):
            changed = with_values(params, {"window.lookback": lookback}, "tune")
            try:
                common = windows.intersection(validation_index(trainings.prepared(changed)))
            except TooLittleDataError:
                continue
            # A lookback that loses half of the windows to gaps would decide for all the others.
            if 2 * len(common) >= len(windows):
                windows, lookbacks = common, [*lookbacks, lookback]
        space = space_of(entry.ranges, params, lookbacks, positive=is_positive(prepared))
        return cls(params, entry, trainings, space, Units.of(prepared), windows)

    def config(self, params: Params) -> ModelConfig:
        """The network of other params."""
        prepared = self.trainings.prepared(self.params)
        windows = dataclasses.replace(prepared.windows, lookback=params.window.lookback)
        return model_config(params, windows, prepared.preprocessed.preprocessor)

    @property
    def defaults(self) -> Choice:
        """The catalog's defaults."""
        return completed(self.entry.defaults, self.params)

    @property
    def defaults_fit(self) -> bool:
        """Whether the catalog's defaults go with the other params; otherwise they are not tried."""
        return params_with(self.params, self.defaults) is not None

    @property
    def reference_cost(self) -> int:
        """Cost of the present params, or of the catalog's defaults if these cost more."""
        defaults = params_with(self.params, self.defaults)
        return max(
            cost(self.config(params)) for params in (self.params, defaults) if params is not None
        )

    @property
    def limit(self) -> float:
        """Cost beyond which a draw is not trained."""
        return self.params.tune.max_cost * self.reference_cost

    def excluded(self, draws: int = 400) -> str:
        """Which part of the catalog is beyond the limit, in one line, from random draws."""
        rng, beyond, limit = np.random.default_rng(0), [], self.limit
        for _ in range(draws):
            choice = choice_of(random_draw(self.space, rng))
            params = params_with(self.params, choice)
            if params is not None and cost(self.config(params)) > limit:
                beyond.append(choice)
        told = f"tune.max_cost {self.params.tune.max_cost:g} excludes"
        if not beyond:
            return f"{told} nothing of the catalog"
        layers = [len(each.hidden) for each in beyond]
        units = [max(each.hidden) for each in beyond]
        segments = max(each.segment for each in beyond)
        return (
            f"{told} {100 * len(beyond) / draws:.0f} % of the catalog, since a step costs more "
            "than that many times one of the present params or the defaults: "
            f"{min(layers)} to {max(layers)} layers of up to {min(units)} to {max(units)} units at "
            f"segments of at most {segments}"
        )

    @property
    def content_id(self) -> str:
        """Content id of all that decides the trials: code, JAX, Optuna, data, params, catalog."""
        return content_id(
            self.trainings.material.content_id,
            *(sha256_of_file(path) for path in code_files(*FOLDERS)),
            f"{jax.__version__} {optuna.__version__}",
            self.params.model_dump(
                mode="json", exclude={"compare", "benchmark", "export", "evaluate", "run"}
            ),
            self.entry.model_dump(mode="json"),
        )


def search(
    problem: Problem, database: Path, count: int, on_trial: Callable[[Trial], None]
) -> list[Trial]:
    """The first `count` trials of a problem; those in the database are kept.

    Raises
    ------
    DivergedError
        The training with the present params diverges.
    ParamsError
        The sampler finds nothing within the cost limit.
    """
    study = open_study(problem.content_id, database)
    while len(done := trials_of(study)) < count:
        most = min(problem.params.tune.at_once, count - len(done))
        asked, refused = fixed_choices(problem, len(done), most), []
        if not asked:
            asked, refused = drawn(study, problem, most)
        results = train_all(study, problem, [choice for choice, _ in asked], len(done))
        for (choice, trial), result in zip(asked, results, strict=True):
            if trial is None:
                add_fixed(study, problem, choice, result)
            else:
                tell(study, trial, result, {CHOICE: choice.model_dump_json()})
        for trial in refused:
            refuse(study, trial)
        for trial in trials_of(study)[len(done) :]:
            on_trial(trial)
    return done[:count]


def warmup_steps(problem: Problem) -> int:
    """Steps that every trial gets before it can be cut short."""
    windows = problem.trainings.prepared(problem.params).windows
    return warmup_steps_of(problem.params, len(windows.splits["train"]))


def trials_of(study: optuna.Study) -> list[Trial]:
    """The trainings, numbered from 0."""
    return [
        Trial(
            number,
            Choice.model_validate_json(trial.user_attrs[CHOICE]),
            trial.user_attrs[STATE],
            tuple(trial.intermediate_values.values()),
            score_of(trial),
        )
        for number, trial in enumerate(trained(study))
    ]


def fixed_choices(problem: Problem, done: int, most: int) -> list[Asked]:
    """The present params and the defaults of the catalog, as far as they were not tried yet."""
    choices = [choice_in(problem.params)]
    if problem.defaults_fit and problem.defaults != choices[0]:
        choices.append(problem.defaults)
    return [(choice, None) for choice in choices[done : done + most]]


def train_all(
    study: optuna.Study, problem: Problem, choices: Sequence[Choice], first: int
) -> list[Result]:
    """Train with each choice: the results in their order; `first` is the number of the first trial.

    Raises
    ------
    SplineLstmError
        The present params, trial 0, cannot be trained.
    """
    jobs = [job_of(study, problem, choice, first + number) for number, choice in enumerate(choices)]
    run = problem.params.run
    if is_elsewhere(run, problem.params.tune.at_once):
        results = run_elsewhere(run_trial, jobs, first, run)
    else:
        results = [
            watched(partial(train_with, problem, choice), job.rule)
            for choice, job in zip(choices, jobs, strict=True)
        ]
    if first == 0 and results[0].error is not None:
        raise results[0].error
    return results


def train_with(problem: Problem, choice: Choice, on_loss: Callable[[int, float], None]) -> float:
    """Train with a choice in this process; the RMSE on validation, errors as `train_and_judge`."""
    params, judged = params_with(problem.params, choice), (problem.units, problem.windows)
    assert params is not None
    return train_and_judge(problem.trainings, params, judged, on_loss)


def job_of(study: optuna.Study, problem: Problem, choice: Choice, number: int) -> TrialJob:
    """A trial with all that it needs elsewhere; the fixed ones are not cut short."""
    params = params_with(problem.params, choice)
    assert params is not None
    is_fixed = number < len(fixed_choices(problem, 0, 2))
    earlier = [] if is_fixed else comparable(study, problem, choice)
    return TrialJob(
        problem.trainings.material,
        params,
        problem.units,
        problem.windows,
        Rule(warmup_steps(problem), tuple(earlier)),
        compiled_programs(),
    )


def add_fixed(study: optuna.Study, problem: Problem, choice: Choice, result: Result) -> None:
    """Add a trial of given values, see `add_given`."""
    draw, kept = nearest_draw(choice, problem.space), {CHOICE: choice.model_dump_json()}
    add_given(study, draw, distributions(problem.space), result, kept)


def drawn(
    study: optuna.Study, problem: Problem, count: int
) -> tuple[list[Asked], list[optuna.Trial]]:
    """So many draws that go with the params and the cost limit, and others to be refused."""

    def accepted(values: Mapping[str, Any]) -> Choice | None:
        choice = choice_of(values)
        params = params_with(problem.params, choice)
        fits = params is not None and cost(problem.config(params)) <= problem.limit
        return choice if fits else None

    tune = problem.params.tune
    why = (
        f"cost at most {tune.max_cost:g} times the present params or the defaults; raise "
        "tune.max_cost or narrow configs/catalog.yaml"
    )
    found, late = draw(study, distributions(problem.space), tune, accepted, count, why)
    return [(choice, trial) for trial, choice in found], late


def comparable(study: optuna.Study, problem: Problem, choice: Choice) -> list[dict[int, float]]:
    """Losses by step of complete trials whose losses are of the same windows, in the same units.

    None before the sampler has enough trials, or if too few are comparable.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    same = [
        trial.intermediate_values
        for trial in complete
        for other in [Choice.model_validate_json(trial.user_attrs[CHOICE])]
        if (other.lookback, other.transform) == (choice.lookback, choice.transform)
    ]
    enough = len(complete) >= problem.params.tune.startup_trials and len(same) >= FEWEST_COMPARED
    return same if enough else []


def best_of(trials: list[Trial]) -> Trial:
    """The complete trial with the lowest RMSE; the earliest of equals."""
    return min(
        (trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.rmse
    )
