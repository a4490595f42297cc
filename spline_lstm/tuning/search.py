"""The search: Optuna's TPE draws, the median of earlier trials prunes, a database keeps them.

Trials are judged by the forecast that `predict` would give, in data units, on the validation
windows that all lookbacks of the search have (see `judge`): the losses of other transforms are in
other units, and those of other lookbacks are of other windows.

The sampler gets a new seed for every draw, from the number of the draw, and sees only the finished
trials. So a search that was killed and resumed draws what an uninterrupted one would have drawn. A
trial that was killed starts over.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState, create_trial

from spline_lstm.core.artifacts import code_files, content_id, sha256_of_file
from spline_lstm.core.errors import ParamsError, SplineLstmError, TooLittleDataError
from spline_lstm.core.params import Params, with_values
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.training.budget import budget_of
from spline_lstm.training.loop import Evaluation
from spline_lstm.tuning.catalog import Choice, Entry
from spline_lstm.tuning.judge import Units, rmse_on, validation_errors, validation_index
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
from spline_lstm.tuning.trainings import Trainings, is_positive, longest_training

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
# Most draws in a row that do not go with the params or exceed the cost limit.
MAX_REFUSED = 300
# Fewest trials whose median can cut a trial short.
FEWEST_COMPARED = 3
CHOICE, STATE, REFUSED = "choice", "state", "refused"


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
        present = choice_in(problem.params)
        if not done:
            run_fixed(study, problem, present)
        elif len(done) == 1 and problem.defaults_fit and problem.defaults != present:
            run_fixed(study, problem, problem.defaults)
        else:
            run_drawn(study, problem)
        on_trial(trials_of(study)[-1])
    return done[:count]


def open_study(name: str, database: Path) -> optuna.Study:
    """The study of a problem by its content id; a trial whose process was killed is dropped."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{database}",
        study_name=name,
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.NopPruner(),  # see `is_worse`
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def warmup_steps(problem: Problem) -> int:
    """Steps that every trial gets before it can be cut short."""
    tune = problem.params.tune
    if tune.warmup_steps is not None:
        return tune.warmup_steps
    windows = len(problem.trainings.prepared(problem.params).windows.splits["train"])
    return (tune.warmup_epochs or 0) * budget_of(problem.params.train, windows).steps_per_epoch


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trained trials and refused draws, in order, without trials that were killed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def trials_of(study: optuna.Study) -> list[Trial]:
    """The trainings, numbered from 0."""
    trained = [trial for trial in finished(study) if trial.user_attrs[STATE] != REFUSED]
    return [
        Trial(
            number,
            Choice.model_validate_json(trial.user_attrs[CHOICE]),
            trial.user_attrs[STATE],
            tuple(trial.intermediate_values.values()),
            trial.value if trial.state is TrialState.COMPLETE and trial.value else math.inf,
        )
        for number, trial in enumerate(trained)
    ]


def run_fixed(study: optuna.Study, problem: Problem, choice: Choice) -> None:
    """Train with given values; the sampler learns from them as the nearest draw of its space.

    Raises
    ------
    SplineLstmError
        These values cannot be trained, if they are the present ones; else it is a failed trial.
    """
    losses: dict[int, float] = {}
    try:
        value, state = train_and_judge(problem, choice, losses.__setitem__), TrialState.COMPLETE
    except SplineLstmError:
        if choice == choice_in(problem.params):
            raise
        value, state = None, TrialState.PRUNED
    study.add_trial(
        create_trial(
            state=state,
            value=value,
            params=nearest_draw(choice, problem.space),
            distributions=distributions(problem.space),
            intermediate_values=losses,
            user_attrs={
                STATE: "failed" if value is None else "complete",
                CHOICE: choice.model_dump_json(),
            },
        )
    )


def train_and_judge(
    problem: Problem, choice: Choice, on_loss: Callable[[int, float], None]
) -> float:
    """Train with a choice; return the RMSE on validation.

    Raises
    ------
    SplineLstmError
        Data or training do not allow it.
    """
    params = params_with(problem.params, choice)
    assert params is not None

    def on_evaluation(evaluation: Evaluation) -> None:
        if math.isfinite(evaluation.validation_loss):
            on_loss(evaluation.step, evaluation.validation_loss)

    fit = problem.trainings.fit(params, on_evaluation)
    return rmse_on(validation_errors(fit, problem.units), problem.windows)


def run_drawn(study: optuna.Study, problem: Problem) -> None:
    """Draw until the values go with the params and the cost limit, and train them."""
    for _ in range(MAX_REFUSED):
        told = finished(study)
        refused = sum(trial.user_attrs[STATE] == REFUSED for trial in told)
        tune = problem.params.tune
        study.sampler = optuna.samplers.TPESampler(
            seed=draw_seed(tune.seed, len(told)), n_startup_trials=tune.startup_trials + refused
        )
        trial = study.ask(distributions(problem.space))
        choice = choice_of(trial.params)
        params = params_with(problem.params, choice)
        if params is not None and cost(problem.config(params)) <= problem.limit:
            run_trial(study, trial, problem, choice)
            return
        # Pruned before its first step: the worst result for the sampler, so that it avoids these
        # values.
        trial.set_user_attr(STATE, REFUSED)
        study.tell(trial, state=TrialState.PRUNED)
    raise ParamsError(
        f"none of {MAX_REFUSED} draws cost at most {problem.params.tune.max_cost:g} times the "
        "present params or the defaults; raise tune.max_cost or narrow configs/catalog.yaml"
    )


def draw_seed(seed: int, number: int) -> int:
    """Seed of one draw; a sum of seed and number would repeat draws of the next seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def run_trial(study: optuna.Study, trial: optuna.Trial, problem: Problem, choice: Choice) -> None:
    """Train, report each evaluation, stop when the median of earlier trials was better."""
    losses: dict[int, float] = {}
    warmup, earlier = warmup_steps(problem), comparable(study, problem, choice)

    def on_loss(step: int, loss: float) -> None:
        losses[step] = loss
        trial.report(loss, step)
        if step > warmup and is_worse(losses, earlier):
            raise optuna.TrialPruned

    value, state = None, "complete"
    try:
        value = train_and_judge(problem, choice, on_loss)
    except optuna.TrialPruned:
        state = "pruned"
    except SplineLstmError:
        state = "failed"
    trial.set_user_attr(CHOICE, choice.model_dump_json())
    trial.set_user_attr(STATE, state)
    study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)


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


def is_worse(losses: dict[int, float], earlier: list[dict[int, float]]) -> bool:
    """Whether the lowest loss so far is above the median of what earlier trials had by this step.

    Trials of other batch sizes are evaluated at other steps; one without a value by now has none.
    """
    now = max(losses)
    by_now = [[loss for step, loss in each.items() if step <= now] for each in earlier]
    lowest = [min(each) for each in by_now if each]
    return bool(lowest) and min(losses.values()) > float(np.median(lowest))


def best_of(trials: list[Trial]) -> Trial:
    """The complete trial with the lowest RMSE; the earliest of equals."""
    return min(
        (trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.rmse
    )
