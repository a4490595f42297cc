"""The database of a search: one study for each problem, by the content id of the problem.

What every search does with it is here: it draws, refuses draws, keeps what came of a trial, and
reads the trials back.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from spline_lstm.core.errors import ParamsError
from spline_lstm.core.params import Params, TuneParams
from spline_lstm.training.budget import budget_of
from spline_lstm.tuning.trial_run import Result

# Most draws in a row that do not go with the params or exceed the cost limit.
MAX_REFUSED = 300
# Fewest trials whose median can cut a trial short.
FEWEST_COMPARED = 3
Drawn = TypeVar("Drawn")
STATE, REFUSED = "state", "refused"


def open_study(name: str, database: Path) -> optuna.Study:
    """The study of a problem by its content id; a trial whose process was killed is dropped."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{database}",
        study_name=name,
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.NopPruner(),  # see `trial_run.is_worse`
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Trained trials and refused draws, in order, without trials that were killed."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def trained(study: optuna.Study) -> list[FrozenTrial]:
    """The trainings of `finished`, without refused draws: those of the table, from trial 0 on."""
    return [trial for trial in finished(study) if trial.user_attrs[STATE] != REFUSED]


def score_of(trial: FrozenTrial) -> float:
    """What a trial is judged by; infinite unless complete."""
    complete = trial.state is TrialState.COMPLETE and trial.value is not None
    return trial.value if complete and trial.value is not None else math.inf


def ask(
    study: optuna.Study,
    distributions: Mapping[str, BaseDistribution],
    tune: TuneParams,
    open_draws: int = 0,
) -> optuna.Trial:
    """The next draw; `open_draws` were made since the last result.

    Each has a seed of its own by its number. The sampler cannot start from refused draws,
    so it draws as many more at random.
    """
    told = finished(study)
    refused = sum(trial.user_attrs[STATE] == REFUSED for trial in told)
    study.sampler = optuna.samplers.TPESampler(
        seed=draw_seed(tune.seed, len(told) + open_draws),
        n_startup_trials=tune.startup_trials + refused,
    )
    return study.ask(dict(distributions))


def draw(
    study: optuna.Study,
    distributions: Mapping[str, BaseDistribution],
    tune: TuneParams,
    accepted: Callable[[Mapping[str, Any]], Drawn | None],
    count: int,
    why_refused: str,
) -> tuple[list[tuple[optuna.Trial, Drawn]], list[optuna.Trial]]:
    """So many draws that are accepted, each with what it stands for, and draws to be refused later.

    Fewer if draws that are accepted are rare. Each has a seed of its own; none knows the results of
    the others. A draw that is not accepted is refused at once only before the first that is: if the
    search is killed before it has results, the study must be what it was when that one was drawn.

    Parameters
    ----------
    accepted : what a draw stands for, None if it is not to be trained
    why_refused : end of the message "none of 300 draws ..."

    Raises
    ------
    ParamsError
        None of the draws is accepted.
    """
    found, late = [], []
    for _ in range(MAX_REFUSED + count - 1):
        trial = ask(study, distributions, tune, len(found) + len(late))
        drawn = accepted(trial.params)
        if drawn is not None:
            found.append((trial, drawn))
        elif found:
            late.append(trial)
        else:
            refuse(study, trial)
        if len(found) == count:
            return found, late
    if found:
        return found, late
    raise ParamsError(f"none of {MAX_REFUSED} draws {why_refused}")


def refuse(study: optuna.Study, trial: optuna.Trial) -> None:
    """Keep that a draw is not trained.

    Pruned before its first step: the worst result for the sampler, so that it avoids these values.
    """
    trial.set_user_attr(STATE, REFUSED)
    study.tell(trial, state=TrialState.PRUNED)


def tell(study: optuna.Study, trial: optuna.Trial, result: Result, kept: Mapping[str, str]) -> None:
    """Keep what came of a draw; `kept` are its values, as an attribute of the trial."""
    for step, loss in result.losses.items():
        trial.report(loss, step)
    for key, text in {**kept, STATE: result.state}.items():
        trial.set_user_attr(key, text)
    study.tell(trial, result.value, state=_state_of(result))


def add_given(
    study: optuna.Study,
    draw: Mapping[str, Any],
    distributions: Mapping[str, BaseDistribution],
    result: Result,
    kept: Mapping[str, str],
) -> None:
    """Add a trial of given values; the sampler learns from them as the nearest draw of its space.

    Values that cannot be trained are a failed trial.
    """
    study.add_trial(
        create_trial(
            state=_state_of(result),
            value=result.value,
            params=dict(draw),
            distributions=dict(distributions),
            intermediate_values=result.losses,
            user_attrs={STATE: result.state, **kept},
        )
    )


def _state_of(result: Result) -> TrialState:
    return TrialState.PRUNED if result.value is None else TrialState.COMPLETE


def warmup_steps_of(params: Params, rows: int) -> int:
    """Steps that every trial gets before it can be cut short, with so many rows to learn from."""
    tune = params.tune
    if tune.warmup_steps is not None:
        return tune.warmup_steps
    return (tune.warmup_epochs or 0) * budget_of(params.train, rows).steps_per_epoch


def draw_seed(seed: int, number: int) -> int:
    """Seed of one draw; a sum of seed and number would repeat draws of the next seed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
