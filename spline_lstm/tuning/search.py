"""The search: Optuna's TPE draws, the median of earlier trials prunes, a database keeps them.

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
from optuna.trial import FrozenTrial, TrialState, create_trial

from spline_lstm.core.artifacts import code_files, content_id, sha256_of_file
from spline_lstm.core.errors import DivergedError, ParamsError
from spline_lstm.core.params import Params
from spline_lstm.models.config import ModelConfig, model_config
from spline_lstm.training.budget import budget_of
from spline_lstm.training.loop import Evaluation
from spline_lstm.training.model import train_model
from spline_lstm.tuning.catalog import Choice, Entry, Ranges
from spline_lstm.tuning.space import (
    choice_in,
    choice_of,
    cost,
    distributions,
    fitting,
    nearest_draw,
    params_with,
    random_draw,
)
from spline_lstm.windows.preprocessor import Preprocessor
from spline_lstm.windows.windows import SPLITS, Windows

# The folders of code on which the losses of a study depend.
FOLDERS = ("core", "models", "training", "tuning", "windows")
# Most draws in a row that do not go with the params or exceed the cost limit.
MAX_REFUSED = 300
LOSSES, CHOICE, STATE, REFUSED = "losses", "choice", "state", "refused"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of the search.

    Attributes
    ----------
    number : from 0; 0 are the present params
    choice : values of the settings
    state : complete, pruned or diverged
    losses : validation loss of each evaluation
    """

    number: int
    choice: Choice
    state: str
    losses: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Lowest validation loss; infinite without one."""
        return min(self.losses, default=math.inf)


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is searched.

    Attributes
    ----------
    params : the present params
    entry : defaults and ranges of the model type
    windows : without test split (`without_test`)
    preprocessor : Preprocessor
    """

    params: Params
    entry: Entry
    windows: Windows
    preprocessor: Preprocessor

    def config(self, params: Params) -> ModelConfig:
        """The network of other params."""
        return model_config(params, self.windows, self.preprocessor)

    @property
    def ranges(self) -> Ranges:
        """The ranges, as far as they go with the params."""
        return fitting(self.entry.ranges, self.params)

    @property
    def defaults_fit(self) -> bool:
        """Whether the catalog's defaults go with the other params; otherwise they are not tried."""
        return params_with(self.params, self.entry.defaults) is not None

    @property
    def reference_cost(self) -> int:
        """Cost of the present params, or of the catalog's defaults if these cost more."""
        defaults = params_with(self.params, self.entry.defaults)
        return max(
            cost(self.config(params)) for params in (self.params, defaults) if params is not None
        )

    @property
    def limit(self) -> float:
        """Cost beyond which a draw is not trained."""
        return self.params.tune.max_cost * self.reference_cost

    def excluded(self, draws: int = 400) -> str:
        """Which part of the catalog is beyond the limit, in one line, from random draws."""
        rng, beyond = np.random.default_rng(0), []
        for _ in range(draws):
            choice = choice_of(random_draw(self.ranges, rng))
            params = params_with(self.params, choice)
            if params is not None and cost(self.config(params)) > self.limit:
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
        arrays = [
            getattr(self.windows.arrays, field.name)
            for field in dataclasses.fields(self.windows.arrays)
        ]
        return content_id(
            *(
                np.ascontiguousarray(array).tobytes()
                for array in [*arrays, self.windows.origins, self.windows.split]
            ),
            *(sha256_of_file(path) for path in code_files(*FOLDERS)),
            f"{jax.__version__} {optuna.__version__}",
            self.params.model_dump(
                mode="json", exclude={"compare", "benchmark", "export", "evaluate"}
            ),
            self.entry.model_dump(mode="json"),
        )


def without_test(windows: Windows) -> Windows:
    """Only the windows of training and validation; rows of the test split are blank."""
    arrays = windows.arrays
    test = arrays.timestamps >= arrays.split_instants[1]
    blank = {
        name: np.where(test[:, None], np.nan, getattr(arrays, name)).astype(
            getattr(arrays, name).dtype
        )
        for name in ("scaled", "causal", "raw_target")
    }
    kept = windows.split != SPLITS.index("test")
    return dataclasses.replace(
        windows,
        arrays=dataclasses.replace(arrays, **blank, observed=arrays.observed & ~test[:, None]),
        origins=windows.origins[kept],
        split=windows.split[kept],
    )


def search(
    problem: Problem, database: Path, count: int, on_trial: Callable[[Trial], None]
) -> list[Trial]:
    """The first `count` trials of a problem; those in the database are not run again.

    Raises
    ------
    DivergedError
        The training with the present params diverges.
    ParamsError
        The sampler finds nothing within the cost limit.
    """
    study = open_study(problem, database)
    while len(done := trials_of(study)) < count:
        if not done:
            run_fixed(study, problem, choice_in(problem.params))
        elif (
            len(done) == 1
            and problem.defaults_fit
            and problem.entry.defaults != choice_in(problem.params)
        ):
            run_fixed(study, problem, problem.entry.defaults)
        else:
            run_drawn(study, problem)
        on_trial(trials_of(study)[-1])
    return done[:count]


def open_study(problem: Problem, database: Path) -> optuna.Study:
    """The study of this problem; a trial whose process was killed is dropped."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    tune = problem.params.tune
    study = optuna.create_study(
        storage=f"sqlite:///{database}",
        study_name=problem.content_id,
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=tune.startup_trials, n_warmup_steps=warmup_steps(problem)
        ),
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def warmup_steps(problem: Problem) -> int:
    """Steps that every trial gets before it can be cut short."""
    tune = problem.params.tune
    if tune.warmup_steps is not None:
        return tune.warmup_steps
    windows = len(problem.windows.splits["train"])
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
            tuple(trial.user_attrs[LOSSES]),
        )
        for number, trial in enumerate(trained)
    ]


def run_fixed(study: optuna.Study, problem: Problem, choice: Choice) -> None:
    """Train with given values; the sampler learns from them as the nearest draw of its ranges."""
    params = params_with(problem.params, choice)
    assert params is not None
    trained = train_model(problem.config(params), problem.windows, params.train)
    losses = {item.step: item.validation_loss for item in trained.history}
    study.add_trial(
        create_trial(
            value=min(losses.values()),
            params=nearest_draw(choice, problem.ranges),
            distributions=distributions(problem.ranges),
            intermediate_values=losses,
            user_attrs={
                STATE: "complete",
                CHOICE: choice.model_dump_json(),
                LOSSES: [*losses.values()],
            },
        )
    )


def run_drawn(study: optuna.Study, problem: Problem) -> None:
    """Draw until the values go with the params and the cost limit, and train them."""
    for _ in range(MAX_REFUSED):
        told = finished(study)
        refused = sum(trial.user_attrs[STATE] == REFUSED for trial in told)
        tune = problem.params.tune
        study.sampler = optuna.samplers.TPESampler(
            seed=draw_seed(tune.seed, len(told)), n_startup_trials=tune.startup_trials + refused
        )
        trial = study.ask(distributions(problem.ranges))
        choice = choice_of(trial.params)
        params = params_with(problem.params, choice)
        if params is not None and cost(problem.config(params)) <= problem.limit:
            run_trial(study, trial, problem, params, choice)
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


def run_trial(
    study: optuna.Study, trial: optuna.Trial, problem: Problem, params: Params, choice: Choice
) -> None:
    """Train, report each evaluation, stop when the median of earlier trials was better."""
    losses: list[float] = []
    limit = budget_of(params.train, len(problem.windows.splits["train"])).max_steps

    def on_evaluation(evaluation: Evaluation) -> None:
        if not math.isfinite(evaluation.validation_loss):
            return
        losses.append(evaluation.validation_loss)
        trial.report(evaluation.validation_loss, evaluation.step)
        if trial.should_prune() and evaluation.step < limit:
            raise optuna.TrialPruned

    try:
        train_model(problem.config(params), problem.windows, params.train, on_evaluation)
        state, told = "complete", TrialState.COMPLETE
    except optuna.TrialPruned:
        state, told = "pruned", TrialState.PRUNED
    except DivergedError:
        state, told = "diverged", TrialState.PRUNED
    trial.set_user_attr(CHOICE, choice.model_dump_json())
    trial.set_user_attr(LOSSES, losses)
    trial.set_user_attr(STATE, state)
    study.tell(trial, min(losses) if told is TrialState.COMPLETE else None, state=told)


def best_of(trials: list[Trial]) -> Trial:
    """The complete trial with the lowest validation loss; the earliest of equals."""
    return min(
        (trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.loss
    )
